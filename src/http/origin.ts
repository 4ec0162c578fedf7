import type { Config } from "../model/context.ts";

/** Where a request came in. */
export interface Place {
  /** `https://host` or `http://host:port`. */
  origin: string;
  hostname: string;
  pathname: string;
}

/** A URL that stands as a URL parser would write it: lower-case host, no user part, no port that goes without saying. */
const PLAIN = /^(https?:\/\/([a-z0-9][a-z0-9.-]*)(?::(?!(?:80|443)\/)\d+)?)(\/[^?#\\]*)/;

/** The place that a request's URL names. Cut out where it can be: a URL object costs as much as all other look-ups of a call. */
export function placeOf(url: string): Place {
  const [, origin, hostname, pathname] = PLAIN.exec(url) ?? [];
  return origin && hostname && pathname ? { origin, hostname, pathname } : new URL(url);
}

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

const EXPOSED = "mcp-session-id, www-authenticate, mcp-protocol-version, retry-after, server-timing, causeway-request-id";

/** CORS headers for an allowed origin; never with credentials, which MCP does not use. */
export function corsHeaders(origin: string | null): Record<string, string> {
  return origin === null ? {} : { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, vary: "Origin" };
}

/** Answer to a preflight: the `Mcp-Param-*` names are the tools' own, so what is asked for is what is allowed. */
export function preflight(request: Request): Response {
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
