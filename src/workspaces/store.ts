import { directoryTx, sql } from "../lib/sql.ts";
import type { BatchOptions, Query, Row } from "../lib/sql.ts";
import type { Database } from "../model/context.ts";

/** A row of the directory of workspaces. `hosts`: host names on which the workspace part of the path is dropped. */
export interface WorkspaceRow {
  id: string;
  slug: string;
  name: string;
  hosts: string[];
  createdAt: Date;
}

const COLUMNS: Query = sql`id, slug, name, hosts, created_at`;

/** Errors: `conflict` when the id or the slug is taken. */
export async function insertWorkspace(
  database: Database,
  workspace: { id: string; slug: string; name: string; hosts?: readonly string[] },
  options?: BatchOptions,
): Promise<WorkspaceRow> {
  const { id, slug, name, hosts = [] } = workspace;
  const [rows = []] = await directoryTx(
    database,
    [sql`insert into causeway.workspace (id, slug, name, hosts) values (${id}, ${slug}, ${name}, ${hosts}) returning ${COLUMNS}`],
    options,
  );
  return rows.map(workspaceRow)[0] ?? unreadable();
}

/** Whether one of these host names belongs to a workspace already. */
export async function someHostTaken(database: Database, hosts: readonly string[]): Promise<boolean> {
  if (hosts.length === 0) return false;
  const [rows = []] = await directoryTx(database, [sql`select 1 from causeway.workspace where hosts && ${hosts}::text[] limit 1`], { readOnly: true });
  return rows.length > 0;
}

/** By slug; `after` is the last slug of the page before. */
export async function listWorkspaces(database: Database, page: { after?: string; limit: number }): Promise<WorkspaceRow[]> {
  const query = sql`select ${COLUMNS} from causeway.workspace where slug > ${page.after ?? ""} order by slug limit ${page.limit}`;
  const [rows = []] = await directoryTx(database, [query], { readOnly: true });
  return rows.map(workspaceRow);
}

/** By id or by slug; ids begin with `ws_`, and a slug has no underscore. */
export async function findWorkspace(database: Database, idOrSlug: string): Promise<WorkspaceRow | null> {
  const query = sql`select ${COLUMNS} from causeway.workspace where id = ${idOrSlug} or slug = ${idOrSlug}`;
  const [rows = []] = await directoryTx(database, [query], { readOnly: true });
  return rows.map(workspaceRow)[0] ?? null;
}

function workspaceRow(row: Row): WorkspaceRow {
  const { id, slug, name, hosts, created_at: createdAt } = row;
  if (typeof id !== "string" || typeof slug !== "string" || typeof name !== "string" || !isTexts(hosts) || !(createdAt instanceof Date)) unreadable();
  return { id, slug, name, hosts, createdAt };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function unreadable(): never {
  throw new TypeError("causeway.workspace does not have the shape this version expects");
}
