import { z, type OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { ACCESS, type RouteKey } from "./access.ts";
import { guard, type ApiEnv } from "./context.ts";
import { Problem } from "./problems.ts";

export type Api = OpenAPIHono<ApiEnv>;

const METHODS = { GET: "get", POST: "post", PUT: "put", PATCH: "patch", DELETE: "delete" } as const;
type Method = (typeof METHODS)[keyof typeof METHODS];

type Declared = Pick<RouteConfig, "summary" | "description" | "request" | "responses">;
type Guarded = { method: Method; path: string; tags: string[]; security: Record<string, string[]>[]; middleware: MiddlewareHandler<ApiEnv> };

/** A route of the access table: method and path come from its key, and so does the guard in front of it. */
export function route<const R extends Declared>(key: RouteKey, declared: R): R & Guarded {
  const [verb = "", path = ""] = key.split(" ");
  const need = ACCESS[key];
  return {
    ...declared,
    method: methodOf(verb),
    path,
    tags: [path.split("/").filter((part) => !part.startsWith("{"))[4] ?? "workspace"],
    security: need === "public" ? [] : [{ bearer: [] }],
    middleware: guard(need, verb !== "GET"),
  };
}

function methodOf(verb: string): Method {
  if (verb === "GET" || verb === "POST" || verb === "PUT" || verb === "PATCH" || verb === "DELETE") return METHODS[verb];
  throw new TypeError(`the access table names an unknown method: ${verb}`);
}

const PROBLEM = { description: "Problem details (RFC 9457)", content: { "application/problem+json": { schema: Problem } } };

export const ofWorkspace = z.object({ workspace: z.string().openapi({ description: "Id or slug." }) });

/** `200` with a JSON body. */
export function answers<S extends z.ZodType>(description: string, schema: S) {
  return { 200: { description, content: { "application/json": { schema } } }, default: PROBLEM };
}

/** `201` with a JSON body. */
export function creates<S extends z.ZodType>(description: string, schema: S) {
  return { 201: { description, content: { "application/json": { schema } } }, default: PROBLEM };
}

/** `204` without a body. */
export function removes(description: string) {
  return { 204: { description }, default: PROBLEM };
}

export function body<S extends z.ZodType>(schema: S) {
  return { required: true, content: { "application/json": { schema } } };
}

/** One page of a list; `after` is null on the last, else what to send as `?after=`. */
export function page<S extends z.ZodType>(item: S) {
  return z.object({ items: z.array(item), after: z.string().nullable() });
}

/** Where a list goes on: `after` is opaque. */
export const paging = z.object({
  after: z.string().max(512).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
});
