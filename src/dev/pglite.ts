/**
 * The embedded Postgres, in a process of its own: a running query blocks the whole process, and killing the process is the only way to stop one.
 * Started by `database.ts` with IPC and its options as JSON.
 */
import { PGlite, protocol } from "@electric-sql/pglite";
import { createPgConfig } from "@electric-sql/pglite/node-postgres";
import { existsSync } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import pg from "pg";
import { Locked, takeLock } from "./lock.ts";
import { migrate } from "./migrations.ts";
import { answer } from "./wire.ts";
import type { Session, SqlRequest, Statement, StatementResult } from "./wire.ts";

export interface EmbeddedOptions {
  /** Made when absent. */
  dataFolder: string;
  /** Folder of migrations to apply at every start. */
  migrations?: string;
  /** SQL file to run at every start: it must not mind. */
  script?: string;
}

/** To the parent. `deadline`: a statement that may take this many ms starts now; the embedded server does not enforce statement_timeout itself. */
export type FromChild =
  | { type: "ready" }
  | { type: "failed"; message: string; reason: "locked" | "other" }
  | { type: "deadline"; ms: number }
  | { type: "answer"; status: number; body: string };

/** From the parent. */
export type ToChild = { type: "request"; request: SqlRequest } | { type: "stop" };

const { serialize } = protocol;
const START = [...PGlite.defaultStartParams.filter((flag) => flag !== "-F"), "-c", "shared_buffers=16MB"];

class Embedded implements Session {
  #idle = true;
  /** Ms of statement_timeout in force; 0: none. */
  #limit = 0;
  readonly #database: PGlite;

  constructor(database: PGlite) {
    this.#database = database;
  }

  async run(statement: Statement): Promise<StatementResult> {
    if (this.#limit > 0) tell({ type: "deadline", ms: this.#limit });
    const result = await this.#send(statement);
    if (statement.query.includes("statement_timeout")) await this.#readLimit();
    return result;
  }

  /** The session is shared by all requests: nothing of one may reach the next. DISCARD ALL inside a failed transaction would poison it. */
  async reset(): Promise<void> {
    this.#limit = 0;
    if (!this.#idle) await this.#send({ query: "rollback", params: [] });
    await this.#send({ query: "discard all", params: [] });
  }

  async #readLimit(): Promise<void> {
    const shown = await this.#send({ query: "select setting from pg_settings where name = 'statement_timeout'", params: [] });
    this.#limit = Number(shown.rows[0]?.[0] ?? 0);
  }

  async #send({ query, params }: Statement): Promise<StatementResult> {
    const message = Buffer.concat([
      serialize.parse({ text: query }),
      serialize.bind({ values: params }),
      serialize.describe({ type: "P" }),
      serialize.execute({}),
      serialize.sync(),
    ]);
    const result: StatementResult = { fields: [], rows: [], command: "", rowCount: null };
    let failure: Error | null = null;
    for (const part of await this.#database.execProtocolStream(message, { throwOnError: false })) {
      if (part instanceof protocol.messages.RowDescriptionMessage) result.fields = part.fields.map(({ format: _, ...column }) => column);
      else if (part instanceof protocol.messages.DataRowMessage) result.rows.push(part.fields);
      else if (part instanceof protocol.messages.CommandCompleteMessage) Object.assign(result, commandOf(part.text));
      else if (part instanceof protocol.messages.ReadyForQueryMessage) this.#idle = part.status === "I";
      else if (part instanceof protocol.messages.DatabaseError) failure ??= part;
    }
    if (failure) throw failure;
    return result;
  }
}

/** `INSERT 0 3` → INSERT, 3; `CREATE TABLE` → CREATE, null: as node-postgres and Neon report them. */
function commandOf(tag: string): { command: string; rowCount: number | null } {
  const words = tag.split(" ");
  const last = words.at(-1) ?? "";
  return { command: words[0] ?? "", rowCount: /^\d+$/.test(last) ? Number(last) : null };
}

function tell(message: FromChild): void {
  process.send?.(message);
}

/** Under another name until it is whole: a start that is cut short must not leave half a database. */
async function initialize(dataFolder: string): Promise<void> {
  const draft = `${dataFolder}.draft`;
  await rm(draft, { recursive: true, force: true });
  await (await PGlite.create({ dataDir: draft, startParams: START })).close();
  await rename(draft, dataFolder);
}

async function open({ dataFolder, migrations, script }: EmbeddedOptions): Promise<{ database: PGlite; session: Embedded; unlock: () => void }> {
  const unlock = takeLock(`${dataFolder}.lock`);
  if (!existsSync(dataFolder)) await initialize(dataFolder);
  const database = await PGlite.create({ dataDir: dataFolder, startParams: START });
  if (migrations) {
    const client = new pg.Client(createPgConfig(database));
    await client.connect();
    await migrate(client, migrations);
    await client.end();
  }
  if (script) await database.exec(await readFile(script, "utf8"));
  const session = new Embedded(database);
  await session.reset();
  return { database, session, unlock };
}

async function main(options: EmbeddedOptions): Promise<void> {
  const { database, session, unlock } = await open(options);
  const close = async (): Promise<void> => {
    await database.close();
    unlock();
    process.exit(0);
  };
  // One request at a time: the parent sends the next after the answer.
  process.on("message", (message: ToChild) => {
    if (message.type === "stop") return void close();
    void answer(session, message.request)
      .then(async (given) => {
        await session.reset();
        tell({ type: "answer", ...given });
      })
      .catch((failure: unknown) => {
        console.error(failure);
        process.exit(1);
      });
  });
  process.on("disconnect", () => void close());
  tell({ type: "ready" });
}

// Ctrl-C reaches the whole process group: the parent decides when the database goes.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

const options: EmbeddedOptions = JSON.parse(process.argv[2] ?? "");
main(options).catch((failure: unknown) => {
  tell({ type: "failed", message: failure instanceof Error ? failure.message : String(failure), reason: failure instanceof Locked ? "locked" : "other" });
  process.exitCode = 1;
  process.disconnect?.();
});
