import type { Refused } from "../access/authenticate.ts";
import { challenge, type Challenged } from "../access/challenge.ts";
import type { Scope } from "../model/identity.ts";
import { metadataUrl } from "./metadata.ts";
import type { Place } from "./place.ts";

/** An answer before any call: an HTTP status, with a JSON-RPC error without id for clients that look for one. */
export function refuse(status: number, message: string, code = -32600, headers: Record<string, string> = {}): Response {
  const body = { jsonrpc: "2.0", id: null, error: { code, message } };
  return Response.json(body, { status, headers });
}

/** What a caller hears who was not let in; 401 and 403 carry the challenge of RFC 6750 and RFC 9728. */
export function refuseAuth({ status, reason, retryAfter }: Refused, place: Place): Response {
  if (reason === "session_ended") return refuse(404, "session not found", -32001);
  if (status === 503) return refuse(503, "access cannot be checked now", -32603, { "retry-after": String(retryAfter ?? 1) });
  if (status === 404) return refuse(404, "no such endpoint");
  return challenged({ status, reason }, place, "mcp:read mcp:call");
}

/** The credential is good, and too small for this: the challenge names the scope that is missing. */
export function refuseScope(place: Place, scope: Scope): Response {
  return challenged({ status: 403, reason: "insufficient_scope" }, place, scope);
}

function challenged(refused: Challenged, place: Place, scope: string): Response {
  const value = challenge(refused, { resourceMetadataUrl: metadataUrl(place.origin, place.pathname), scope });
  const message = refused.status === 401 ? "a valid access token is needed" : `this access token lacks a scope: ${scope}`;
  return refuse(refused.status, message, -32603, { "www-authenticate": value });
}
