/**
 * `npm start`: the whole product on this machine, in one data folder. Embedded Postgres (twice: the platform's own and the demo workspace's), the Worker on
 * workerd, server-everything as an upstream, and on the first start a demo. Prints where it is and how to connect; Ctrl-C stops what it started.
 */
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bundle, endBuilds, LOCAL_ENTRY, ROOT } from "./build.ts";
import { startEverything } from "./companion.ts";
import { DatabaseLocked, startDatabase } from "./database.ts";
import { StartFailure } from "./failure.ts";
import { openFolder } from "./folder.ts";
import type { DataFolder } from "./folder.ts";
import { PortTaken, startFront } from "./front.ts";
import { AUDIT_QUEUE, startRuntime } from "./miniflare.ts";
import { openPlatformDatabase } from "./platform.ts";
import { seed } from "./seed.ts";
import type { SeededWorkspace } from "./seed.ts";

/** Undone last first. */
const undo: (() => unknown)[] = [];
const FLUSH_MS = AUDIT_QUEUE.maxBatchTimeout * 1000 + 300;
const DRAIN_MS = 10_000;

async function start(): Promise<void> {
  const port = portOf(process.env.PORT);
  const folder = openFolder(resolve(process.env.CAUSEWAY_DATA ?? join(ROOT, ".causeway")));
  undo.push(folder.unlock);
  folder.remove("dev.json");
  await checkPort(port);

  const ports = portsOf(folder.read("ports.json"));
  const opening = track(openPlatformDatabase(folder.path, process.env.DATABASE_URL));
  // A database elsewhere is tried before anything else is made.
  if (process.env.DATABASE_URL) await opening;
  // All are awaited even if one fails: what came up must be known to be stopped.
  const [platform, demo, everything, worker] = await allOrNone([
    opening,
    track(startDatabase({ dataFolder: join(folder.path, "demo"), script: join(ROOT, "examples/demo-database.sql") }, { port: ports.demo, password: folder.secrets.demoPassword })),
    track(startEverything(ports.everything)),
    bundle(LOCAL_ENTRY).finally(endBuilds),
  ]);
  folder.write("ports.json", { demo: Number(new URL(demo.url).port), everything: everything.port });

  const { masterKey, operatorToken } = folder.secrets;
  const vars = { MASTER_KEY: masterKey, DATABASE_URL: platform.url, OPERATOR_TOKEN: operatorToken, ALLOW_INSECURE_UPSTREAMS: "1", HOSTS: "127.0.0.1,localhost" };
  const runtime = await startRuntime({ workers: [{ name: "causeway", modules: worker.modules, vars, port: 0 }], persist: join(folder.path, `objects-${platform.key}`), log: report });
  undo.push(runtime.stop);
  ownSignals();
  const front = await startFront(port, runtime.origins.get("causeway") ?? "");
  undo.push(async () => {
    await front.close();
    // What calls left behind goes from the isolates to the queue and from there to Postgres; the queue itself does not outlive workerd.
    await sleep(Math.max(0, front.lastByteAt() + FLUSH_MS - Date.now()));
    await Promise.race([platform.quiet(300), sleep(DRAIN_MS, undefined, { ref: false })]);
  });

  const kept = { read: (name: string) => folder.read(`${platform.key}-${name}`), write: (name: string, value: unknown) => folder.write(`${platform.key}-${name}`, value) };
  const seeded = await seed(kept, { origin: front.origin, operatorToken }, { databaseUrl: demo.url, everythingUrl: everything.url });
  announce(folder, front.origin, seeded);
}

/** Something with a `stop` that is called at the end. */
async function track<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const started = await starting;
  undo.push(started.stop);
  return started;
}

async function allOrNone<T extends readonly unknown[]>(starting: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
  await Promise.allSettled(starting);
  return Promise.all(starting);
}

/** Before anything is started; the front's own error covers the moment in between. */
async function checkPort(port: number): Promise<void> {
  if (port !== 0) await (await startFront(port, "http://127.0.0.1:9")).close();
}

function portOf(text: string | undefined): number {
  const port = Number(text ?? 8787);
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port;
  throw new StartFailure(`PORT is not a port number: ${text}`);
}

function portsOf(kept: unknown): { demo: number; everything: number } {
  const of = (name: string) => (typeof kept === "object" && kept !== null && name in kept ? Number(Reflect.get(kept, name)) : 0);
  return { demo: of("demo"), everything: of("everything") };
}

function report({ level, message }: { level: string; message: string }): void {
  if (level === "error" || level === "warn") console.error(message);
}

function announce(folder: DataFolder, origin: string, seeded: { demo: SeededWorkspace; conformance: SeededWorkspace }): void {
  const place = ({ id, slug, token }: SeededWorkspace) => ({ id, endpoint: `${origin}/w/${slug}/mcp`, token });
  const { endpoint, token } = place(seeded.demo);
  folder.write("dev.json", {
    endpoint,
    token,
    api: `${origin}/api/v1`,
    operator: folder.secrets.operatorToken,
    workspaces: { demo: place(seeded.demo), conformance: place(seeded.conformance) },
  });
  console.log(`
Causeway runs. Ctrl-C stops it; ${folder.path} keeps its data.

  endpoint  ${endpoint}
  token     ${token}

Paste into a client:

  claude mcp add --transport http causeway ${endpoint} --header "Authorization: Bearer ${token}"
`);
}

/** Miniflare would end the process at once on a signal, before anything is drained. */
function ownSignals(): void {
  for (const signal of SIGNALS) for (const listener of process.listeners(signal)) if (listener !== leave) process.off(signal, listener);
}

async function stop(code: number): Promise<never> {
  for (let last = undo.pop(); last; last = undo.pop()) {
    try {
      await last();
    } catch (failure) {
      console.error(failure);
    }
  }
  process.exit(code);
}

let stopping = false;
function leave(): void {
  if (stopping) return;
  stopping = true;
  void stop(0);
}
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
for (const signal of SIGNALS) process.on(signal, leave);
// The launcher is gone without a word.
process.on("disconnect", leave);

start().catch((failure: unknown) => {
  if (stopping) return;
  stopping = true;
  console.error(lineOf(failure));
  void stop(1);
});

function lineOf(failure: unknown): unknown {
  if (failure instanceof PortTaken) return `Port ${process.env.PORT ?? 8787} is taken: stop what listens there, or set PORT to another one.`;
  if (failure instanceof DatabaseLocked) return `The database of the data folder is in use: ${failure.message}.`;
  return failure instanceof StartFailure ? failure.message : failure;
}
