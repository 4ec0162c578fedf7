import type { Config } from "../model/context.ts";
import { type Place, placeOf } from "./place.ts";
import { refuse } from "./refusals.ts";

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/**
 * Whether this request may have come from a page that is allowed to (MCP 2026-07-28, Streamable HTTP: `Origin` MUST be
 * validated). No `Origin`: not a browser, allowed. `Host` is checked against the configured names, without which a
 * rebound DNS name would be its own same origin.
 */
export function originAllowed(config: Config, place: Place, origin: string | null): boolean {
  if (config.hosts.length > 0 && !config.hosts.includes(place.hostname)) return false;
  if (origin === null || origin === place.origin) return true;
  if (config.allowedOrigins.includes(origin)) return true;
  return LOOPBACK.test(place.hostname) && URL.canParse(origin) && LOOPBACK.test(new URL(origin).hostname);
}

/** Answers a request whose `Origin` is allowed, with the CORS headers that its page needs; preflights are answered here. */
export function withOrigin(request: Request, config: Config, answer: (place: Place) => Promise<Response>): Promise<Response> {
  const place = placeOf(request.url);
  const origin = request.headers.get("origin");
  if (!originAllowed(config, place, origin)) return Promise.resolve(refuse(403, "this Origin is not allowed"));
  if (request.method === "OPTIONS") return Promise.resolve(preflight(request));
  return origin === null ? answer(place) : answer(place).then((response) => shared(response, origin));
}

function shared(response: Response, origin: string): Response {
  for (const [name, value] of Object.entries(corsHeaders(origin))) response.headers.set(name, value);
  return response;
}

const EXPOSED = "mcp-session-id, www-authenticate, mcp-protocol-version, retry-after, server-timing, causeway-request-id";

/** CORS headers for an allowed origin; never with credentials, which MCP does not use. */
function corsHeaders(origin: string | null): Record<string, string> {
  return origin === null ? {} : { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, vary: "Origin" };
}

/** Answer to a preflight: the `Mcp-Param-*` names are the tools' own, so what is asked for is what is allowed. */
function preflight(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      ...corsHeaders(request.headers.get("origin")),
      "access-control-allow-methods": "POST, GET, DELETE, OPTIONS",
      "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "content-type, authorization, accept",
      "access-control-max-age": "86400",
    },
  });
}
