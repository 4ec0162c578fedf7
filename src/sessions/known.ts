import { openSession, type SessionClaims } from "./token.ts";

const MOST = 5_000;

/** Named cache: workspace and session id, as the client sent them → what the id says. Only ids whose signature held come in. */
const verified = new Map<string, SessionClaims>();

/**
 * What `openSession` answers: a value when this isolate has opened the id before, a promise otherwise. A signature stays true, so only the time is
 * looked at again. `slug`: the workspace it was presented to, whose claim the caller compares. Whether the session was ended is for access to say, each time.
 */
export function knownSession(masterKey: string, slug: string, token: string, now: number): SessionClaims | null | Promise<SessionClaims | null> {
  // Neither a slug nor a header value holds a line break.
  const key = `${slug}\n${token}`;
  const claims = verified.get(key);
  if (!claims) return open(masterKey, key, token, now);
  if (claims.expiresAt > now) return claims;
  verified.delete(key);
  return null;
}

async function open(masterKey: string, key: string, token: string, now: number): Promise<SessionClaims | null> {
  const claims = await openSession(masterKey, token, now);
  if (!claims) return null;
  const oldest = verified.size < MOST ? undefined : verified.keys().next().value;
  if (oldest !== undefined) verified.delete(oldest);
  verified.set(key, claims);
  return claims;
}
