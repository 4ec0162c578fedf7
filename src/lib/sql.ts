import type { Database } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonObject } from "../model/json.ts";
import { jsonParser, jsonRow, rowParser } from "./sqltypes.ts";

/** One statement with `$1…` placeholders. */
export interface Query {
  readonly text: string;
  readonly params: readonly unknown[];
}

export type Row = Record<string, unknown>;

export interface BatchOptions {
  readOnly?: boolean;
  signal?: AbortSignal;
  /** For each statement; default 10,000. */
  timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** What the network may take on top of a statement's own deadline. */
const NETWORK_SLACK_MS = 2_000;

/**
 * Tagged template: every value becomes a parameter, but a value that is itself a `sql` fragment, which is spliced in.
 * Arrays become Postgres arrays, `undefined` becomes NULL. For a jsonb parameter pass `json(value)`: a bare string or array is not JSON to the driver.
 */
export function sql(strings: TemplateStringsArray, ...values: unknown[]): Query {
  return new Fragment(strings, values);
}

/** A jsonb (or json) parameter; `undefined` becomes NULL. */
export function json(value: unknown): string | null {
  return JSON.stringify(value) ?? null;
}

class Fragment implements Query {
  readonly text: string;
  readonly params: unknown[] = [];
  readonly #strings: readonly string[];
  readonly #values: readonly unknown[];

  constructor(strings: readonly string[], values: readonly unknown[]) {
    this.#strings = strings;
    this.#values = values;
    this.text = this.#write(this.params);
  }

  #write(params: unknown[]): string {
    return this.#strings.reduce((text, part, index) => {
      const value = this.#values[index - 1];
      return text + (value instanceof Fragment ? value.#write(params) : `$${params.push(value)}`) + part;
    });
  }
}

/**
 * Runs the queries as one transaction in one HTTP round trip, as the application role inside one workspace: row-level security shows and takes
 * only that workspace's rows. The only way to the platform's tables. One array of rows per query; int8 as number, numeric and date as string,
 * timestamptz as Date, json parsed.
 * Errors: `conflict` (unique violation), `timeout`, `cancelled` (`signal`; its reason if that is a GatewayError), `unavailable` (no answer), else `internal`.
 */
export function workspaceTx(database: Database, workspace: string, queries: readonly Query[], options: BatchOptions = {}): Promise<Row[][]> {
  if (!workspace) throw new GatewayError("internal", "internal error", { cause: "workspaceTx without a workspace" });
  return platformTx(database, "causeway_app", workspace, queries, options);
}

/** The same in the operator's context: sees every row of the directory of workspaces and no other table. */
export function directoryTx(database: Database, queries: readonly Query[], options: BatchOptions = {}): Promise<Row[][]> {
  return platformTx(database, "causeway_directory", "", queries, options);
}

/**
 * One statement of a workspace's own on its own connection, in a transaction of its own. Values come back as JSON: int8, numeric, date and interval as strings
 * as Postgres writes them, timestamptz as ISO 8601, json parsed, bytea as `\x…`, not-a-number and infinities as strings.
 * Errors: `invalid` (URL), `too_large` (more than `maxRows` rows), `timeout`, `cancelled`, `upstream` (what the database said, with `data.sqlstate`).
 * Not checked: whether this workspace may reach the host (`checkDatabaseUrl` when the connection is stored).
 */
export async function connectionQuery(
  url: string,
  text: string,
  params: readonly unknown[],
  options: { readOnly: boolean; timeoutMs: number; signal: AbortSignal; maxRows: number },
): Promise<{ rows: JsonObject[]; rowCount: number }> {
  checkDatabaseUrl(url, true);
  const first = sql`select set_config('statement_timeout', ${String(options.timeoutMs)}, true)`;
  const results = await batch(url, [first, { text, params }], { ...options, plain: true }).catch((failure: unknown) => {
    throw tenantError(failure, options.signal);
  });
  const { rows = [], rowCount = 0 } = results[1] ?? {};
  if (rows.length > options.maxRows) throw new GatewayError("too_large", `the query returned ${rows.length} rows; the limit is ${options.maxRows}`);
  return { rows: rows.map(jsonRow), rowCount: rowCount ?? 0 };
}

/** Refuses what is no Postgres URL, and, unless `allowInsecure`, one that is not a public host name reached by TLS. */
export function checkDatabaseUrl(url: string, allowInsecure: boolean): void {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol) || !parsed.hostname) throw invalidUrl("it is not of the form postgresql://user:password@host/database");
  if (allowInsecure) return;
  const named = /^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}$/i.test(parsed.hostname) && !/\.(local|internal|localhost)$/i.test(parsed.hostname);
  if (!named) throw invalidUrl("its host is not a public name");
}

function invalidUrl(reason: string): GatewayError {
  return new GatewayError("invalid", `the database URL cannot be used: ${reason}`);
}

