import { sql, workspaceTx, type Query, type Row } from "../lib/sql.ts";
import type { Database } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { Workspace } from "../model/identity.ts";
import {
  entryRow,
  memberRow,
  ruleRow,
  settingRow,
  tombstoneRow,
  toolRow,
  toolsetRow,
  upstreamRow,
  versionRow,
  type CatalogRows,
  type EntryKind,
  type EntryRow,
  type ToolRow,
  type UpstreamRow,
  type VersionRow,
} from "./row.ts";
import { completed, toolsWhere } from "./text-store.ts";

/** 10,000 tools are some 20 MB of text. */
const LARGE_MS = 30_000;

const UPSTREAM: Query = sql`id, slug, url, connection, revision, era_at, capabilities, instructions, timeout_ms, concurrency, check_output, synced_at`;
const TOOL: Query = sql`name, upstream, source, target, definition, pin, candidate, candidate_pin, description, enabled, gone, check_output, asks`;
const ENTRY: Query = sql`name, upstream, source, target, definition`;

export const ENTRY_TABLE: Readonly<Record<EntryKind, Query>> = {
  resources: sql`causeway.resource`,
  templates: sql`causeway.resource_template`,
  prompts: sql`causeway.prompt`,
};

function entries(kind: EntryKind, workspace: string): Query {
  return sql`select ${ENTRY} from ${ENTRY_TABLE[kind]} where workspace = ${workspace} order by name collate "C"`;
}

const TRIES = 3;

/** Reads again when the rows changed while their texts came in. Errors: `conflict` when they do so all the time. */
async function undisturbed<T>(read: () => Promise<T | null>): Promise<T> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const found = await read();
    if (found !== null) return found;
  }
  throw new GatewayError("conflict", "the catalog is being edited at the same time; try again", { retryAfter: 1 });
}

/** Everything that a snapshot is made of, as it was at one moment: only tools that are approved, enabled and still there. */
export function readCatalog(database: Database, workspace: Workspace): Promise<CatalogRows> {
  return undisturbed(() => tryCatalog(database, workspace));
}

async function tryCatalog(database: Database, workspace: Workspace): Promise<CatalogRows | null> {
  const { id, slug } = workspace;
  const found = await workspaceTx(
    database,
    id,
    [
      sql`select ${UPSTREAM} from causeway.upstream where workspace = ${id} order by slug collate "C"`,
      toolsWhere(sql`workspace = ${id} and enabled and not gone and definition is not null`),
      entries("resources", id),
      entries("templates", id),
      entries("prompts", id),
      sql`select slug, upstream from causeway.toolset where workspace = ${id} order by slug collate "C"`,
      sql`select toolset, tool from causeway.toolset_tool where workspace = ${id} order by toolset collate "C", tool collate "C"`,
      sql`select old_name, name, until from causeway.tombstone where workspace = ${id} and until > now() order by old_name collate "C"`,
      sql`select body from causeway.rule where workspace = ${id} order by position`,
      sql`select default_effect, limits, instructions from causeway.catalog_setting where workspace = ${id}`,
    ],
    { readOnly: true, timeoutMs: LARGE_MS },
  );
  const rows = (at: number): Row[] => found[at] ?? [];
  const tools = await completed(database, id, rows(1));
  return tools && {
    workspace: { id, slug },
    upstreams: rows(0).map(upstreamRow),
    tools: tools.map(toolRow),
    resources: rows(2).map(entryRow),
    templates: rows(3).map(entryRow),
    prompts: rows(4).map(entryRow),
    toolsets: rows(5).map(toolsetRow),
    members: rows(6).map(memberRow),
    tombstones: rows(7).map(tombstoneRow),
    rules: rows(8).map(ruleRow),
    setting: settingRow(rows(9)[0]),
  };
}

/** What an import has to know: the upstream's own rows, and which names others have. */
export interface HeldRows extends Record<EntryKind, EntryRow[]> {
  tools: ToolRow[];
  /** Names of all tools of the workspace and names that still lead to one; exposed names of all other entries. */
  names: Record<EntryKind | "tools", Set<string>>;
}

/** `owner`: an upstream's id, or `builtin` or `agent` for the rows of that kind of target. */
export function readHeld(database: Database, workspace: string, owner: string): Promise<HeldRows> {
  return undisturbed(() => tryHeld(database, workspace, owner));
}

async function tryHeld(database: Database, workspace: string, owner: string): Promise<HeldRows | null> {
  const owned = sql`workspace = ${workspace} and coalesce(upstream, target ->> 'kind') = ${owner}`;
  const names = (table: Query): Query => sql`select name from ${table} where workspace = ${workspace}`;
  const found = await workspaceTx(
    database,
    workspace,
    [
      toolsWhere(owned),
      sql`select ${ENTRY} from causeway.resource where ${owned}`,
      sql`select ${ENTRY} from causeway.resource_template where ${owned}`,
      sql`select ${ENTRY} from causeway.prompt where ${owned}`,
      sql`${names(sql`causeway.tool`)} union select old_name from causeway.tombstone where workspace = ${workspace} and until > now()`,
      names(ENTRY_TABLE.resources),
      names(ENTRY_TABLE.templates),
      names(ENTRY_TABLE.prompts),
    ],
    { readOnly: true, timeoutMs: LARGE_MS },
  );
  const rows = (at: number): Row[] => found[at] ?? [];
  const set = (at: number) => new Set(rows(at).map((row) => String(row["name"])));
  const tools = await completed(database, workspace, rows(0));
  return tools && {
    tools: tools.map(toolRow),
    resources: rows(1).map(entryRow),
    templates: rows(2).map(entryRow),
    prompts: rows(3).map(entryRow),
    names: { tools: set(4), resources: set(5), templates: set(6), prompts: set(7) },
  };
}

