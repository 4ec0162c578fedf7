import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { freePort } from "../src/dev/companion.ts";
import { startDatabase } from "../src/dev/database.ts";
import { sql, workspaceTx } from "../src/lib/sql.ts";
import { serverFolder, startPostgres } from "./harness/postgres.ts";

/* `npm start`, from the outside: the launcher as npm runs it, with data folders of its own. */

const scratch = mkdtempSync(join(tmpdir(), "causeway-start-"));
const launched = new Set<ChildProcess>();
afterAll(() => {
  for (const child of launched) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});

interface Launch {
  child: ChildProcess;
  /** What it said so far, both streams. */
  said(): string;
  exited: Promise<number | null>;
}

function launch(env: Record<string, string>): Launch {
  const { DATABASE_URL: _, ...inherited } = process.env;
  const child = spawn(process.execPath, ["bin/setup.mjs", "src/dev/start.ts"], { env: { ...inherited, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  launched.add(child);
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => {
    launched.delete(child);
    resolve(code);
  }));
  return { child, said: () => text, exited };
}

const Dev = z.object({
  endpoint: z.url(),
  token: z.string(),
  api: z.url(),
  operator: z.string(),
  workspaces: z.record(z.string(), z.object({ id: z.string(), endpoint: z.url(), token: z.string() })),
});

async function ready(run: Launch, folder: string): Promise<z.infer<typeof Dev>> {
  await expect.poll(() => run.said().includes("Causeway runs") || run.child.exitCode !== null, { timeout: 120_000 }).toBe(true);
  if (run.child.exitCode !== null) throw new Error(run.said());
  return Dev.parse(JSON.parse(await readFile(join(folder, "dev.json"), "utf8")));
}

async function rpc(endpoint: string, token: string | null, method: string, params: Record<string, unknown>): Promise<{ status: number; text: string }> {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  };
  const headers = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": method,
    ...(typeof params.name === "string" ? { "mcp-name": params.name } : {}),
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  };
  const response = await fetch(endpoint, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } }) });
  return { status: response.status, text: await response.text() };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

async function portsOf(folder: string, dev: { endpoint: string }): Promise<number[]> {
  const kept = z.object({ demo: z.int(), everything: z.int() }).parse(JSON.parse(await readFile(join(folder, "ports.json"), "utf8")));
  return [Number(new URL(dev.endpoint).port), kept.demo, kept.everything];
}

test.for([
  ["a PORT that is none", { PORT: "http" }, /^PORT is not a port number: http$/],
  ["a data folder that cannot be written", { CAUSEWAY_DATA: "/dev/null/causeway" }, /^The data folder \/dev\/null\/causeway cannot be written \(ENOTDIR\)/],
  ...(existsSync("/proc") ? [["a data folder that cannot be made", { CAUSEWAY_DATA: "/proc/causeway" }, /^The data folder \/proc\/causeway cannot be written \(ENOENT\)/] as const] : []),
  ["a DATABASE_URL that is none", { DATABASE_URL: "nonsense" }, /^DATABASE_URL cannot be used: it is not of the form/],
  ["a DATABASE_URL where nothing answers", { DATABASE_URL: "postgresql://u:p@127.0.0.1:1/db" }, /^DATABASE_URL cannot be used: .*ECONNREFUSED/],
] as const)("%s: one clear line and exit code 1", { timeout: 60_000 }, async ([, env, line]) => {
  const run = launch({ CAUSEWAY_DATA: join(scratch, "broken"), PORT: String(await freePort(0)), ...env });
  expect(await run.exited).toBe(1);
  expect(run.said().trim()).toMatch(line);
  expect(run.said().trim().split("\n")).toHaveLength(1);
});

test("a taken port: one clear line and exit code 1", { timeout: 60_000 }, async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const run = launch({ CAUSEWAY_DATA: join(scratch, "port"), PORT: String(port) });
  expect(await run.exited).toBe(1);
  expect(run.said().trim()).toBe(`Port ${port} is taken: stop what listens there, or set PORT to another one.`);
  server.close();
});

