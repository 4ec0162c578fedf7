import { log } from "../lib/log.ts";
import { newId } from "../lib/ids.ts";
import { toGatewayError } from "../model/error.ts";

/** The one renderer of what a route threw. What we do not know is "internal" with an id to ask about. */
export function renderError(thrown: unknown): Response {
  const error = toGatewayError(thrown);
  const requestId = newId("req");
  if (error.code === "internal") log("error", "request failed", { requestId, cause: error.cause ?? error });
  const headers = error.retryAfter === undefined ? undefined : { "retry-after": String(error.retryAfter) };
  return Response.json({ error: { code: error.code, message: error.message, requestId } }, { status: error.wire.http, headers });
}
