import { sha256 } from "../lib/crypto.ts";
import { GatewayError } from "../model/error.ts";

/** What every known client and model API takes. */
const ALLOWED = /^[A-Za-z0-9_-]{1,64}$/;
const MAX_CHARS = 64;
const HASH_CHARS = 6;
/** Prefixes of names that the gateway gives itself. */
const RESERVED = /^(?:causeway|mcp)(?:_|$)/;
const UPSTREAM_SLUG = /^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$/;
const TOOLSET_SLUG = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

/**
 * The name under which `{upstream}_{name}` is exposed. A name that cleaning, shortening or a name already taken changed
 * ends in `_` and six characters of its hash. Chosen once and stored: the answer depends on what is taken.
 */
export async function exposedName(upstream: string, name: string, taken: (name: string) => boolean): Promise<string> {
  const wanted = `${upstream}_${name}`;
  if (ALLOWED.test(wanted) && !taken(wanted)) return wanted;
  return marked(wanted.replace(/[^A-Za-z0-9_-]/gu, "_"), [upstream, name], MAX_CHARS, taken);
}

/** The name of at most so many characters (8 at least) by which a client knows a tool whose own name is longer than it takes. Not stored. */
export function shortName(name: string, chars: number, taken: (name: string) => boolean): Promise<string> {
  return marked(name, [name], chars, taken);
}

async function marked(text: string, of: readonly string[], chars: number, taken: (name: string) => boolean): Promise<string> {
  const kept = text.slice(0, chars - HASH_CHARS - 1);
  for (let attempt = 0; ; attempt++) {
    const hash = await sha256(JSON.stringify([...of, attempt]));
    const name = `${kept}_${hash.slice(0, HASH_CHARS)}`;
    if (!taken(name)) return name;
  }
}

/** Refuses (`invalid`) what cannot be an upstream's slug. `_` ends the slug in a name, so a slug has none. */
export function checkUpstreamSlug(slug: string): void {
  if (!UPSTREAM_SLUG.test(slug)) throw invalid("slug", "must be 1 to 20 of a-z, 0-9 and -, with a letter or digit first and last");
  if (RESERVED.test(slug)) throw invalid("slug", `${slug} is reserved`);
}

export function checkToolsetSlug(slug: string): void {
  if (!TOOLSET_SLUG.test(slug)) throw invalid("slug", "must be 1 to 40 of a-z, 0-9 and -, with a letter or digit first and last");
}

/** Refuses (`invalid`) what a person cannot name a tool. */
export function checkToolName(field: string, name: string): void {
  if (!ALLOWED.test(name)) throw invalid(field, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -");
  if (RESERVED.test(name)) throw invalid(field, "must not begin with causeway_ or mcp_: these names are reserved");
}

export function invalid(field: string, message: string): GatewayError {
  return new GatewayError("invalid", `${field} ${message}`, { data: { problems: [{ field, message }] } });
}