test("starts, stops whole, and starts again where it was", { timeout: 300_000 }, async () => {
  const folder = join(scratch, "data");
  const env = { CAUSEWAY_DATA: folder, PORT: String(await freePort(0)) };
  const first = launch(env);
  const dev = await ready(first, folder);
  expect(Object.keys(dev.workspaces).sort()).toEqual(["conformance", "demo"]);
  expect(statSync(join(folder, "secrets.json")).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "dev.json")).mode & 0o777).toBe(0o600);

  // The demo: an agent on the seeded database, and a tool of the upstream.
  const report = await rpc(dev.endpoint, dev.token, "tools/call", { name: "orders-report", arguments: { top: 1 } });
  expect([report.status, report.text]).toEqual([200, expect.stringContaining("revenue")]);
  const echo = await rpc(dev.endpoint, dev.token, "tools/call", { name: "everything_echo", arguments: { message: "over there" } });
  expect([echo.status, echo.text]).toEqual([200, expect.stringContaining("Echo: over there")]);
  const anonymous = await rpc(dev.workspaces.conformance?.endpoint ?? "", null, "tools/list", {});
  expect([anonymous.status, anonymous.text]).toEqual([200, expect.stringContaining("test_simple_text")]);

  const second = launch({ ...env, PORT: String(await freePort(0)) });
  expect(await second.exited).toBe(1);
  expect(second.said().trim()).toMatch(/^The data folder .* is in use by process \d+/);

  const ports = await portsOf(folder, dev);
  first.child.kill("SIGINT");
  expect(await first.exited).toBe(0);
  expect(await Promise.all(ports.map(isOpen))).toEqual([false, false, false]);

  // The queue outlives nothing, so what was called must be in the database by now.
  const database = await startDatabase({ dataFolder: join(folder, "postgres") });
  const [rows] = await workspaceTx({ url: database.url }, dev.workspaces.demo?.id ?? "", [sql`select name from causeway.audit where type = 'call' order by name`]);
  await database.stop();
  expect(rows?.map(({ name }) => name)).toEqual(expect.arrayContaining(["orders-report", "everything_echo"]));

  const again = launch(env);
  const kept = await ready(again, folder);
  expect(kept).toEqual(dev);
  expect((await rpc(kept.endpoint, dev.token, "tools/call", { name: "orders-report", arguments: {} })).status).toBe(200);

  // The launcher killed without a word takes the rest with it.
  again.child.kill("SIGKILL");
  await again.exited;
  await expect.poll(() => Promise.all(ports.map(isOpen)), { timeout: 20_000 }).toEqual([false, false, false]);
});

if (serverFolder() !== null) {
  test("DATABASE_URL: a plain Postgres is the platform's database instead", { timeout: 180_000 }, async () => {
    const server = await startPostgres();
    const admin = new pg.Client({ connectionString: server.url });
    await admin.connect();
    // No superuser: what a hosted Postgres gives its customers.
    await admin.query("create role gateway login createrole password 'p'");
    await admin.query("create database platform owner gateway");
    await admin.end();
    const url = new URL(server.url);
    Object.assign(url, { username: "gateway", password: "p", pathname: "/platform" });

    const folder = join(scratch, "external");
    const run = launch({ CAUSEWAY_DATA: folder, PORT: String(await freePort(0)), DATABASE_URL: url.href });
    const dev = await ready(run, folder);
    expect((await rpc(dev.endpoint, dev.token, "tools/call", { name: "orders-report", arguments: {} })).status).toBe(200);
    run.child.kill("SIGTERM");
    expect(await run.exited).toBe(0);

    const reader = new pg.Client({ connectionString: server.url.replace(/postgres$/, "platform") });
    await reader.connect();
    const { rows } = await reader.query("select slug, (select count(*)::int from causeway.audit a where a.workspace = w.id and a.type = 'call') as calls from causeway.workspace w order by slug");
    expect(rows).toEqual([{ slug: "conformance", calls: 0 }, { slug: "demo", calls: expect.toSatisfy((calls: number) => calls >= 1) }]);
    await reader.end();
    await server.stop();
  });
}
