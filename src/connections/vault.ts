import { reach } from "../access/reach.ts";
import { open, seal } from "../lib/crypto.ts";
import { newId } from "../lib/ids.ts";
import type { Platform, RequestContext, SealedConnection } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { dropConnection, keepConnection, keptConnection } from "./cache.ts";

const PURPOSE = "connection";

/** `origin`: the only one the secret is sent to, as `new URL(url).origin`. */
export type NewConnection =
  | { kind: "bearer"; origin: string; token: string }
  | { kind: "header"; origin: string; name: string; value: string }
  | { kind: "postgres"; url: string };

/** An opened connection. Use it for the call at hand and drop it. `version` grows when the secret is replaced. */
export type OpenConnection =
  | { kind: "bearer" | "header"; headers: Record<string, string>; url?: undefined; version: number }
  | { kind: "postgres"; url: string; headers?: undefined; version: number };

/**
 * Seals a secret and gives it to the workspace's Authority; returns the connection's id. With `id` it replaces that one.
 * Errors: `invalid` for what cannot be sent as a header or is no Postgres URL. That the secret works is not checked.
 */
export async function storeConnection(ctx: RequestContext, connection: NewConnection, id: string = newId("con")): Promise<string> {
  const { platform, workspace, principal } = ctx;
  const { kind } = connection;
  const row = { id, kind, origin: originOf(connection) };
  const sealed = await seal(platform.config.masterKey, PURPOSE, workspace.id, aadOf(workspace.id, row), JSON.stringify(secretOf(connection)));
  await platform.authority(workspace.id).putConnection({ ...row, sealed }, { principal: principal.id, name: principal.name, requestId: ctx.requestId });
  dropConnection(workspace.id, id);
  return id;
}

/** Takes a connection away; false when there is none. Isolates that hold it use it for up to 60 s. */
export async function removeConnection(ctx: RequestContext, id: string): Promise<boolean> {
  const { platform, workspace, principal } = ctx;
  const actor = { principal: principal.id, name: principal.name, requestId: ctx.requestId };
  const removed = await platform.authority(workspace.id).removeConnection(id, actor);
  dropConnection(workspace.id, id);
  return removed;
}

/**
 * The secret of a connection, for requests to `origin`; a Postgres connection has its server in its URL and takes null.
 * Errors: `upstream` when it is gone or made for another origin, `unavailable` when the Authority does not answer.
 */
export async function openConnection(platform: Platform, workspace: string, id: string, origin: string | null): Promise<OpenConnection> {
  const connection = keptConnection(workspace, id, platform.now()) ?? (await fetchConnection(platform, workspace, id));
  if (!connection) throw new GatewayError("upstream", "the connection of this target does not exist any more");
  if (connection.kind !== "postgres" && connection.origin !== origin) {
    throw new GatewayError("upstream", "the connection of this target was made for another address", { cause: `${id} is for ${connection.origin}` });
  }
  const plain = await open(platform.config.masterKey, PURPOSE, workspace, aadOf(workspace, connection), connection.sealed);
  const opened = plain === null ? null : openedOf(connection, JSON.parse(plain));
  if (!opened) throw new GatewayError("internal", "internal error", { cause: `connection ${id} cannot be opened with this MASTER_KEY` });
  return opened;
}

async function fetchConnection(platform: Platform, workspace: string, id: string): Promise<SealedConnection | null> {
  const at = platform.now();
  const connection = await reach(() => platform.authority(workspace).connection(id), platform.config.limits.connectMs);
  if (connection) keepConnection(workspace, connection, at);
  return connection;
}

/** Everything that decides where a secret goes: a sealed text moved to another row, kind or origin does not open. */
function aadOf(workspace: string, row: Pick<SealedConnection, "id" | "kind" | "origin">): string {
  return JSON.stringify([workspace, row.id, row.kind, row.origin]);
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
  const whole = "name" in secret && typeof secret.name === "string" && "value" in secret && typeof secret.value === "string";
  return whole ? { kind, headers: { [String(secret.name).toLowerCase()]: String(secret.value) }, version } : null;
}

function refuse(field: string, message: string): never {
  throw new GatewayError("invalid", `${field} ${message}`, { data: { problems: [{ field, message }] } });
}
