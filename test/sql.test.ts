import { neon } from "@neondatabase/serverless";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle } from "../src/dev/build.ts";
import type { Database } from "../src/dev/database.ts";
import { DatabaseLocked, startDatabase } from "../src/dev/database.ts";
import { startRuntime } from "../src/dev/miniflare.ts";
import { migrateServer } from "../src/dev/migrations.ts";
import { bridgePostgres } from "../src/dev/postgres.ts";
import { checkDatabaseUrl, connectionQuery, directoryTx, json, sql, workspaceTx } from "../src/lib/sql.ts";
import { GatewayError } from "../src/model/error.ts";
import { findWorkspace, insertWorkspace, listWorkspaces } from "../src/workspaces/store.ts";
import { startTestDatabase } from "./harness/database.ts";
import { serverFolder, startPostgres } from "./harness/postgres.ts";

/* The platform's door to Postgres, by the unmodified Neon driver, on both engines of the local default. */

const ENGINES: [name: string, there: boolean, start: () => Promise<Database>][] = [
  ["embedded", true, startTestDatabase],
  ["server", serverFolder() !== null, startServer],
];

async function startServer(): Promise<Database> {
  const server = await startPostgres();
  await migrateServer(server.url);
  const bridge = await bridgePostgres(server.url);
  const stop = async () => {
    await bridge.stop();
    await server.stop();
  };
  return { ...bridge, stop };
}

const codeOf = async (work: Promise<unknown>) => work.then(() => "no error", (failure: unknown) => (failure instanceof Error && "code" in failure ? failure.code : failure));
const within = { readOnly: true, timeoutMs: 5_000, maxRows: 100, signal: new AbortController().signal };