// --- one HTTP request -------------------------------------------------------------------------------------------

async function platformTx(database: Database, role: string, workspace: string, queries: readonly Query[], options: BatchOptions): Promise<Row[][]> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  // `true`: for this transaction only. Neon pools connections, so nothing may be set for the session.
  const context = sql`select set_config('role', ${role}, true), set_config('causeway.workspace', ${workspace}, true), set_config('statement_timeout', ${String(timeoutMs)}, true)`;
  for (let attempt = 1; ; attempt++) {
    try {
      const results = await batch(database.url, [context, ...queries], { ...options, timeoutMs });
      return results.slice(1).map((result) => result.rows);
    } catch (failure) {
      if (attempt === 3 || options.signal?.aborted || !mayRepeat(failure, options.readOnly ?? false)) throw platformError(failure, options.signal);
    }
  }
}

interface Result {
  rows: Row[];
  rowCount: number | null;
}

async function batch(
  url: string,
  queries: readonly Query[],
  options: { readOnly?: boolean; signal?: AbortSignal | undefined; timeoutMs: number; plain?: boolean },
): Promise<Result[]> {
  const { neon } = await driver();
  const connection = neon(url, { fullResults: true });
  const parserOf = options.plain ? jsonParser : rowParser;
  const types = { getTypeParser: parserOf };
  const stop = new AbortController();
  const leave = () => stop.abort(options.signal?.reason);
  if (options.signal?.aborted) leave();
  options.signal?.addEventListener("abort", leave, { once: true });
  const timer = setTimeout(() => stop.abort(new GatewayError("timeout", "the database did not answer in time")), options.timeoutMs + NETWORK_SLACK_MS);
  try {
    const prepared = queries.map((query) => connection.query(query.text, [...query.params], { types }));
    return await connection.transaction(prepared, { fetchOptions: { signal: stop.signal }, readOnly: options.readOnly ?? false });
  } catch (failure) {
    throw stop.signal.aborted && stop.signal.reason instanceof GatewayError ? stop.signal.reason : failure;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", leave);
  }
}

type Driver = typeof import("@neondatabase/serverless");

/** The driver is a third of the bundle and no MCP call waits for it: loaded on first use. */
async function driver(): Promise<Driver> {
  const neon = await import("@neondatabase/serverless");
  neon.neonConfig.fetchEndpoint = endpoint;
  return neon;
}

/** Neon's own rule, but a database on this machine answers on its own port. The setting is global, so it decides by host, never by workspace. */
function endpoint(host: string, port: number | string): string {
  if (isLoopback(host)) return `http://${host}:${port}/sql`;
  return `https://${host.replace(/^[^.]+\./, "api.")}/sql`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

// --- errors -----------------------------------------------------------------------------------------------------

/** SQLSTATE of what the driver threw; null: no answer from the database. */
function sqlState(failure: unknown): string | null {
  const code = typeof failure === "object" && failure !== null && "code" in failure ? failure.code : null;
  return typeof code === "string" ? code : null;
}

/** A rolled-back serialization failure or deadlock always; a lost connection only when nothing can have been written. */
function mayRepeat(failure: unknown, readOnly: boolean): boolean {
  if (failure instanceof GatewayError) return false;
  const state = sqlState(failure);
  return state === "40001" || state === "40P01" || (state === null && readOnly && isDriverError(failure));
}

function isDriverError(failure: unknown): failure is Error {
  return failure instanceof Error && failure.name === "NeonDbError";
}

function stopped(failure: unknown, signal: AbortSignal | undefined): GatewayError | null {
  if (failure instanceof GatewayError) return failure;
  if (signal?.aborted) return new GatewayError("cancelled", "the query was cancelled", { cause: failure });
  if (sqlState(failure) === "57014") return new GatewayError("timeout", "the query took too long", { cause: failure });
  return null;
}

function platformError(failure: unknown, signal: AbortSignal | undefined): GatewayError {
  const early = stopped(failure, signal);
  if (early) return early;
  const state = sqlState(failure);
  if (state === "23505") return new GatewayError("conflict", "it exists already", { cause: failure });
  if (state === "40001" || state === "40P01" || /^(08|53|57P)/.test(state ?? "")) return unavailable(failure);
  return state === null && isDriverError(failure) ? unavailable(failure) : new GatewayError("internal", "internal error", { cause: failure });
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError("unavailable", "the database is not available", { cause, retryAfter: 2 });
}

/** The workspace's own database and its own statement: what the database said is theirs to read. */
function tenantError(failure: unknown, signal: AbortSignal): GatewayError {
  const early = stopped(failure, signal);
  if (early) return early;
  const state = sqlState(failure);
  if (state === null || !(failure instanceof Error)) return new GatewayError("upstream", "the database did not answer", { cause: failure });
  return new GatewayError("upstream", `the database refused the statement: ${failure.message}`, { cause: failure, data: { sqlstate: state } });
}
