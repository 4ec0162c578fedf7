import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "@hono/zod-openapi";
import { log } from "../../lib/log.ts";
import { GatewayError, toGatewayError } from "../../model/error.ts";
import type { JsonObject } from "../../model/json.ts";
import type { ApiEnv } from "./context.ts";

/** Problem details (RFC 9457); `errors` names each field of the input that is wrong. */
export const Problem = z
  .looseObject({
    type: z.literal("about:blank"),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().openapi({ description: "Stable: one of the gateway's fourteen error codes." }),
    requestId: z.string(),
    retryAfter: z.number().optional().openapi({ description: "Seconds." }),
    errors: z.array(z.looseObject({ field: z.string(), message: z.string() })).optional(),
  })
  .openapi("Problem");

/** RFC 9110 section 15, for what the gateway answers; 499 is nginx's. */
const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  499: "Client Closed Request",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** Renders whatever a route threw. What we do not know becomes "internal" and goes to the log. */
export function problem(thrown: unknown, c: Context<ApiEnv>): Response {
  const error = thrown instanceof HTTPException ? ofHono(thrown) : toGatewayError(thrown);
  const { requestId } = c.var;
  if (error.code === "internal") log("error", "the management API failed", { requestId, path: c.req.path, cause: error.cause });
  const status = error.wire.http;
  const { problems, ...data } = error.data ?? {};
  const body: JsonObject = {
    ...data,
    type: "about:blank",
    title: TITLES[status] ?? "Error",
    status,
    detail: error.message,
    code: error.code,
    requestId,
    ...(error.retryAfter !== undefined && { retryAfter: error.retryAfter }),
    ...(problems !== undefined && { errors: problems }),
  };
  if (error.retryAfter !== undefined) c.header("Retry-After", String(Math.ceil(error.retryAfter)));
  c.header("Content-Type", "application/problem+json");
  c.header("Cache-Control", "no-store");
  return new Response(JSON.stringify(body), { status, headers: c.res.headers });
}

/** One wrong field, as the whole error. */
export function invalidField(field: string, message: string): GatewayError {
  return new GatewayError("invalid", `${field}: ${message}`, { data: { problems: [{ field, message }] } });
}

/** What zod found, a field for each issue: `body.scopes.0` is written `scopes.0`. */
export function invalidInput(error: z.ZodError): GatewayError {
  const problems = error.issues.flatMap((issue) => {
    const at = issue.path.map(String);
    if (issue.code === "unrecognized_keys") return issue.keys.map((key) => ({ field: [...at, key].join("."), message: "no such field" }));
    return [{ field: at.join(".") || "body", message: issue.message }];
  });
  const [first] = problems;
  return new GatewayError("invalid", first ? `${first.field}: ${first.message}` : "the input is invalid", { data: { problems } });
}

/** The validator of `@hono/zod-openapi` throws these for a body it cannot read: malformed JSON and a foreign media type. */
function ofHono(thrown: HTTPException): GatewayError {
  if (thrown.status === 415) {
    const problems = [{ field: "Content-Type", message: "not a media type this route takes" }];
    return new GatewayError("invalid", "Content-Type: not a media type this route takes", { data: { problems }, wire: { http: 415, rpc: -32602 } });
  }
  if (thrown.status === 400) return invalidField("body", "not valid JSON");
  return new GatewayError("internal", "internal error", { cause: thrown });
}
