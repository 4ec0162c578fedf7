import { recordsJson } from "../audit/store.ts";
import { canonical } from "../lib/canonical.ts";
import { groupsOf } from "../lib/groups.ts";
import { newId } from "../lib/ids.ts";
import { json, sql, workspaceTx, type Query, type Row } from "../lib/sql.ts";
import type { ChangeRecord } from "../model/audit.ts";
import type { Rule, ToolAsks } from "../model/catalog.ts";
import type { RequestContext } from "../model/context.ts";
import type { JsonObject } from "../model/json.ts";
import type { EntryKind, EntryRow, ToolRow, VersionRow } from "./row.ts";
import { ENTRY_TABLE } from "./store.ts";

const LARGE_MS = 30_000;
/** Parameters of one request, and of one statement, in characters: Neon takes 10 MB, quoting included. */
const REQUEST_CHARS = 2 * 1024 * 1024;
const STATEMENT_CHARS = 512 * 1024;

/**
 * Runs the statements and leaves one audit record, in one transaction; answers the rows of that. Only an import can be more than one request takes: the rest
 * of it follows in transactions of their own, and where that dies half way the next sync finishes it. Errors: `conflict` when a name is taken.
 */
async function change(ctx: RequestContext, action: string, subject: string, queries: readonly Query[]): Promise<Row[][]> {
  const record: ChangeRecord = {
    type: "change",
    id: newId("aud"),
    workspace: ctx.workspace.id,
    at: ctx.platform.now(),
    principal: ctx.principal.id,
    principalName: ctx.principal.name,
    action,
    subject,
    requestId: ctx.requestId,
  };
  const run = (batch: readonly Query[]) => workspaceTx(ctx.platform.database, ctx.workspace.id, batch, { timeoutMs: LARGE_MS });
  const [first = [], ...rest] = batches(queries);
  const rows = await run([...first, sql`select causeway.append_audit(${recordsJson([record])})`]);
  for (const batch of rest) await run(batch);
  return rows;
}

function batches(queries: readonly Query[]): Query[][] {
  return groupsOf(queries, ({ params }) => params.reduce((sum: number, param) => sum + (typeof param === "string" ? param.length : 0), 0), REQUEST_CHARS);
}

/** What an import does to the tables. */
export interface CatalogEdit {
  /** Inserted, or replaced where it is the same upstream's own; a name that another has got meanwhile is left alone. */
  tools: readonly ToolRow[];
  /** Names of tools that the upstream shows no more. */
  gone: readonly string[];
  put: Readonly<Record<EntryKind, readonly EntryRow[]>>;
  /** Exposed names of entries to take away. */
  drop: Readonly<Record<EntryKind, readonly string[]>>;
}

export interface Probe {
  revision: string;
  capabilities: JsonObject;
  instructions: string | null;
}

export interface KnownUpstream extends Omit<Probe, "revision"> {
  id: string;
  slug: string;
  /** null: never probed. */
  revision: string | null;
}

export interface NewUpstream {
  id: string;
  slug: string;
  url: string;
  connection: string | null;
  /** Slug of the one-to-one toolset to make with it. */
  toolset: string | null;
}

/** `found` null: it could not be listed yet. Errors: `conflict` when the slug, or the toolset's, is taken. */
export async function insertUpstream(ctx: RequestContext, upstream: NewUpstream, found: { probe: Probe; edit: CatalogEdit } | null): Promise<void> {
  const workspace = ctx.workspace.id;
  const { id, slug, url, connection, toolset } = upstream;
  await change(ctx, "upstream.add", slug, [
    sql`insert into causeway.upstream (workspace, id, slug, url, connection) values (${workspace}, ${id}, ${slug}, ${url}, ${connection})`,
    ...(found === null ? [] : [probed(workspace, id, found.probe)]),
    ...(toolset === null ? [] : [sql`insert into causeway.toolset (workspace, slug, upstream) values (${workspace}, ${toolset}, ${id})`]),
    ...(found === null ? [] : edited(workspace, found.edit)),
  ]);
}

