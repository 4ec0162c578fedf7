import { actorOf } from "../../access/actor.ts";
import { open, seal } from "../../lib/crypto.ts";
import { randomToken } from "../../lib/ids.ts";
import type { Actor, RequestContext } from "../../model/context.ts";
import type { Challenge } from "../../model/error.ts";
import { GatewayError } from "../../model/error.ts";
import type { JsonObject } from "../../model/json.ts";
import { putSealed, readSealed } from "../vault.ts";
import { clientAt, type Place } from "./client.ts";
import { type Client, type ClientIdentity, type Flow, type Grant, grantOf, identityId, identityOf, NO_GRANT } from "./grant.ts";
import { discoverResource, discoverServer, type Server } from "./metadata.ts";
import { chooseScope, joinScopes } from "./scopes.ts";
import { answerIn, challengeOf, clientTokens, codeIn, exchangeCode, newVerifier, type TokenPlace, type Tokens } from "./tokens.ts";
import { Transport } from "./transport.ts";

/** How long a person may take at the authorization server. */
const LIFE_MS = 10 * 60_000;
const STATE = "oauth-state/v1";
const LOGIN = "oauth-login/v1";

/** A client that somebody registered by hand, and what to ask for. */
export interface Wishes {
  client?: { id: string; secret: string | null; issuer: string | null };
  scope?: string;
}

export interface LoginRequest {
  connection: string;
  /** The upstream's. */
  url: string;
  /** What the upstream says to a caller without a credential; null: nothing. */
  challenge: Challenge | null;
  place: Place;
  wishes?: Wishes;
  /** Given back when the login is finished. */
  note: JsonObject;
}

/** Where a person goes on. */
export interface Begun {
  url: string;
  /** Unix ms. */
  expiresAt: number;
}

export type Finished = { ok: true; actor: Actor; note: JsonObject } | { ok: false; message: string };

/** What waits in the Authority while a person is at the authorization server. */
interface Waiting extends TokenPlace {
  scope: string | null;
  login: number;
  namesItself: boolean;
  redirectUri: string;
  verifier: string;
  actor: Actor;
  note: JsonObject;
}

/** Everything one token request needs, found out anew. */
interface Prepared {
  flow: Flow;
  server: Server;
  resource: string;
  client: Client;
  scope: string | null;
  login: number;
}

/** A connection that waits for its first login. Errors: those of the Authority. */
export async function createGrant(ctx: RequestContext, connection: string, origin: string, flow: Flow, wishes: Wishes): Promise<void> {
  const identity: ClientIdentity = { format: 1, flow, given: wishes.client ?? null, scope: joinScopes(wishes.scope ?? null), registered: [] };
  await putSealed(ctx, { id: identityId(connection), kind: "oauth_client", origin }, identity);
  await putSealed(ctx, { id: connection, kind: "oauth", origin }, NO_GRANT);
}

/**
 * Finds out where one logs in to an upstream. With client credentials the gateway does so at once, and answers null; else it gives the URL that a person has to open.
 * Errors: `upstream_invalid` and `conflict` say why one cannot log in, `upstream` when the server refuses, and those of the transport.
 */
export async function logIn(ctx: RequestContext, request: LoginRequest): Promise<Begun | null> {
  const prepared = await prepare(ctx, request);
  if (prepared.flow === "authorization_code") return begin(ctx, request, prepared);
  await logInAsClient(ctx, request, prepared);
  return null;
}

/**
 * OAuth 2.1 section 4.1 with PKCE S256 and RFC 8707. What the answer will be checked against waits in the Authority, ten minutes at most; a second begin takes
 * the place of the first.
 */
async function begin(ctx: RequestContext, { connection, place, note }: LoginRequest, { server, resource, client, scope, login }: Prepared): Promise<Begun> {
  const { platform, workspace } = ctx;
  const { authorizationEndpoint } = server;
  if (authorizationEndpoint === null) throw new GatewayError("upstream_invalid", "one cannot log in to this upstream: its authorization server has no authorization endpoint");
  // OAuth 2.1 section 7.5.2 and MCP: without PKCE a client does not go on.
  if (!server.s256) throw new GatewayError("upstream_invalid", "one cannot log in to this upstream: its authorization server does not offer PKCE with S256");
  const verifier = newVerifier();
  const id = randomToken(16);
  const expiresAt = platform.now() + LIFE_MS;
  const { issuer, tokenEndpoint, namesItself } = server;
  const waiting: Waiting = { issuer, tokenEndpoint, namesItself, resource, client, scope, login, redirectUri: place.redirectUri, verifier, actor: actorOf(ctx), note };
  const sealed = await seal(platform.config.masterKey, LOGIN, workspace.id, id, JSON.stringify(waiting));
  await platform.authority(workspace.id).putLogin({ id, connection, sealed, expiresAt }, actorOf(ctx));
  const state = await seal(platform.config.masterKey, STATE, workspace.id, STATE, JSON.stringify({ id, expiresAt }));
  const url = new URL(authorizationEndpoint);
  const params = { response_type: "code", client_id: client.id, redirect_uri: place.redirectUri, state, code_challenge: await challengeOf(verifier), code_challenge_method: "S256", resource };
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
  if (scope !== null) url.searchParams.set("scope", scope);
  // OpenID Connect Core section 11: offline access needs the person's consent each time.
  if (scope?.split(" ").includes("offline_access")) url.searchParams.set("prompt", "consent");
  return { url: url.href, expiresAt };
}

