import { actorOf } from "../access/actor.ts";
import { reach } from "../lib/reach.ts";
import { newId } from "../lib/ids.ts";
import type { ConnectionKind, Platform, Renewed, RequestContext, SealedConnection } from "../model/context.ts";
import { type Challenge, GatewayError } from "../model/error.ts";
import { dropConnection, keepConnection, keptConnection } from "./cache.ts";
import { grantOf } from "./oauth/grant.ts";
import { sealConnection, unreadable, unsealConnection } from "./sealing.ts";

/** A token is replaced this long before it expires, so that it is still good when it arrives. */
const EARLY_MS = 30_000;
/** For a refresh, which asks an authorization server. */
const RENEWAL_MS = 20_000;

/** `origin`: the only one the secret is sent to, as `new URL(url).origin`. */
export type NewConnection =
  | { kind: "bearer"; origin: string; token: string }
  | { kind: "header"; origin: string; name: string; value: string }
  | { kind: "postgres"; url: string };

/**
 * An opened connection. Use it for the call at hand and drop it. `version` grows when the secret is replaced; that of `oauth` with each login, while `row`
 * tells its tokens apart.
 */
export type OpenConnection =
  | { kind: "bearer" | "header"; headers: Record<string, string>; url?: undefined; version: number }
  | { kind: "oauth"; headers: Record<string, string>; url?: undefined; version: number; row: number }
  | { kind: "postgres"; url: string; headers?: undefined; version: number };

/** How often one piece of work gets another credential: once because the token is too old, and once because it allows too little. */
export const MAX_RENEWALS = 2;

type Changer = Pick<RequestContext, "platform" | "workspace" | "requestId"> & { principal: Pick<RequestContext["principal"], "id" | "name"> };

/**
 * Seals a secret and gives it to the workspace's Authority; returns the connection's id. With `id` it replaces that one.
 * Errors: `invalid` for what cannot be sent as a header or is no Postgres URL. That the secret works is not checked.
 */
export async function storeConnection(ctx: RequestContext, connection: NewConnection, id: string = newId("con")): Promise<string> {
  await putSealed(ctx, { id, kind: connection.kind, origin: originOf(connection) }, secretOf(connection));
  return id;
}

/** Seals what it is given into a row of the Authority, whatever was in it before. */
export async function putSealed(ctx: Changer, { id, kind, origin }: { id: string; kind: ConnectionKind; origin: string }, secret: object): Promise<void> {
  const { platform, workspace } = ctx;
  const sealed = await sealConnection(platform.config, workspace.id, { id, kind, origin }, secret);
  await platform.authority(workspace.id).putConnection({ id, kind, origin, sealed }, actorOf(ctx));
  dropConnection(workspace.id, id);
}

/** The row as it is now, and what is in it; null when there is none. */
export async function readSealed({ platform, workspace }: Pick<RequestContext, "platform" | "workspace">, id: string): Promise<{ row: SealedConnection; secret: unknown } | null> {
  const row = await reach(() => platform.authority(workspace.id).connection(id), platform.config.limits.connectMs);
  return row && { row, secret: await unsealConnection(platform.config, workspace.id, row) };
}

/** Takes a connection away; false when there is none. Isolates that hold it use it for up to 60 s. */
export async function removeConnection(ctx: RequestContext, id: string): Promise<boolean> {
  const { platform, workspace } = ctx;
  const removed = await platform.authority(workspace.id).removeConnection(id, actorOf(ctx));
  dropConnection(workspace.id, id);
  return removed;
}

/**
 * The secret of a connection, for requests to `origin`; a Postgres connection has its server in its URL and takes null. A token that is about to expire is
 * replaced first. Errors: `upstream` when it is gone, made for another origin or waits for a login, `unavailable` when the Authority does not answer.
 */
export async function openConnection(platform: Platform, workspace: string, id: string, origin: string | null): Promise<OpenConnection> {
  const connection = keptConnection(workspace, id, platform.now()) ?? (await fetchConnection(platform, workspace, id));
  if (!connection) throw new GatewayError("upstream", "the connection of this target does not exist any more");
  if (connection.kind !== "postgres" && connection.origin !== origin) {
    throw new GatewayError("upstream", "the connection of this target was made for another address", { cause: `${id} is for ${connection.origin}` });
  }
  const secret = await unsealConnection(platform.config, workspace, connection);
  if (connection.kind === "oauth") return fresh(platform, workspace, connection, secret);
  const opened = openedOf(connection, secret);
  if (!opened) throw unreadable(id);
  return opened;
}

/**
 * After the upstream has refused what `opened` holds: another credential to try once more with. Throws `refused` itself where there is none to be had: the
 * connection is no login, or another token would not help; else errors: `upstream` where somebody has to log in, `unavailable`.
 */
export async function renewConnection(platform: Platform, workspace: string, id: string, opened: OpenConnection, refused: GatewayError): Promise<OpenConnection> {
  if (opened.kind !== "oauth" || !refused.challenge) throw refused;
  const renewed = await renew(platform, workspace, id, opened.row, refused.challenge);
  if (renewed.type === "refused") throw refused;
  if (renewed.type === "login") throw loginNeeded();
  if (renewed.type === "failed") throw new GatewayError("unavailable", renewed.message, { retryAfter: 5 });
  return usable(workspace, renewed.connection, await unsealConnection(platform.config, workspace, renewed.connection));
}

