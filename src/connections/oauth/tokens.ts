import * as oauth from "oauth4webapi";
import { GatewayError } from "../../model/error.ts";
import type { Client, Grant } from "./grant.ts";
import type { Server } from "./metadata.ts";
import type { Transport } from "./transport.ts";

/** What a token endpoint gave. */
export interface Tokens {
  accessToken: string;
  refreshToken: string | null;
  /** Seconds. */
  expiresIn: number | null;
}

/** `error`: the code it refused with (RFC 6749 section 5.2), as it wrote it. */
export type TokenAnswer = { ok: true; tokens: Tokens } | { ok: false; error: string };

/** Where and as whom to ask. */
export type TokenPlace = Pick<Grant, "issuer" | "tokenEndpoint" | "resource" | "client">;

/** What came back from the browser, once it is known to be the answer of the server that was asked. */
export type Answered = { ok: true; code: URLSearchParams } | { ok: false; error: string };

export function newVerifier(): string {
  return oauth.generateRandomCodeVerifier();
}

export function challengeOf(verifier: string): Promise<string> {
  return oauth.calculatePKCECodeChallenge(verifier);
}

/**
 * The authorization response against the request it is to answer: `state`, and `iss` by plain comparison, present or not (RFC 9207 section 2.4), before
 * anything else of it is looked at. Null: it is not that server's answer.
 */
export function answerIn(params: URLSearchParams, state: string, { issuer, namesItself }: Pick<Server, "issuer" | "namesItself">, client: Client): Answered | null {
  // An empty `iss` is present, and no issuer.
  if (params.get("iss") === "") return null;
  const server = { issuer, authorization_response_iss_parameter_supported: namesItself };
  try {
    return { ok: true, code: oauth.validateAuthResponse(server, { client_id: client.id }, params, state) };
  } catch (thrown) {
    return thrown instanceof oauth.AuthorizationResponseError ? { ok: false, error: thrown.error } : null;
  }
}

export function exchangeCode(transport: Transport, place: TokenPlace, code: URLSearchParams, redirectUri: string, verifier: string): Promise<TokenAnswer> {
  const { server, client, proof, options } = partsOf(transport, place);
  return answered(async () => oauth.processAuthorizationCodeResponse(server, client, await oauth.authorizationCodeGrantRequest(server, client, proof, code, redirectUri, verifier, options)));
}

export function refreshTokens(transport: Transport, place: TokenPlace, refreshToken: string): Promise<TokenAnswer> {
  const { server, client, proof, options } = partsOf(transport, place);
  return answered(async () => oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, proof, refreshToken, options)));
}

/** MCP extension `io.modelcontextprotocol/oauth-client-credentials`. */
export function clientTokens(transport: Transport, place: TokenPlace, scope: string | null): Promise<TokenAnswer> {
  const { server, client, proof, options } = partsOf(transport, place);
  const params = { resource: place.resource, ...(scope === null ? {} : { scope }) };
  return answered(async () => oauth.processClientCredentialsResponse(server, client, await oauth.clientCredentialsGrantRequest(server, client, proof, params, options)));
}

function partsOf(transport: Transport, { issuer, tokenEndpoint, resource, client }: TokenPlace) {
  const options = { [oauth.customFetch]: transport.tokens, [oauth.allowInsecureRequests]: transport.allowInsecure, additionalParameters: { resource } };
  return { server: { issuer, token_endpoint: tokenEndpoint }, client: { client_id: client.id }, proof: proofOf(client), options };
}

function proofOf({ secret, method }: Client): oauth.ClientAuth {
  if (secret === null || method === "none") return oauth.None();
  return method === "client_secret_post" ? oauth.ClientSecretPost(secret) : basic(secret);
}

/** RFC 6749 section 2.3.1, encoding no more than has to be: many servers take id and secret as they come, and the library writes a hyphen as `%2D`. */
function basic(secret: string): oauth.ClientAuth {
  return (_server, { client_id: id }, _body, headers) => headers.set("authorization", `Basic ${btoa(`${formEncoded(id)}:${formEncoded(secret)}`)}`);
}

function formEncoded(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}

/** The library's errors carry what the server said, tokens included: none of them gets any further. */
async function answered(ask: () => Promise<oauth.TokenEndpointResponse>): Promise<TokenAnswer> {
  try {
    const { access_token: accessToken, refresh_token: refreshToken = null, expires_in: expiresIn = null, token_type: type } = await ask();
    if (type !== "bearer") throw invalid("gave a token that is no bearer token");
    if (!/^[\x21-\x7e]{1,8192}$/.test(accessToken)) throw invalid("gave a token that does not fit a header");
    return { ok: true, tokens: { accessToken, refreshToken, expiresIn } };
  } catch (thrown) {
    if (thrown instanceof GatewayError) throw thrown;
    if (thrown instanceof oauth.ResponseBodyError) return { ok: false, error: codeIn(thrown.error) };
    throw invalid("answered a token request with something else");
  }
}

/** An error code is a word (RFC 6749 section 5.2); anything longer is not repeated. */
export function codeIn(error: string): string {
  return /^[\w.-]{1,64}$/.test(error) ? error : "an error";
}

function invalid(what: string): GatewayError {
  return new GatewayError("upstream_invalid", `the upstream's authorization server ${what}`);
}
