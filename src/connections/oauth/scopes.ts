/** Of an upstream or an authorization server: what is longer is cut, what is no scope is dropped. */
const MOST = 100;

/** Scope tokens (RFC 6749 section 3.3) of a text, each once, in order. */
export function scopesIn(text: string | null): string[] {
  const tokens = (text ?? "").split(" ").filter((token) => /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(token));
  return [...new Set(tokens)].slice(0, MOST);
}

/** Several scope texts as one; null when there is none in them. */
export function joinScopes(...texts: (string | null)[]): string | null {
  const all = scopesIn(texts.filter((text) => text !== null).join(" "));
  return all.length === 0 ? null : all.join(" ");
}

/** What of `wanted` is not in `held`; null: nothing. */
export function missingScopes(wanted: string | null, held: string | null): string | null {
  const has = scopesIn(held);
  return joinScopes(scopesIn(wanted).filter((scope) => !has.includes(scope)).join(" "));
}

export interface ScopeSources {
  /** Set by hand; decides alone. */
  fixed: string | null;
  /** Of the challenge that led here. */
  challenged: string | null;
  /** Of an earlier login at the same server, and what a call has been refused for since. */
  held: string | null;
  /** `scopes_supported` of the upstream. */
  offered: string | null;
  /** `scopes_supported` of the authorization server. */
  known: readonly string[];
}

/**
 * What a login asks for (MCP 2026-07-28, authorization: scope selection, step-up): the challenge's scopes, else all the upstream lists, else none is
 * named and the server chooses; never less than before. `offline_access` is added where the server knows it, because a gateway acts while nobody watches.
 */
export function chooseScope({ fixed, challenged, held, offered, known }: ScopeSources): string | null {
  const chosen = fixed ?? joinScopes(held, joinScopes(challenged) ?? (held === null ? offered : null));
  return chosen !== null && fixed === null && known.includes("offline_access") ? joinScopes(chosen, "offline_access") : chosen;
}
