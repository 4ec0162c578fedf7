import type { Challenge } from "../../model/error.ts";

const MAX_CHARS = 8_192;

/** A scheme, or a parameter with its value (RFC 9110 section 11.2). */
const PART = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+))?/g;

/** What a 401 or 403 asks for: the parameters of its first Bearer challenge (RFC 6750 section 3), all null where it has none. */
export function challengeIn(response: Response): Challenge | undefined {
  const { status } = response;
  if (status !== 401 && status !== 403) return undefined;
  const params = bearerParams(response.headers.get("www-authenticate") ?? "");
  return { status, error: params.get("error") ?? null, scope: params.get("scope") ?? null, resourceMetadata: params.get("resource_metadata") ?? null };
}

function bearerParams(header: string): Map<string, string> {
  const params = new Map<string, string>();
  if (header.length > MAX_CHARS) return params;
  let bearer = false;
  for (const [, name = "", value] of header.matchAll(PART)) {
    if (value === undefined) {
      if (bearer && params.size > 0) break;
      bearer = name.toLowerCase() === "bearer";
    } else if (bearer && !params.has(name.toLowerCase())) params.set(name.toLowerCase(), unquoted(value));
  }
  return params;
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
}
