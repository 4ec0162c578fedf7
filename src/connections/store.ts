import { sql, workspaceTx } from "../lib/sql.ts";
import type { Query, Row } from "../lib/sql.ts";
import type { Database } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";

/** What is known of a connection outside the Authority: everything but the secret. `origin`: scheme and host it was made for. */
export interface ConnectionRow {
  id: string;
  name: string;
  kind: string;
  origin: string;
  createdAt: Date;
}

const COLUMNS: Query = sql`id, name, kind, origin, created_at`;

/** Errors: `conflict` when the name is taken. */
export async function insertConnection(database: Database, workspace: string, row: Omit<ConnectionRow, "createdAt">): Promise<ConnectionRow> {
  const { id, name, kind, origin } = row;
  const insert = sql`insert into causeway.connection (workspace, id, name, kind, origin) values (${workspace}, ${id}, ${name}, ${kind}, ${origin}) returning ${COLUMNS}`;
  const [rows = []] = await workspaceTx(database, workspace, [insert]);
  return rows.map(connectionRow)[0] ?? unreadable();
}

/** By name. */
export async function selectConnections(database: Database, workspace: string): Promise<ConnectionRow[]> {
  const query = sql`select ${COLUMNS} from causeway.connection where workspace = ${workspace} order by name`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map(connectionRow);
}

/** By id or by name; a name never looks like an id. */
export async function selectConnection(database: Database, workspace: string, idOrName: string): Promise<ConnectionRow | null> {
  const query = sql`select ${COLUMNS} from causeway.connection where workspace = ${workspace} and (id = ${idOrName} or name = ${idOrName})`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map(connectionRow)[0] ?? null;
}

export async function deleteConnection(database: Database, workspace: string, id: string): Promise<void> {
  await workspaceTx(database, workspace, [sql`delete from causeway.connection where workspace = ${workspace} and id = ${id}`]);
}

function connectionRow(row: Row): ConnectionRow {
  const { id, name, kind, origin, created_at: createdAt } = row;
  if (typeof id !== "string" || typeof name !== "string" || typeof kind !== "string" || typeof origin !== "string" || !(createdAt instanceof Date)) unreadable();
  return { id, name, kind, origin, createdAt };
}

function unreadable(): never {
  throw new GatewayError("internal", "internal error", { cause: "causeway.connection does not have the shape this version expects" });
}
