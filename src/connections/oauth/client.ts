import { GatewayError } from "../../model/error.ts";
import type { JsonObject } from "../../model/json.ts";
import { CLIENT_METHODS, type Client, type ClientIdentity, type ClientMethod, type Registration } from "./grant.ts";
import type { Server } from "./metadata.ts";
import { codeIn } from "./tokens.ts";
import type { Transport } from "./transport.ts";

/** Under which names authorization servers meet this gateway for one workspace. */
export interface Place {
  /** What a person reads on the consent page. */
  name: string;
  redirectUri: string;
  /** URL of the client metadata document; null where the gateway has no https address that one could be fetched from. */
  document: string | null;
}

const HOUR_MS = 3_600_000;

export function placeAt(origin: string, slug: string): Place {
  const base = `${origin}/w/${slug}/oauth`;
  return { name: `Causeway (${slug})`, redirectUri: `${base}/callback`, document: origin.startsWith("https://") ? `${base}/client.json` : null };
}

/** The client metadata document that `place.document` leads to (OAuth Client ID Metadata Document, draft 00). */
export function clientDocument(place: Place, origin: string): JsonObject {
  return { client_id: place.document, client_uri: origin, ...metadataOf(place), token_endpoint_auth_method: "none" };
}

/**
 * Who the gateway is at this server: registered by hand, else by its metadata document, else as it registered itself before, else by registering now
 * (MCP 2026-07-28, authorization: client registration). Nothing made for one issuer is used at another. `identity`: with what is new in it.
 * Errors: `conflict` where only a client that is registered by hand would do, `upstream` when registering is refused.
 */
export async function clientAt(transport: Transport, server: Server, identity: ClientIdentity, place: Place, now: number): Promise<{ client: Client; identity: ClientIdentity }> {
  const { given } = identity;
  if (given) {
    if (given.issuer !== null && given.issuer !== server.issuer) throw byHand(server, `the client id was given for ${given.issuer}`);
    const client = { id: given.id, secret: given.secret, method: methodAt(server, given.secret) };
    return { client, identity: { ...identity, given: { ...given, issuer: server.issuer } } };
  }
  if (server.clientDocuments && place.document !== null) return { client: { id: place.document, secret: null, method: "none" }, identity };
  const { redirectUri } = place;
  const known = identity.registered.find((one) => one.issuer === server.issuer && one.redirectUri === redirectUri && (one.expiresAt ?? Infinity) > now + HOUR_MS);
  if (known) return { client: known.client, identity };
  if (server.registrationEndpoint === null) throw byHand(server, "it registers nobody by itself");
  const made = await register(transport, server, server.registrationEndpoint, place);
  const others = identity.registered.filter((one) => one.issuer !== server.issuer || one.redirectUri !== redirectUri);
  return { client: made.client, identity: { ...identity, registered: [...others, made] } };
}

/** Dynamic client registration (RFC 7591). A hosted gateway is a web application; one on loopback is a native one (MCP 2026-07-28). */
async function register(transport: Transport, server: Server, endpoint: string, place: Place): Promise<Registration> {
  const native = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])[:/]/.test(place.redirectUri);
  const wanted: JsonObject = { ...metadataOf(place), token_endpoint_auth_method: methodAt(server, ""), application_type: native ? "native" : "web" };
  const { status, json } = await transport.post(endpoint, wanted);
  const id = json?.client_id;
  if ((status !== 200 && status !== 201) || typeof id !== "string" || id === "") {
    const code = typeof json?.error === "string" ? codeIn(json.error) : `HTTP ${status}`;
    throw new GatewayError("upstream", `the authorization server ${server.issuer} did not register the gateway (${code}): register a client there by hand and give its id`);
  }
  const secret = typeof json?.client_secret === "string" && json.client_secret !== "" ? json.client_secret : null;
  const told = CLIENT_METHODS.find((method) => method === json?.token_endpoint_auth_method);
  const expires = Number(json?.client_secret_expires_at ?? 0);
  const client = { id, secret, method: told ?? methodAt(server, secret) };
  return { issuer: server.issuer, redirectUri: place.redirectUri, client, expiresAt: expires > 0 ? expires * 1000 : null };
}

function metadataOf({ name, redirectUri }: Place): JsonObject {
  return { client_name: name, redirect_uris: [redirectUri], grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] };
}

/** How a client with this secret proves itself; null: it has none. A server that does not say takes `client_secret_basic` (RFC 8414 section 2). */
function methodAt({ clientMethods }: Server, secret: string | null): ClientMethod {
  if (secret === null) return "none";
  return CLIENT_METHODS.find((method) => clientMethods?.includes(method)) ?? "client_secret_basic";
}

function byHand({ issuer }: Server, why: string): GatewayError {
  return new GatewayError("conflict", `the gateway has no client id at ${issuer} (${why}): register a client there and give its id and secret`);
}
