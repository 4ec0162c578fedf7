import { checkDatabaseUrl } from "../lib/sql.ts";
import type { RequestContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { deleteConnection, insertConnection, selectConnection, selectConnections, type ConnectionRow } from "./store.ts";
import { removeConnection, storeConnection } from "./vault.ts";

/** What flows call a database. Underscores are left out, so that a name never looks like an id. */
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

/**
 * Adds a Postgres database under a name. The address is sealed in the Authority and cannot be read back.
 * Errors: `invalid` (name, url), `conflict` (name taken). That the database answers is not checked.
 */
export async function addDatabase(ctx: RequestContext, wanted: { name: string; url: string }): Promise<ConnectionRow> {
  const { platform, workspace } = ctx;
  if (!NAME.test(wanted.name)) throw invalid("name", "must be 1 to 40 lower-case letters, digits and inner hyphens");
  checkDatabaseUrl(wanted.url, platform.config.allowInsecureUpstreams);
  const { protocol, host } = new URL(wanted.url);
  // The name first: it can be taken. A secret without a name could never be found again.
  const row = await insertConnection(platform.database, workspace.id, { id: databaseId(wanted.name), name: wanted.name, kind: "postgres", origin: `${protocol}//${host}` });
  try {
    await storeConnection(ctx, { kind: "postgres", url: wanted.url }, row.id);
  } catch (thrown) {
    await deleteConnection(platform.database, workspace.id, row.id);
    throw thrown;
  }
  return row;
}

/** A database's id follows from its name, so a flow that names it asks no directory. */
export function databaseId(name: string): string {
  return `db_${name}`;
}

export function listDatabases(ctx: RequestContext): Promise<ConnectionRow[]> {
  return selectConnections(ctx.platform.database, ctx.workspace.id);
}

/** By id or name; null when there is none. */
function findDatabase(ctx: RequestContext, idOrName: string): Promise<ConnectionRow | null> {
  return selectConnection(ctx.platform.database, ctx.workspace.id, idOrName);
}

/** Takes a database away by id or name: flows that name it fail from now on, within 60 s everywhere. Errors: `not_found`. */
export async function removeDatabase(ctx: RequestContext, idOrName: string): Promise<void> {
  const row = await findDatabase(ctx, idOrName);
  if (row === null) throw new GatewayError("not_found", "no such connection");
  await removeConnection(ctx, row.id);
  await deleteConnection(ctx.platform.database, ctx.workspace.id, row.id);
}

function invalid(field: string, message: string): GatewayError {
  return new GatewayError("invalid", `${field}: ${message}`, { data: { problems: [{ field, message }] } });
}