/**
 * Runs work with the credential of an upstream; where that is refused, which means that nothing was done, once more with another. `connection` null: no
 * credential is needed. Errors: of the work, of `openConnection` and of `renewConnection`.
 */
export async function withConnection<T>(platform: Platform, workspace: string, { connection, url }: { connection: string | null; url: string }, work: (headers: Readonly<Record<string, string>>) => Promise<T>): Promise<T> {
  if (connection === null) return work({});
  let opened = await openConnection(platform, workspace, connection, new URL(url).origin);
  for (let renewals = 0; ; renewals++) {
    try {
      return await work(opened.headers ?? {});
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || renewals === MAX_RENEWALS) throw thrown;
      opened = await renewConnection(platform, workspace, connection, opened, thrown);
    }
  }
}

async function fresh(platform: Platform, workspace: string, connection: SealedConnection, secret: unknown): Promise<OpenConnection> {
  const expiresAt = grantOf(secret)?.expiresAt ?? Infinity;
  const now = platform.now();
  if (expiresAt - now > EARLY_MS) return usable(workspace, connection, secret);
  const failed = (thrown: unknown): Renewed => {
    if (expiresAt <= now) throw thrown;
    return { type: "refused" };
  };
  const renewed = await renew(platform, workspace, connection.id, connection.version, null).catch(failed);
  if (renewed.type === "renewed") return usable(workspace, renewed.connection, await unsealConnection(platform.config, workspace, renewed.connection));
  if (expiresAt > now) return usable(workspace, connection, secret);
  if (renewed.type === "failed") throw new GatewayError("unavailable", renewed.message, { retryAfter: 5 });
  throw loginNeeded();
}

async function renew(platform: Platform, workspace: string, id: string, version: number, challenge: Challenge | null): Promise<Renewed> {
  const at = platform.now();
  const renewed = await reach(() => platform.authority(workspace).renewConnection(id, version, challenge), RENEWAL_MS);
  if (renewed.type === "renewed") keepConnection(workspace, renewed.connection, at);
  else dropConnection(workspace, id);
  return renewed;
}

function usable(workspace: string, { id, version: row }: SealedConnection, secret: unknown): OpenConnection {
  const grant = grantOf(secret);
  if (!grant?.accessToken) {
    // Not kept: a login elsewhere must help the very next call.
    dropConnection(workspace, id);
    throw loginNeeded();
  }
  return { kind: "oauth", headers: { authorization: `Bearer ${grant.accessToken}` }, version: grant.login, row };
}

function loginNeeded(): GatewayError {
  return new GatewayError("upstream", "somebody who manages the workspace has to log in to this upstream: causeway upstream login", { data: { reason: "login" } });
}

async function fetchConnection(platform: Platform, workspace: string, id: string): Promise<SealedConnection | null> {
  const at = platform.now();
  const connection = await reach(() => platform.authority(workspace).connection(id), platform.config.limits.connectMs);
  if (connection) keepConnection(workspace, connection, at);
  return connection;
}

function originOf(connection: NewConnection): string {
  if (connection.kind !== "postgres") {
    const url = URL.canParse(connection.origin) ? new URL(connection.origin) : null;
    return url?.origin === connection.origin ? connection.origin : refuse("origin", "must be a scheme, a host and nothing else");
  }
  const url = URL.canParse(connection.url) ? new URL(connection.url) : null;
  if (!url || !["postgres:", "postgresql:"].includes(url.protocol) || !url.hostname) return refuse("url", "must begin with postgres://");
  return `${url.protocol}//${url.host}`;
}

function secretOf(connection: NewConnection): object {
  if (connection.kind === "postgres") return { url: connection.url };
  if (connection.kind === "bearer") {
    return /^[\x21-\x7e]{1,8192}$/.test(connection.token) ? { token: connection.token } : refuse("token", "must be printable ASCII without spaces");
  }
  const { name, value } = connection;
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(name)) return refuse("name", "is no header name");
  if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?$/.test(value)) return refuse("value", "must be printable ASCII without spaces around it");
  return { name, value };
}

function openedOf(connection: SealedConnection, secret: unknown): OpenConnection | null {
  const { kind, version } = connection;
  if (typeof secret !== "object" || secret === null) return null;
  if (kind === "postgres") return "url" in secret && typeof secret.url === "string" ? { kind, url: secret.url, version } : null;
  if (kind === "bearer") return "token" in secret && typeof secret.token === "string" ? { kind, headers: { authorization: `Bearer ${secret.token}` }, version } : null;
  if (kind !== "header") return null;
  const whole = "name" in secret && typeof secret.name === "string" && "value" in secret && typeof secret.value === "string";
  return whole ? { kind, headers: { [String(secret.name).toLowerCase()]: String(secret.value) }, version } : null;
}

function refuse(field: string, message: string): never {
  throw new GatewayError("invalid", `${field} ${message}`, { data: { problems: [{ field, message }] } });
}