describe.for(ENGINES.filter(([, there]) => there))("%s Postgres", ([engine, , start]) => {
  let database: Database;
  let driver: ReturnType<typeof neon<false, true>>;

  beforeAll(async () => {
    database = await start();
    driver = neon(database.url, { fullResults: true });
    // Our own door sets where the driver finds a database of this machine.
    await directoryTx(database, []);
    await driver.query("create table causeway.scratch (workspace text not null, id int not null, note text, primary key (workspace, id))");
    await driver.query("select causeway.isolate('causeway.scratch')");
    await driver.query("create table public.plain (id int primary key, note text not null)");
  });
  afterAll(() => database.stop());

  test("gives the driver what Neon gives it", async () => {
    const { rows, fields, command, rowCount } = await driver.query(
      `select 1::int2 a, 2::int4 b, 3::int8 c, 1.50::numeric d, 'NaN'::float8 e, true f, null::text g, '{"x":[1]}'::jsonb h, '\\x00ff'::bytea i,
       '7f2f3b0e-0000-4000-8000-000000000001'::uuid j, timestamptz '2026-11-20 05:00:00.25+02' k, array['a"b','{c}',null] l, interval '1 day 2 hours' m, $1::text n, $2::int[] o, $3::jsonb p`,
      ["Zoë", [1, 2], { deep: true }],
    );
    expect(rows).toEqual([
      {
        a: 1, b: 2, c: "3", d: "1.50", e: NaN, f: true, g: null, h: { x: [1] }, i: Buffer.from([0, 255]), j: "7f2f3b0e-0000-4000-8000-000000000001",
        k: new Date("2026-11-20T03:00:00.250Z"), l: ['a"b', "{c}", null], m: expect.objectContaining({ days: 1, hours: 2 }), n: "Zoë", o: [1, 2], p: { deep: true },
      },
    ]);
    expect([command, rowCount]).toEqual(["SELECT", 1]);
    expect(fields.slice(0, 3).map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([["a", 21], ["b", 23], ["c", 20]]);
    const inserted = await driver.query("insert into public.plain values (1, 'one'), (2, 'two') returning id");
    expect([inserted.command, inserted.rowCount, inserted.rows]).toEqual(["INSERT", 2, [{ id: 1 }, { id: 2 }]]);
  });

  test.for([
    ["42P01", "select * from nowhere", {}],
    ["23505", "insert into public.plain values (7, 'a'), (7, 'b')", { constraint: "plain_pkey", table: "plain", schema: "public" }],
    ["23502", "insert into public.plain values (8, null)", { column: "note" }],
    ["22012", "select 1/0", {}],
    ["42601", "select 1; select 2", {}],
    ["42601", "selec 1", { position: "1" }],
    ["22P02", "select 'x'::int", {}],
    ["P0001", "do $$ begin raise exception 'no' using detail = 'because', hint = 'try again'; end $$", { message: "no", detail: "because", hint: "try again" }],
  ] as const)("says %s for %s", async ([code, text, fields]) => {
    await expect(driver.query(text)).rejects.toMatchObject({ name: "NeonDbError", severity: "ERROR", code, ...fields });
  });

  test("a batch is all or nothing, and takes its options", async () => {
    const failing = driver.transaction([driver.query("insert into public.plain values (20, 'x')"), driver.query("select 1/0")]);
    expect(await codeOf(failing)).toBe("22012");
    await driver.transaction([driver.query("insert into public.plain values (21, 'x')"), driver.query("insert into public.plain values (22, 'x')")]);
    expect((await driver.query("select id from public.plain where id in (20, 21, 22) order by id")).rows).toEqual([{ id: 21 }, { id: 22 }]);

    const shown = await driver.transaction([driver.query("show transaction_isolation")], { isolationLevel: "Serializable" });
    expect(shown[0]?.rows).toEqual([{ transaction_isolation: "serializable" }]);
    expect(await codeOf(driver.transaction([driver.query("insert into public.plain values (23, 'x')")], { readOnly: true }))).toBe("25006");
  });

  test("nothing of one request reaches the next", async () => {
    await driver.query("select set_config('causeway.workspace', 'ws_a', false), set_config('search_path', 'causeway', false)");
    await driver.query("create temp table leftover (id int)");
    await codeOf(driver.transaction([driver.query("select set_config('role', 'causeway_app', false)"), driver.query("select 1/0")]));
    for (let request = 0; request < 12; request++) {
      const { rows } = await driver.query("select current_user u, causeway.current_workspace() w, to_regclass('leftover') t, current_setting('search_path') p");
      expect(rows).toEqual([{ u: "postgres", w: null, t: null, p: expect.stringContaining("public") }]);
    }
  });

  test("refuses another password", async () => {
    const wrong = new URL(database.url);
    wrong.password = "wrong";
    expect(await codeOf(neon(wrong.href).query("select 1"))).toBe("28P01");
  });

  test("a workspace sees and writes its own rows only", async () => {
    await workspaceTx(database, "ws_a", [sql`insert into causeway.scratch values (${"ws_a"}, 1, ${"of a"})`]);
    await workspaceTx(database, "ws_b", [sql`insert into causeway.scratch values (${"ws_b"}, 1, ${"of b"})`]);
    const all = sql`select workspace, note from causeway.scratch order by workspace`;
    expect(await workspaceTx(database, "ws_a", [all])).toEqual([[{ workspace: "ws_a", note: "of a" }]]);
    expect(await workspaceTx(database, "ws_b", [all])).toEqual([[{ workspace: "ws_b", note: "of b" }]]);

    await expect(workspaceTx(database, "ws_a", [sql`insert into causeway.scratch values ('ws_b', 2, 'forged')`])).rejects.toMatchObject({ code: "internal", cause: { code: "42501" } });
    const touched = await workspaceTx(database, "ws_a", [sql`update causeway.scratch set note = 'taken' where workspace = 'ws_b' returning id`, sql`delete from causeway.scratch where workspace = 'ws_b' returning id`]);
    expect(touched).toEqual([[], []]);
    expect(await workspaceTx(database, "ws_b", [all])).toEqual([[{ workspace: "ws_b", note: "of b" }]]);
  });

  test("without a workspace there is nothing to see", async () => {
    expect(await codeOf((async () => workspaceTx(database, "", [sql`select 1`]))())).toBe("internal");
    const bare = await driver.transaction([driver.query("select set_config('role', 'causeway_app', true)"), driver.query("select * from causeway.scratch")]);
    expect(bare[1]?.rows).toEqual([]);
    await expect(directoryTx(database, [sql`select * from causeway.scratch`])).rejects.toMatchObject({ cause: { code: "42501" } });
  });

  test("many workspaces at once stay apart", async () => {
    const seen = await Promise.all(Array.from({ length: 40 }, (_, n) => workspaceTx(database, `ws_${n}`, [sql`select causeway.current_workspace() as w`])));
    expect(seen.map((batch) => batch[0]?.[0]?.w)).toEqual(Array.from({ length: 40 }, (_, n) => `ws_${n}`));
  });

  test("the directory knows every workspace, a workspace its own row", async () => {
    const row = await insertWorkspace(database, { id: "ws_dir1", slug: "dir-one", name: "One", hosts: ["mcp.one.example"] });
    await insertWorkspace(database, { id: "ws_dir2", slug: "dir-two", name: "Two" });
    expect(row).toEqual({ id: "ws_dir1", slug: "dir-one", name: "One", hosts: ["mcp.one.example"], createdAt: expect.any(Date) });
    expect(await codeOf(insertWorkspace(database, { id: "ws_dir3", slug: "dir-one", name: "Again" }))).toBe("conflict");
    expect(await findWorkspace(database, "dir-two")).toMatchObject({ id: "ws_dir2" });
    expect(await findWorkspace(database, "ws_dir1")).toMatchObject({ slug: "dir-one" });
    expect(await findWorkspace(database, "dir-three")).toBeNull();
    expect((await listWorkspaces(database, { limit: 1 })).map(({ slug }) => slug)).toEqual(["dir-one"]);
    expect((await listWorkspaces(database, { after: "dir-one", limit: 9 })).map(({ slug }) => slug)).toEqual(["dir-two"]);
    const own = await workspaceTx(database, "ws_dir1", [sql`select id from causeway.workspace`]);
    expect(own).toEqual([[{ id: "ws_dir1" }]]);
    expect(await codeOf(workspaceTx(database, "ws_dir1", [sql`update causeway.workspace set name = 'x'`]))).toBe("internal");
  });

  test("our own rows come back as the program wants them", async () => {
    const query = sql`select 5000000000::int8 n, 1.50::numeric d, date '2026-02-03' as day, timestamptz '2026-02-03 04:05:06.789+00' as at, ${json({ a: [null, "x"] })}::jsonb j, ${json("text")}::jsonb s, ${undefined}::text u, ${[]}::text[] e`;
    expect(await workspaceTx(database, "ws_a", [query])).toEqual([[{ n: 5_000_000_000, d: "1.50", day: "2026-02-03", at: new Date("2026-02-03T04:05:06.789Z"), j: { a: [null, "x"] }, s: "text", u: null, e: [] }]]);
  });

  test("a workspace's own database answers in JSON, nothing rounded", async () => {
    const text = `select 9007199254740993::int8 big, 0.1::numeric(20,18) exact, 'Infinity'::float8 inf, 1.5::float8 half, date '2026-02-03' as day, timestamptz '2026-02-03 04:05:06.789012+00' as at,
      array[1,2]::int8[] bigs, array[[1,2],[3,4]] grid, '{"k":1}'::json j, false b, null n, $1::int p`;
    const { rows, rowCount } = await connectionQuery(database.url, text, [3], within);
    expect(rowCount).toBe(1);
    expect(rows).toEqual([
      {
        big: "9007199254740993", exact: "0.100000000000000000", inf: "Infinity", half: 1.5, day: "2026-02-03", at: "2026-02-03T04:05:06.789012+00:00",
        bigs: ["1", "2"], grid: [[1, 2], [3, 4]], j: { k: 1 }, b: false, n: null, p: 3,
      },
    ]);
  });

  test("a workspace's statement is held to its options", async () => {
    const query = (text: string, options: Partial<typeof within> = {}) => connectionQuery(database.url, text, [], { ...within, ...options });
    await expect(query("create table public.forbidden (a int)")).rejects.toMatchObject({ code: "upstream", data: { sqlstate: "25006" } });
    await expect(query("select * from nowhere")).rejects.toMatchObject({ code: "upstream", message: expect.stringContaining("nowhere"), data: { sqlstate: "42P01" } });
    await expect(query("select generate_series(1, 101)")).rejects.toMatchObject({ code: "too_large" });
    expect((await query("insert into public.plain values (40, 'x')", { readOnly: false })).rowCount).toBe(1);
    expect(await codeOf(connectionQuery("no url", "select 1", [], within))).toBe("invalid");
  });

  test("a statement past its deadline ends, and the next ones run on", async () => {
    await driver.query("insert into public.plain values (50, 'kept')");
    const slow = codeOf(workspaceTx(database, "ws_a", [sql`select pg_sleep(20)`], { timeoutMs: 200 }));
    const behind = driver.query("select note from public.plain where id = 50");
    expect(await slow).toBe("timeout");
    expect((await behind).rows).toEqual([{ note: "kept" }]);
    expect(await codeOf(connectionQuery(database.url, "select pg_sleep(20)", [], { ...within, timeoutMs: 200 }))).toBe("timeout");
    expect(await workspaceTx(database, "ws_a", [sql`select 1 as one`])).toEqual([[{ one: 1 }]]);
  });

  test("a caller that leaves gets its own reason back", async () => {
    const gone = AbortSignal.timeout(50);
    expect(await codeOf(workspaceTx(database, "ws_a", [sql`select pg_sleep(1)`], { signal: gone }))).toBe("cancelled");
    const stop = new AbortController();
    const waiting = codeOf(connectionQuery(database.url, "select pg_sleep(1)", [], { ...within, signal: stop.signal }));
    stop.abort(new GatewayError("timeout", "the call took too long"));
    expect(await waiting).toBe("timeout");
    expect(await codeOf(workspaceTx(database, "ws_a", [sql`select 1`], { signal: AbortSignal.abort() }))).toBe("cancelled");
  });

  if (engine === "embedded") test("what waits in line is not run when its caller has left", async () => {
    const ahead = driver.query("select pg_sleep(0.5)");
    const leave = new AbortController();
    const waiting = codeOf(connectionQuery(database.url, "insert into public.plain values (60, 'late')", [], { ...within, readOnly: false, signal: leave.signal }));
    setTimeout(() => leave.abort(), 200);
    expect(await waiting).toBe("cancelled");
    await ahead;
    expect((await driver.query("select 1 from public.plain where id = 60")).rows).toEqual([]);
  });

  if (engine === "server") test("a statement whose caller has left is cancelled on the server", async () => {
    const leave = new AbortController();
    const running = codeOf(connectionQuery(database.url, "select pg_sleep(60) /* left */", [], { ...within, timeoutMs: 60_000, signal: leave.signal }));
    const active = async () => (await driver.query("select 1 from pg_stat_activity where state = 'active' and query like '%/* left */' and pid <> pg_backend_pid()")).rows.length;
    await expect.poll(active).toBe(1);
    leave.abort();
    expect(await running).toBe("cancelled");
    await expect.poll(active, { timeout: 2_000 }).toBe(0);
  });

  test("the unmodified driver does the same inside workerd", async () => {
    const { modules } = await bundle(new URL("workers/sql.ts", import.meta.url).pathname);
    const runtime = await startRuntime({ workers: [{ name: "sql", modules, vars: { DATABASE_URL: database.url }, port: 0 }] });
    try {
      const response = await fetch(runtime.origins.get("sql") ?? "");
      expect(await response.json()).toEqual({ rows: [{ workspace: "ws_a", list: ["a", "b"], seven: 7 }], plain: [[{ one: 1 }], [{ two: "two" }]], failed: "42P01" });
    } finally {
      await runtime.stop();
    }
  });
});

test("two processes never open the same data folder", async () => {
  const database = await startTestDatabase();
  const again = startDatabase({ dataFolder: `${database.folder}/postgres` });
  await expect(again).rejects.toBeInstanceOf(DatabaseLocked);
  expect(await codeOf(directoryTx(database, [sql`select 1`]))).toBe("no error");
  await database.stop();
  expect(await codeOf(directoryTx(database, [sql`select 1`], { readOnly: true }))).toBe("unavailable");
});

test("fragments compose into one numbered statement", () => {
  const owner = sql`owner = ${"ann"}`;
  const where = sql`${owner} and (age > ${3} or ${sql`name in (${"x"}, ${"$1"})`})`;
  expect(sql`select ${1} where ${where} limit ${9}`).toMatchObject({
    text: "select $1 where owner = $2 and (age > $3 or name in ($4, $5)) limit $6",
    params: [1, "ann", 3, "x", "$1", 9],
  });
});

test.for([
  ["postgresql://u:p@ep-x.eu.aws.neon.tech/db", true, true],
  ["postgres://db.example.com/db?sslmode=require", true, true],
  ["postgresql://u:p@127.0.0.1:5432/db", false, true],
  ["postgresql://localhost/db", false, true],
  ["postgresql://10.0.0.7/db", false, true],
  ["postgresql://[::1]/db", false, true],
  ["postgresql://database/db", false, true],
  ["postgresql://db.internal/db", false, true],
  ["https://db.example.com/", false, false],
  ["not a url", false, false],
] as const)("%s: public %s, in development %s", ([url, isPublic, inDevelopment]) => {
  const accepts = (insecure: boolean) => {
    try {
      checkDatabaseUrl(url, insecure);
      return true;
    } catch (failure) {
      expect(failure).toMatchObject({ code: "invalid" });
      return false;
    }
  };
  expect([accepts(false), accepts(true)]).toEqual([isPublic, inDevelopment]);
});