/** Leaves no audit record where all is as it was: then only the time of the look is noted. */
export async function updateUpstream(ctx: RequestContext, upstream: KnownUpstream, probe: Probe, edit: CatalogEdit): Promise<void> {
  if (isEmpty(edit) && probeText(probe) === probeText(upstream)) {
    await workspaceTx(ctx.platform.database, ctx.workspace.id, [probed(ctx.workspace.id, upstream.id, probe)]);
    return;
  }
  await change(ctx, "upstream.sync", upstream.slug, [probed(ctx.workspace.id, upstream.id, probe), ...edited(ctx.workspace.id, edit)]);
}

function isEmpty({ tools, gone, put, drop }: CatalogEdit): boolean {
  return [tools, gone, ...Object.values(put), ...Object.values(drop)].every((part) => part.length === 0);
}

function probeText({ revision, capabilities, instructions }: Omit<Probe, "revision"> & { revision: string | null }): string {
  return canonical([revision, capabilities, instructions]);
}

export async function deleteUpstream(ctx: RequestContext, slug: string): Promise<void> {
  await change(ctx, "upstream.remove", slug, [sql`delete from causeway.upstream where workspace = ${ctx.workspace.id} and slug = ${slug}`]);
}

/** Rows of our own targets. */
export async function putEntries(ctx: RequestContext, action: string, subject: string, edit: CatalogEdit): Promise<void> {
  await change(ctx, action, subject, edited(ctx.workspace.id, edit));
}

/** The date stays while the era does, for a day: a sync that finds nothing new publishes nothing. */
function probed(workspace: string, id: string, { revision, capabilities, instructions }: Probe): Query {
  return sql`update causeway.upstream set
      era_at = case when revision = ${revision} and era_at > now() - interval '1 day' then era_at else now() end,
      revision = ${revision}, capabilities = ${json(capabilities)}::jsonb, instructions = ${instructions}, synced_at = now()
    where workspace = ${workspace} and id = ${id}`;
}

function edited(workspace: string, edit: CatalogEdit): Query[] {
  const tools = chunks(edit.tools).map(
    (rows) => sql`
    insert into causeway.tool (workspace, name, upstream, source, target, definition, pin, candidate, candidate_pin, description, enabled, gone, check_output)
    select ${workspace}, r.name, r.upstream, r.source, r.target, r.definition, r.pin, r.candidate, r."candidatePin", r.description, r.enabled, r.gone, r."checkOutput"
    from json_to_recordset(${rows}::json) as r (name text, upstream text, source text, target jsonb, definition text, pin text, candidate text,
      "candidatePin" text, description text, enabled boolean, gone boolean, "checkOutput" boolean)
    on conflict (workspace, name) do update set target = excluded.target, definition = excluded.definition, pin = excluded.pin,
      candidate = excluded.candidate, candidate_pin = excluded.candidate_pin, gone = excluded.gone, check_output = excluded.check_output
      where causeway.tool.upstream is not distinct from excluded.upstream and causeway.tool.source = excluded.source`,
  );
  const gone = edit.gone.length === 0 ? [] : [sql`update causeway.tool set gone = true where workspace = ${workspace} and name = any(${edit.gone}::text[])`];
  return [...tools, ...gone, ...editedEntries(workspace, edit, "resources"), ...editedEntries(workspace, edit, "templates"), ...editedEntries(workspace, edit, "prompts")];
}

function editedEntries(workspace: string, edit: CatalogEdit, kind: EntryKind): Query[] {
  const table = ENTRY_TABLE[kind];
  const drop = edit.drop[kind].length === 0 ? [] : [sql`delete from ${table} where workspace = ${workspace} and name = any(${edit.drop[kind]}::text[])`];
  const put = chunks(edit.put[kind]).map(
    (rows) => sql`
    insert into ${table} as held (workspace, name, upstream, source, target, definition)
    select ${workspace}, r.name, r.upstream, r.source, r.target, r.definition
    from json_to_recordset(${rows}::json) as r (name text, upstream text, source text, target jsonb, definition text)
    on conflict (workspace, name) do update set target = excluded.target, definition = excluded.definition
      where held.upstream is not distinct from excluded.upstream and held.source = excluded.source`,
  );
  return [...drop, ...put];
}

/** The rows as JSON arrays of a size for one statement. */
function chunks(rows: readonly (ToolRow | EntryRow)[]): string[] {
  const texts = rows.map((row) => JSON.stringify(row));
  return groupsOf(texts, ({ length }) => length, STATEMENT_CHARS).map((group) => `[${group.join(",")}]`);
}

