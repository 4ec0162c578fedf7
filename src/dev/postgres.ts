import pg from "pg";
import type { Database } from "./database.ts";
import { serve } from "./endpoint.ts";
import { answer, failed } from "./wire.ts";
import type { Answer, Session, SqlRequest, Statement, StatementResult } from "./wire.ts";

const RAW = { getTypeParser: () => (value: string) => value };

/**
 * Puts Neon's HTTP protocol in front of any Postgres server. A statement whose HTTP client has left is cancelled on the server.
 * Errors: those of the first connection.
 */
export async function bridgePostgres(url: string): Promise<Database> {
  const pool = new pg.Pool({ connectionString: url, max: 10, connectionTimeoutMillis: 10_000, types: RAW });
  // A connection that breaks while idle is replaced by the pool; without a listener it would end the process.
  pool.on("error", () => {});
  (await pool.connect()).release();
  const endpoint = await serve((request, signal) => execute(pool, request, signal));
  return {
    url: endpoint.url,
    quiet: endpoint.quiet,
    stop: async () => {
      await endpoint.close();
      await pool.end();
    },
  };
}

async function execute(pool: pg.Pool, request: SqlRequest, signal: AbortSignal): Promise<Answer> {
  let client: pg.PoolClient;
  try {
    client = await pool.connect();
  } catch (failure) {
    return failed(failure);
  }
  let cancelled: Promise<unknown> = Promise.resolve();
  try {
    const session = sessionOn(client);
    const self = await session.run({ query: "select pg_backend_pid()", params: [] });
    if (signal.aborted) return failed(new Error("the client has left"));
    const cancel = () => (cancelled = pool.query("select pg_cancel_backend($1)", [self.rows[0]?.[0]]).catch(() => {}));
    signal.addEventListener("abort", cancel, { once: true });
    const given = await answer(session, request);
    signal.removeEventListener("abort", cancel);
    return given;
  } finally {
    // A late cancel must not hit whoever uses this connection next, who must find nothing of this request either.
    await cancelled;
    await clean(client);
  }
}

async function clean(client: pg.PoolClient): Promise<void> {
  try {
    await client.query("rollback");
    await client.query("discard all");
    client.release();
  } catch {
    client.release(true);
  }
}

function sessionOn(client: pg.PoolClient): Session {
  return {
    async run({ query, params }: Statement): Promise<StatementResult> {
      // Extended even without parameters: it is what refuses two statements in one.
      const config: pg.QueryArrayConfig & { queryMode: "extended" } = { text: query, values: params, rowMode: "array", types: RAW, queryMode: "extended" };
      const { fields, rows, command, rowCount } = await client.query<(string | null)[]>(config);
      return { fields: fields.map(({ format: _, ...column }) => column), rows, command: command ?? "", rowCount };
    },
  };
}
