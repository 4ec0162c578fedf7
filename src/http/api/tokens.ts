import { z } from "@hono/zod-openapi";
import type { RequestContext, TokenInfo } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { ROLES, SCOPES, type Role, type Scope } from "../../model/identity.ts";
import { actorOf } from "../../access/actor.ts";
import { invalidField } from "./problems.ts";
import { answers, body, creates, ofWorkspace, page, removes, route, type Api } from "./route.ts";

const Token = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  role: z.enum(ROLES).nullable(),
  readOnly: z.boolean(),
  toolset: z.string().nullable(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  revokedAt: z.iso.datetime().nullable(),
  lastUsedAt: z.iso.datetime().nullable(),
});
const NewToken = z.strictObject({
  name: z.string().trim().min(1).max(100),
  scopes: z.array(z.enum(SCOPES)).min(1).openapi({ description: "No more than the caller has." }),
  role: z.enum(ROLES).optional().openapi({ description: "What policy rules see; no higher than the caller's." }),
  readOnly: z.boolean().default(false),
  toolset: z.string().min(1).max(64).optional().openapi({ description: "The only toolset it may use." }),
  expiresAt: z.iso.datetime({ offset: true }).optional().openapi({ description: "Left out: never." }),
});

export function tokenRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/tokens", {
      summary: "List access tokens",
      request: { params: ofWorkspace },
      responses: answers("Tokens without their secrets", page(Token)),
    }),
    async (c) => {
      const { platform, workspace } = c.var.request;
      const tokens = await platform.authority(workspace.id).listTokens();
      return c.json({ items: tokens.map(view), after: null }, 200);
    },
  );

  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/tokens", {
      summary: "Create an access token",
      request: { params: ofWorkspace, body: body(NewToken) },
      responses: creates("The token, shown this once", z.object({ token: z.string(), info: Token })),
    }),
    async (c) => {
      const ctx = c.var.request;
      const input = c.req.valid("json");
      const { role = null, toolset = null } = input;
      requireNoMore(ctx, input.scopes, role);
      const { token, info } = await ctx.platform.authority(ctx.workspace.id).createToken(
        { name: input.name, scopes: [...new Set(input.scopes)], role, readOnly: input.readOnly, toolset, expiresAt: endOf(input.expiresAt, ctx.platform.now()) },
        actorOf(ctx),
      );
      return c.json({ token, info: view(info) }, 201);
    },
  );

  app.openapi(
    route("DELETE /api/v1/workspaces/{workspace}/tokens/{token}", {
      summary: "Revoke an access token",
      description: "Refused everywhere within 5 seconds after this answers.",
      request: { params: ofWorkspace.extend({ token: z.string() }) },
      responses: removes("Revoked"),
    }),
    async (c) => {
      const ctx = c.var.request;
      const revoked = await ctx.platform.authority(ctx.workspace.id).revokeToken(c.req.valid("param").token, actorOf(ctx));
      if (!revoked) throw new GatewayError("not_found", "no such token");
      return c.body(null, 204);
    },
  );
}

/** Nobody hands out a right they do not have. */
function requireNoMore(ctx: RequestContext, scopes: readonly Scope[], role: Role | null): void {
  const beyond = scopes.filter((scope) => !ctx.principal.scopes.includes(scope));
  if (beyond.length > 0) throw new GatewayError("forbidden", `scopes: you do not have ${beyond.join(", ")} yourself`, { data: { scope: beyond.join(" ") } });
  const own = ctx.principal.role === null ? ROLES.length : ROLES.indexOf(ctx.principal.role);
  if (role !== null && ROLES.indexOf(role) < own) throw new GatewayError("forbidden", `role: ${role} is higher than your own`);
}

function endOf(expiresAt: string | undefined, now: number): number | null {
  if (expiresAt === undefined) return null;
  const end = Date.parse(expiresAt);
  if (end <= now) throw invalidField("expiresAt", "must be in the future");
  return end;
}

function view(info: TokenInfo): z.infer<typeof Token> {
  const { id, name, scopes, role, readOnly, toolset, createdAt, expiresAt, revokedAt, lastUsedAt } = info;
  return { id, name, scopes, role, readOnly, toolset, createdAt: date(createdAt), expiresAt: dateOrNull(expiresAt), revokedAt: dateOrNull(revokedAt), lastUsedAt: dateOrNull(lastUsedAt) };
}

function date(at: number): string {
  return new Date(at).toISOString();
}

function dateOrNull(at: number | null): string | null {
  return at === null ? null : date(at);
}