/** `rename`: the old name leads to the tool until then. Errors: `conflict` when the new name is taken. */
export async function updateTool(
  ctx: RequestContext,
  name: string,
  edit: { enabled?: boolean; description?: string | null; asks?: ToolAsks; rename?: { to: string; until: Date } },
): Promise<void> {
  const workspace = ctx.workspace.id;
  const { enabled, description, asks, rename } = edit;
  await change(ctx, "tool.edit", name, [
    ...(enabled === undefined ? [] : [sql`update causeway.tool set enabled = ${enabled} where workspace = ${workspace} and name = ${name}`]),
    ...(description === undefined ? [] : [sql`update causeway.tool set description = ${description} where workspace = ${workspace} and name = ${name}`]),
    ...(asks === undefined ? [] : [sql`update causeway.tool set asks = ${asks} where workspace = ${workspace} and name = ${name}`]),
    ...(rename === undefined ? [] : renamed(workspace, name, rename)),
  ]);
}

function renamed(workspace: string, name: string, { to, until }: { to: string; until: Date }): Query[] {
  return [
    // the tool takes back a name it had, or one whose time is over
    sql`delete from causeway.tombstone where workspace = ${workspace} and old_name = ${to} and (name = ${name} or until <= now())`,
    sql`update causeway.tool set name = ${to} where workspace = ${workspace} and name = ${name}`,
    sql`insert into causeway.tombstone (workspace, old_name, name, until) values (${workspace}, ${name}, ${to}, ${until})
      on conflict (workspace, old_name) do update set name = excluded.name, until = excluded.until`,
  ];
}

/** The candidate becomes the approved text; false when there was none with this pin. */
export async function approveCandidate(ctx: RequestContext, name: string, candidatePin: string): Promise<boolean> {
  const [rows = []] = await change(ctx, "tool.approve", name, [
    sql`update causeway.tool set definition = candidate, pin = candidate_pin, candidate = null, candidate_pin = null
      where workspace = ${ctx.workspace.id} and name = ${name} and candidate_pin = ${candidatePin} returning name`,
  ]);
  return rows.length > 0;
}

/** Errors: `conflict` when the slug is taken. */
export async function insertToolset(ctx: RequestContext, toolset: { slug: string; upstream: string | null; tools: readonly string[] }): Promise<void> {
  const workspace = ctx.workspace.id;
  await change(ctx, "toolset.add", toolset.slug, [
    sql`insert into causeway.toolset (workspace, slug, upstream) values (${workspace}, ${toolset.slug}, ${toolset.upstream})`,
    sql`insert into causeway.toolset_tool (workspace, toolset, tool)
      select ${workspace}, ${toolset.slug}, name from causeway.tool where workspace = ${workspace} and name = any(${toolset.tools}::text[])`,
  ]);
}

/** False when there is none. */
export async function deleteToolset(ctx: RequestContext, slug: string): Promise<boolean> {
  const [rows = []] = await change(ctx, "toolset.remove", slug, [sql`delete from causeway.toolset where workspace = ${ctx.workspace.id} and slug = ${slug} returning slug`]);
  return rows.length > 0;
}

export async function replaceRuleRows(ctx: RequestContext, rules: readonly Rule[]): Promise<void> {
  const workspace = ctx.workspace.id;
  await change(ctx, "rules.replace", `${rules.length} rules`, [
    sql`delete from causeway.rule where workspace = ${workspace}`,
    sql`insert into causeway.rule (workspace, id, position, body)
      select ${workspace}, value ->> 'id', ordinality, value from jsonb_array_elements(${json(rules)}::jsonb) with ordinality`,
  ]);
}

/** Its change record is written by the Authority with the move; this row is for people to go back to. One that is there stays as it is. */
export async function insertVersion(ctx: RequestContext, version: VersionRow): Promise<void> {
  const { number, hash, publishedAt, by, tools } = version;
  await workspaceTx(ctx.platform.database, ctx.workspace.id, [
    sql`insert into causeway.snapshot_version (workspace, number, hash, published_at, by, tools)
      values (${ctx.workspace.id}, ${number}, ${hash}, ${publishedAt}, ${by}, ${tools}) on conflict do nothing`,
  ]);
}
