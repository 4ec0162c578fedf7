/**
 * Neon's HTTP protocol for SQL (`POST /sql`), the server's side of what `@neondatabase/serverless` speaks: requests and answers, without a transport
 * and without a database.
 */
import { types } from "node:util";

export interface Statement {
  query: string;
  /** Text form; the server infers the types. */
  params: (string | null)[];
}

export interface SqlRequest {
  statements: Statement[];
  /** What opens the transaction around a batch; null: a single statement on its own. */
  begin: string | null;
}

export interface Column {
  name: string;
  tableID: number;
  columnID: number;
  dataTypeID: number;
  dataTypeSize: number;
  dataTypeModifier: number;
}

export interface StatementResult {
  fields: Column[];
  rows: (string | null)[][];
  command: string;
  rowCount: number | null;
}

export interface Answer {
  status: number;
  body: string;
}

/** One connection's session. `run` sends one statement by the extended protocol with text parameters, and throws with SQLSTATE fields. */
export interface Session {
  run(statement: Statement): Promise<StatementResult>;
}

export type Headers = Record<string, string | string[] | undefined>;

const ISOLATION: ReadonlyMap<string, string> = new Map([
  ["ReadUncommitted", "read uncommitted"],
  ["ReadCommitted", "read committed"],
  ["RepeatableRead", "repeatable read"],
  ["Serializable", "serializable"],
]);

/** Neon answers 507 above a size that it has raised more than once; this is the oldest documented one. */
const MAX_ANSWER_CHARS = 10 * 1024 * 1024;

/** The request's statements, or null when the body is not of the protocol's shape. */
export function readRequest(body: string, headers: Headers): SqlRequest | null {
  const parsed: unknown = parseJson(body);
  if (!isObject(parsed)) return null;
  if (!Array.isArray(parsed.queries)) {
    const statement = readStatement(parsed);
    return statement && { statements: [statement], begin: null };
  }
  const statements = parsed.queries.map(readStatement).filter((statement) => statement !== null);
  return statements.length === parsed.queries.length ? { statements, begin: beginOf(headers) } : null;
}

function beginOf(headers: Headers): string {
  const isolation = ISOLATION.get(String(headers["neon-batch-isolation-level"]));
  const flag = (name: string, yes: string, no: string) => (headers[name] === undefined ? "" : headers[name] === "true" ? ` ${yes}` : ` ${no}`);
  return `begin${isolation ? ` isolation level ${isolation}` : ""}${flag("neon-batch-read-only", "read only", "read write")}${flag("neon-batch-deferrable", "deferrable", "not deferrable")}`;
}

function readStatement(value: unknown): Statement | null {
  if (!isObject(value) || typeof value.query !== "string") return null;
  const params = value.params ?? [];
  return Array.isArray(params) ? { query: value.query, params: params.map(parameter) } : null;
}

/** null stays NULL, text stays text, an array becomes an array literal, everything else its JSON text. */
function parameter(value: unknown): string | null {
  if (value === null || typeof value === "string") return value;
  return Array.isArray(value) ? arrayLiteral(value) : JSON.stringify(value);
}

function arrayLiteral(items: unknown[]): string {
  const element = (item: unknown): string => {
    if (item === null) return "NULL";
    if (Array.isArray(item)) return arrayLiteral(item);
    const text = typeof item === "string" ? item : JSON.stringify(item);
    return `"${text.replace(/(["\\])/g, "\\$1")}"`;
  };
  return `{${items.map(element).join(",")}}`;
}

/** Runs a request on a session that nobody else uses meanwhile. Leaves cleaning up to the caller. */
export async function answer(session: Session, request: SqlRequest): Promise<Answer> {
  try {
    if (request.begin === null) {
      const [statement] = request.statements;
      return statement ? sized(resultText(await session.run(statement))) : badRequest("no query");
    }
    await session.run({ query: request.begin, params: [] });
    const results: string[] = [];
    for (const statement of request.statements) results.push(resultText(await session.run(statement)));
    await session.run({ query: "commit", params: [] });
    return sized(`{"results":[${results.join(",")}]}`);
  } catch (failure) {
    return failed(failure);
  }
}

function resultText({ fields, rows, command, rowCount }: StatementResult): string {
  return JSON.stringify({ fields: fields.map((field) => ({ ...field, format: "text" })), rows, command, rowCount, rowAsArray: true });
}

function sized(body: string): Answer {
  return body.length > MAX_ANSWER_CHARS ? { status: 507, body: "response is too large" } : { status: 200, body };
}

const ERROR_FIELDS = [
  "severity", "code", "detail", "hint", "position", "internalPosition", "internalQuery", "where",
  "schema", "table", "column", "dataType", "constraint", "file", "line", "routine",
] as const;

/** What Postgres said, field by field, as 400; anything without a SQLSTATE is a fault of this server: 500. */
export function failed(failure: unknown): Answer {
  if (!types.isNativeError(failure)) return { status: 500, body: String(failure) };
  const fields = new Map<string, unknown>(Object.entries(failure));
  if (typeof fields.get("code") !== "string" || !fields.has("severity")) return { status: 500, body: failure.message };
  return { status: 400, body: JSON.stringify({ message: failure.message, ...Object.fromEntries(ERROR_FIELDS.map((name) => [name, fields.get(name) ?? null])) }) };
}

/** An error that this server itself reports in Postgres' name. */
export function refusal(code: string, message: string): Answer {
  return { status: 400, body: JSON.stringify({ message, code, severity: "ERROR" }) };
}

export function badRequest(message: string): Answer {
  return refusal("08P01", message);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