export interface CountedUpstream extends UpstreamRow {
  tools: number;
}

const COUNTED: Query = sql`${UPSTREAM}, (select count(*)::integer from causeway.tool t where t.workspace = u.workspace and t.upstream = u.id and not t.gone) as tools`;

/** By slug, each with the number of tools it shows. */
export async function readUpstreams(database: Database, workspace: string): Promise<CountedUpstream[]> {
  const query = sql`select ${COUNTED} from causeway.upstream u where workspace = ${workspace} order by slug collate "C"`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map((row) => ({ ...upstreamRow(row), tools: Number(row["tools"]) }));
}

export async function readUpstream(database: Database, workspace: string, slug: string): Promise<CountedUpstream | null> {
  const query = sql`select ${COUNTED} from causeway.upstream u where workspace = ${workspace} and slug = ${slug}`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map((row) => ({ ...upstreamRow(row), tools: Number(row["tools"]) }))[0] ?? null;
}

export interface ListedTool extends ToolRow {
  /** Slug of its upstream. */
  upstreamSlug: string | null;
}

/** By name; `after`: the last name of the page before. */
export async function readTools(database: Database, workspace: string, page: { after: string; limit: number }): Promise<ListedTool[]> {
  const query = sql`
    select ${TOOL}, (select u.slug from causeway.upstream u where u.workspace = t.workspace and u.id = t.upstream) as upstream_slug
    from causeway.tool t where workspace = ${workspace} and name collate "C" > ${page.after} order by name collate "C" limit ${page.limit}`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map(listedTool);
}

export async function readTool(database: Database, workspace: string, name: string): Promise<ListedTool | null> {
  const query = sql`
    select ${TOOL}, (select u.slug from causeway.upstream u where u.workspace = t.workspace and u.id = t.upstream) as upstream_slug
    from causeway.tool t where workspace = ${workspace} and name = ${name}`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map(listedTool)[0] ?? null;
}

/** The tool that an upstream (its id) calls `source`. */
export async function readSourceTool(database: Database, workspace: string, upstream: string, source: string): Promise<ToolRow | null> {
  const query = sql`select ${TOOL} from causeway.tool where workspace = ${workspace} and upstream = ${upstream} and source = ${source}`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map(toolRow)[0] ?? null;
}

/** Those of the names that tools have. */
export async function toolsNamed(database: Database, workspace: string, names: readonly string[]): Promise<string[]> {
  const query = sql`select name from causeway.tool where workspace = ${workspace} and name = any(${names}::text[])`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map((row) => String(row["name"]));
}

function listedTool(row: Row): ListedTool {
  const slug = row["upstream_slug"];
  return { ...toolRow(row), upstreamSlug: typeof slug === "string" ? slug : null };
}

export interface ListedToolset {
  slug: string;
  upstream: string | null;
  tools: string[];
}

/** By slug; `upstream` is a slug, and such a toolset holds whatever the upstream shows. */
export async function readToolsets(database: Database, workspace: string): Promise<ListedToolset[]> {
  const query = sql`
    select s.slug, u.slug as upstream, array(
      select t.name from causeway.tool t where t.workspace = s.workspace and not t.gone and (t.upstream = s.upstream or exists (
        select from causeway.toolset_tool m where m.workspace = s.workspace and m.toolset = s.slug and m.tool = t.name))
      order by t.name collate "C") as tools
    from causeway.toolset s left join causeway.upstream u on u.workspace = s.workspace and u.id = s.upstream
    where s.workspace = ${workspace} order by s.slug collate "C"`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map((row) => ({ ...toolsetRow(row), tools: Array.isArray(row["tools"]) ? row["tools"].map(String) : [] }));
}

/** Newest first. */
export async function readVersions(database: Database, workspace: string, limit: number): Promise<VersionRow[]> {
  const query = sql`select number, hash, published_at, by, tools from causeway.snapshot_version where workspace = ${workspace} order by number desc limit ${limit}`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map(versionRow);
}

export async function readVersion(database: Database, workspace: string, number: number): Promise<VersionRow | null> {
  const query = sql`select number, hash, published_at, by, tools from causeway.snapshot_version where workspace = ${workspace} and number = ${number}`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map(versionRow)[0] ?? null;
}

export async function readRules(database: Database, workspace: string): Promise<CatalogRows["rules"]> {
  const [rows = []] = await workspaceTx(database, workspace, [sql`select body from causeway.rule where workspace = ${workspace} order by position`], { readOnly: true });
  return rows.map(ruleRow);
}
