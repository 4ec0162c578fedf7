import { z } from "@hono/zod-openapi";
import { listRules, replaceRules } from "../../catalog/rules.ts";
import { ROLES, SCOPES } from "../../model/identity.ts";
import type { JsonObject } from "../../model/json.ts";
import { answers, body, ofWorkspace, page, route, type Api } from "./route.ts";

const names = z.array(z.string().min(1).max(200)).max(1_000).default([]);
const pointer = z.string().max(1_000).regex(/^(?:\/(?:[^~/]|~[01])*)*$/, "must be a JSON pointer (RFC 6901)");
const object = z.custom<JsonObject>((value) => typeof value === "object" && value !== null && !Array.isArray(value), "must be a string, number, boolean, null or object").openapi({ type: "object" });
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

const Matcher = z.discriminatedUnion("op", [
  z.strictObject({ pointer, op: z.literal("equals"), value: z.union([scalar, object]) }),
  z.strictObject({ pointer, op: z.literal("in"), values: z.array(scalar).min(1).max(1_000) }),
  z.strictObject({ pointer, op: z.literal("prefix"), value: z.string() }),
  z.strictObject({ pointer, op: z.literal("range"), min: z.number().optional(), max: z.number().optional() }),
  z.strictObject({ pointer, op: z.literal("exists"), value: z.boolean() }),
]);
const Rule = z.strictObject({
  id: z.string().min(1).max(64),
  who: z.strictObject({ roles: z.array(z.enum(ROLES)).default([]), principals: names, scopes: z.array(z.enum(SCOPES)).default([]) }).prefault({}),
  what: z
    .strictObject({ tools: names, targets: z.array(z.enum(["agent", "mcp", "builtin"])).default([]), upstreams: names, readOnly: z.boolean().nullable().default(null) })
    .prefault({}),
  when: z.array(Matcher).max(20).default([]),
  effect: z.enum(["allow", "deny", "ask"]),
});
const Rules = z
  .strictObject({ rules: z.array(Rule).max(1_000) })
  .refine(({ rules }) => new Set(rules.map((rule) => rule.id)).size === rules.length, { path: ["rules"], message: "two rules have the same id" });

export function ruleRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/rules", {
      summary: "List policy rules",
      request: { params: ofWorkspace },
      responses: answers("Rules", page(Rule)),
    }),
    async (c) => c.json({ items: await listRules(c.var.request), after: null }, 200),
  );

  app.openapi(
    route("PUT /api/v1/workspaces/{workspace}/rules", {
      summary: "Replace all policy rules, and publish",
      description: "The most restrictive rule that matches wins; an empty list matches everything.",
      request: { params: ofWorkspace, body: body(Rules) },
      responses: answers("Rules", page(Rule)),
    }),
    async (c) => c.json({ items: await replaceRules(c.var.request, c.req.valid("json").rules), after: null }, 200),
  );
}