/**
 * The authorization response that came to the callback. A state that this workspace did not give out, that is too old or was used changes nothing; so does an
 * answer of another server. `ok` false says what to tell the person. Errors: those of the Authority, and `upstream` when the token request fails.
 */
export async function finishLogin(ctx: Pick<RequestContext, "platform" | "workspace" | "requestId">, params: URLSearchParams): Promise<Finished> {
  const { platform, workspace } = ctx;
  const { masterKey } = platform.config;
  const state = params.getAll("state").length === 1 ? (params.get("state") ?? "") : "";
  const given = await open(masterKey, STATE, workspace.id, STATE, state);
  const { id, expiresAt } = given === null ? { id: "", expiresAt: 0 } : JSON.parse(given);
  if (expiresAt <= platform.now()) return over();
  const authority = platform.authority(workspace.id);
  const pending = await authority.takeLogin(id);
  const plain = pending && (await open(masterKey, LOGIN, workspace.id, pending.id, pending.sealed));
  const row = pending && (await authority.connection(pending.connection));
  if (!plain || !row) return over();
  const waiting: Waiting = JSON.parse(plain);
  const answer = answerIn(params, state, waiting, waiting.client);
  if (answer === null) return { ok: false, message: "the answer is not that of the authorization server that was asked" };
  if (!answer.ok) return { ok: false, message: `the authorization server refused (${codeIn(answer.error)})` };
  const exchanged = await exchangeCode(new Transport(platform.config), waiting, answer.code, waiting.redirectUri, waiting.verifier);
  if (!exchanged.ok) return { ok: false, message: `the authorization server gave no token (${codeIn(exchanged.error)})` };
  const { actor, note } = waiting;
  await putSealed({ ...ctx, principal: { id: actor.principal, name: actor.name } }, { ...row, kind: "oauth" }, grantFrom(waiting, "authorization_code", exchanged.tokens, platform.now()));
  return { ok: true, actor, note };
}

/** A token for the gateway itself, with nobody in front of a browser (OAuth 2.1 section 4.2). */
async function logInAsClient(ctx: RequestContext, { connection, url }: LoginRequest, { server, ...prepared }: Prepared): Promise<void> {
  const place = { ...prepared, issuer: server.issuer, tokenEndpoint: server.tokenEndpoint };
  const answer = await clientTokens(new Transport(ctx.platform.config), place, prepared.scope);
  if (!answer.ok) throw new GatewayError("upstream", `the authorization server gave no token (${codeIn(answer.error)})`);
  await putSealed(ctx, { id: connection, kind: "oauth", origin: new URL(url).origin }, grantFrom(place, prepared.flow, answer.tokens, ctx.platform.now()));
}

async function prepare(ctx: RequestContext, { connection, url, challenge, place, wishes = {} }: LoginRequest): Promise<Prepared> {
  const { platform } = ctx;
  const transport = new Transport(platform.config);
  const [held, known] = [await readSealed(ctx, connection), await readSealed(ctx, identityId(connection))];
  const grant = grantOf(held?.secret);
  const before = identityOf(known?.secret);
  if (!held || !known || !before) throw new GatewayError("conflict", "this upstream was not added with OAuth");
  const resource = await discoverResource(transport, url, challenge?.resourceMetadata ?? null);
  const server = await discoverServer(transport, issuerOf(resource.issuers, grant));
  const same = grant?.issuer === server.issuer ? grant : null;
  const identity: ClientIdentity = {
    ...before,
    given: wishes.client ?? before.given,
    scope: wishes.scope === undefined ? before.scope : joinScopes(wishes.scope),
    // A server that forgot us would refuse the same client id again.
    registered: before.registered.filter((one) => !(same?.clientLost && one.client.id === same.client.id)),
  };
  const found = await clientAt(transport, server, identity, place, platform.now());
  if (JSON.stringify(found.identity) !== JSON.stringify(before)) await putSealed(ctx, known.row, found.identity);
  const scope = chooseScope({
    fixed: identity.scope,
    challenged: challenge?.scope ?? null,
    held: joinScopes(same?.scope ?? null, held.row.wanted ?? null),
    offered: resource.scopes,
    known: identity.flow === "client_credentials" ? [] : server.scopes,
  });
  return { flow: identity.flow, server, resource: resource.resource, client: found.client, scope, login: (grant?.login ?? 0) + 1 };
}

/** An upstream may name several: the one that is in use stays. */
function issuerOf(issuers: readonly string[], grant: Grant | null): string {
  return issuers.find((issuer) => issuer === grant?.issuer) ?? issuers[0] ?? "";
}

function grantFrom(place: TokenPlace & { scope: string | null; login: number }, flow: Flow, { accessToken, refreshToken, expiresIn }: Tokens, now: number): Grant {
  const { issuer, tokenEndpoint, resource, client, scope, login } = place;
  const expiresAt = expiresIn === null ? null : now + expiresIn * 1000;
  return { format: 1, flow, login, issuer, tokenEndpoint, resource, client, clientLost: false, scope, accessToken, expiresAt, refreshToken, renewedAt: null };
}

function over(): Finished {
  return { ok: false, message: "this login is over or was never begun: begin it again" };
}
