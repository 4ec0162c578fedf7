import type { ClientCapabilities } from "../model/call.ts";
import type { JsonValue } from "../model/json.ts";
import { equalText, fromBase64Url, hmac, toBase64Url } from "../lib/crypto.ts";
import { askable, capabilitiesOf, clientInfoOf } from "../protocol/capabilities.ts";
import { signingKey } from "./keys.ts";

/** What a legacy session id says of itself. */
export interface SessionClaims {
  /** Random part: names the Session object and the revocation. */
  id: string;
  workspace: string;
  /** Whoever presents the id must be this principal: the id authenticates nobody. */
  principal: string;
  revision: string;
  capabilities: ClientCapabilities;
  clientInfo: { name: string; version: string } | null;
  /** Unix ms. */
  expiresAt: number;
  /** By a version that did not tell the Authority of its subscriptions. */
  isOld?: true;
}

const FORMAT = "s1";
/** Clients and proxies are known to lose longer header values. */
const MAX_CHARS = 1_000;
/** What the format and the signature (43 characters) leave. */
const MAX_PAYLOAD_CHARS = MAX_CHARS - 47;
const MAX_CLIENT_CHARS = 64;

/**
 * A signed, self-contained `Mcp-Session-Id`: visible ASCII, under 1 kB. It keeps what the gateway acts on of the client's
 * capabilities; extensions, then the client's name, are left out where they would not fit.
 */
export async function mintSession(masterKey: string, claims: SessionClaims): Promise<string> {
  const capabilities = capabilitiesKept(claims.capabilities);
  const { extensions, ...core } = capabilities;
  const choices = [{ ...claims, capabilities }, { ...claims, capabilities: core }, { ...claims, capabilities: core, clientInfo: null }];
  const payloads = choices.map(payloadOf);
  const signed = `${FORMAT}.${payloads.find((payload) => payload.length <= MAX_PAYLOAD_CHARS) ?? payloads.at(-1)}`;
  return `${signed}.${await hmac(await signingKey(masterKey), signed)}`;
}

/**
 * The claims of a session id that we minted and that has not expired at `now` (Unix ms); null for anything else.
 * Not checked: whether the session was ended, and whether the caller is its principal. `sessions/known` spares an id that was opened before this work.
 */
export async function openSession(masterKey: string, token: string, now: number): Promise<SessionClaims | null> {
  const cut = token.lastIndexOf(".");
  if (token.length > MAX_CHARS || cut < 0 || !token.startsWith(`${FORMAT}.`)) return null;
  const signed = token.slice(0, cut);
  if (!equalText(await hmac(await signingKey(masterKey), signed), token.slice(cut + 1))) return null;
  const bytes = fromBase64Url(signed.slice(FORMAT.length + 1));
  const claims = bytes && claimsOf(JSON.parse(new TextDecoder().decode(bytes)));
  return claims && claims.expiresAt > now ? claims : null;
}

function payloadOf({ id, workspace, principal, revision, expiresAt, capabilities, clientInfo }: SessionClaims): string {
  const client = clientInfo && [clientInfo.name.slice(0, MAX_CLIENT_CHARS), clientInfo.version.slice(0, MAX_CLIENT_CHARS)];
  return toBase64Url(new TextEncoder().encode(JSON.stringify([id, workspace, principal, revision, expiresAt, capabilities, client, 1])));
}

function capabilitiesKept(declared: ClientCapabilities): ClientCapabilities {
  const { extensions } = declared;
  return { ...askable(declared), ...(extensions && { extensions }) };
}

function claimsOf(payload: JsonValue): SessionClaims | null {
  if (!Array.isArray(payload)) return null;
  const [id, workspace, principal, revision, expiresAt, declared, client, edition] = payload;
  const capabilities = capabilitiesOf(declared);
  if (typeof id !== "string" || typeof workspace !== "string" || typeof principal !== "string" || typeof revision !== "string") return null;
  if (typeof expiresAt !== "number" || !capabilities) return null;
  const clientInfo = Array.isArray(client) ? clientInfoOf({ name: client[0] ?? null, version: client[1] ?? null }) : null;
  return { id, workspace, principal, revision, capabilities, clientInfo, expiresAt, ...(edition !== 1 && { isOld: true as const }) };
}
