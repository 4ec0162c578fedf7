import { json, sql, workspaceTx } from "../lib/sql.ts";
import type { Query, Row } from "../lib/sql.ts";
import type { Database } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonText, JsonValue } from "../model/json.ts";
import type { NodeRecord, RunEnd, RunStatus } from "./record.ts";

/** A run as it starts. `input` is traced already. */
export interface NewRun {
  id: string;
  /** Slug of the agent. */
  agent: string;
  /** Id of its version. */
  version: string;
  /** Audit id of the call that started it. */
  call: string;
  principal: string;
  principalName: string;
  /** Unix ms. */
  startedAt: number;
  input: JsonText;
}

export interface RunRow {
  id: string;
  agent: string;
  version: string;
  status: string;
  /** ISO 8601. */
  startedAt: string;
  finishedAt: string | null;
}

export async function insertRun(database: Database, workspace: string, run: NewRun): Promise<void> {
  await workspaceTx(database, workspace, [insertOf(workspace, run, { status: "running", output: null, error: null }, null)]);
}

/** Where a run stands: its end, or that it waits. */
export type RunState = Omit<RunEnd, "status"> & { status: RunStatus };

/**
 * The run as it stands now with the nodes of its latest part, in one transaction; it need not have been inserted before, and may be sent twice. `finishedAt` in
 * Unix ms, null for one that waits. `before`: how many nodes its earlier parts have recorded.
 */
export async function writeRun(database: Database, workspace: string, run: NewRun, state: RunState, finishedAt: number | null, nodes: readonly NodeRecord[], before: number): Promise<void> {
  const insertNodes = sql`
    insert into causeway.run_node (workspace, run, node, position, type, status, started_at, finished_at, attempts, items, input, output, error, calls)
    select ${workspace}, ${run.id}, node, position, type, status, started_at, finished_at, attempts, items, input, output, error,
      array(select json_array_elements_text(calls))
    from unnest(
      ${nodes.map(({ node }) => node)}::text[], ${nodes.map((_, index) => before + index)}::integer[], ${nodes.map(({ type }) => type)}::text[], ${nodes.map(({ status }) => status)}::text[],
      ${nodes.map(({ startedAt }) => time(startedAt))}::timestamptz[], ${nodes.map((node) => node.finishedAt && time(node.finishedAt))}::timestamptz[],
      ${nodes.map(({ attempts }) => attempts)}::integer[], ${nodes.map(({ items }) => items)}::integer[],
      ${nodes.map(({ input }) => input)}::json[], ${nodes.map(({ output }) => output)}::json[],
      ${nodes.map(({ error }) => error && json(error))}::json[], ${nodes.map(({ calls }) => json(calls))}::json[]
    ) as traced (node, position, type, status, started_at, finished_at, attempts, items, input, output, error, calls)
    on conflict (workspace, run, node) do update set position = excluded.position, status = excluded.status, finished_at = excluded.finished_at,
      attempts = excluded.attempts, calls = excluded.calls, input = excluded.input, output = excluded.output, error = excluded.error
    where run_node.status = 'waiting'`;
  await workspaceTx(database, workspace, [insertOf(workspace, run, state, finishedAt), ...(nodes.length > 0 ? [insertNodes] : [])]);
}

/** Ends a run that nobody goes on with. One that has ended, or was never written, stays as it is. `at` in Unix ms. */
export async function endWaiting(database: Database, workspace: string, run: string, end: RunEnd, at: number): Promise<void> {
  await workspaceTx(database, workspace, [
    sql`update causeway.run set status = ${end.status}, finished_at = ${time(at)}, error = ${end.error && json(end.error)}::json
      where workspace = ${workspace} and id = ${run} and status in ('running', 'waiting')`,
    sql`update causeway.run_node set status = 'cancelled', finished_at = ${time(at)} where workspace = ${workspace} and run = ${run} and status = 'waiting'`,
  ]);
}

function insertOf(workspace: string, run: NewRun, end: RunState, finishedAt: number | null): Query {
  const { id, agent, version, call, principal, principalName, startedAt, input } = run;
  return sql`
    insert into causeway.run (workspace, id, agent, version, call, principal, principal_name, status, started_at, finished_at, input, output, error)
    values (${workspace}, ${id}, ${agent}, ${version}, ${call}, ${principal}, ${principalName}, ${end.status}, ${time(startedAt)}, ${finishedAt === null ? null : time(finishedAt)},
      ${input}::json, ${end.output}::json, ${end.error && json(end.error)}::json)
    on conflict (workspace, id) do update set status = excluded.status, finished_at = excluded.finished_at, output = excluded.output, error = excluded.error
    where run.status in ('running', 'waiting')`;
}

const COLUMNS: Query = sql`r.id, r.agent, r.version, r.status, r.started_at, r.finished_at`;

/** Newest first; `after` is the last id of the page before. */
export async function selectRuns(database: Database, workspace: string, page: { agent: string | null; after: string | null; limit: number }): Promise<RunRow[]> {
  const query = sql`select ${COLUMNS} from causeway.run r where r.workspace = ${workspace}
    and (${page.agent}::text is null or r.agent = ${page.agent}) and (${page.after}::text is null or r.id < ${page.after}) order by r.id desc limit ${page.limit}`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map(runRow);
}

export interface TraceRow {
  run: RunRow & { call: string; principal: string; principalName: string; input: JsonValue; output: JsonValue; error: JsonValue };
  nodes: NodeRow[];
}

export interface NodeRow {
  node: string;
  type: string;
  status: string;
  startedAt: string;
  finishedAt: string | null;
  attempts: number;
  items: number | null;
  input: JsonValue;
  output: JsonValue;
  error: JsonValue;
  /** Audit ids of the calls made for it. */
  calls: string[];
}

/** A run with its nodes in the order they ended; null when there is none. */
export async function selectTrace(database: Database, workspace: string, id: string): Promise<TraceRow | null> {
  const [runs = [], nodes = []] = await workspaceTx(
    database,
    workspace,
    [
      sql`select ${COLUMNS}, r.call, r.principal, r.principal_name, r.input, r.output, r.error from causeway.run r where r.workspace = ${workspace} and r.id = ${id}`,
      sql`select node, type, status, started_at, finished_at, attempts, items, input, output, error, calls
          from causeway.run_node where workspace = ${workspace} and run = ${id} order by position`,
    ],
    { readOnly: true },
  );
  const [row] = runs;
  if (!row) return null;
  const { call, principal, principal_name: principalName, input, output, error } = row;
  return {
    run: { ...runRow(row), call: text(call), principal: text(principal), principalName: text(principalName), input: value(input), output: value(output), error: value(error) },
    nodes: nodes.map(nodeRow),
  };
}

function runRow(row: Row): RunRow {
  const { id, agent, version, status, started_at: startedAt, finished_at: finishedAt } = row;
  return { id: text(id), agent: text(agent), version: text(version), status: text(status), startedAt: instant(startedAt), finishedAt: finishedAt === null ? null : instant(finishedAt) };
}

function nodeRow(row: Row): NodeRow {
  const { node, type, status, started_at: startedAt, finished_at: finishedAt, attempts, items, input, output, error, calls } = row;
  return {
    node: text(node),
    type: text(type),
    status: text(status),
    startedAt: instant(startedAt),
    finishedAt: finishedAt === null ? null : instant(finishedAt),
    attempts: Number(attempts),
    items: typeof items === "number" ? items : null,
    input: value(input),
    output: value(output),
    error: value(error),
    calls: Array.isArray(calls) ? calls.map(text) : [],
  };
}

function time(at: number): string {
  return new Date(at).toISOString();
}

function text(column: unknown): string {
  return typeof column === "string" ? column : unreadable();
}

function instant(column: unknown): string {
  return column instanceof Date ? column.toISOString() : unreadable();
}

/** A json column: parsed by the driver, null where it is NULL. */
function value(column: unknown): JsonValue {
  return isJson(column) ? column : null;
}

function isJson(column: unknown): column is JsonValue {
  return column === null || ["string", "number", "boolean", "object"].includes(typeof column);
}

function unreadable(): never {
  throw new GatewayError("internal", "internal error", { cause: "causeway.run does not have the shape this version expects" });
}
