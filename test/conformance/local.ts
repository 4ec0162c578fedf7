import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isRecord } from "./suite.ts";

const START_MS = 120_000;
const root = fileURLToPath(new URL("../..", import.meta.url));

/** The local default with its conformance workspace. */
export interface Local {
  /** MCP endpoint of the whole workspace; it serves callers without a credential. */
  endpoint: string;
  /** Adds an upstream with a one-to-one toolset of the same name, at `{endpoint}/{slug}`. */
  addUpstream(slug: string, url: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it on a free port with a data folder of its own, as `npm start` does. Throws with what it printed when it does not come up. */
export async function startLocal(): Promise<Local> {
  const data = await mkdtemp(join(tmpdir(), "causeway-"));
  const env = { ...process.env, CAUSEWAY_DATA: data, PORT: "0" };
  const child = spawn(process.execPath, [...process.execArgv, join(root, "src/dev/start.ts")], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  const stop = async () => {
    await ended(child, "SIGINT");
    await rm(data, { recursive: true, force: true });
  };
  try {
    const { origin, operator } = await ready(child, join(data, "dev.json"));
    return {
      endpoint: `${origin}/w/conformance/mcp`,
      addUpstream: (slug, url) => post(`${origin}/api/v1/workspaces/conformance/upstreams`, operator, { slug, url, toolset: true }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits until `dev.json` is written, which happens when the gateway answers. */
async function ready(child: ChildProcess, devFile: string): Promise<{ origin: string; operator: string }> {
  let printed = "";
  const keep = (chunk: Buffer) => (printed += chunk.toString());
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const giveUp = Date.now() + START_MS;
  for (;;) {
    const text = await readFile(devFile, "utf8").catch(() => null);
    if (text !== null) return placeOf(JSON.parse(text));
    if (child.exitCode !== null || Date.now() > giveUp) throw new Error(`the local default did not start:\n${printed}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function placeOf(dev: unknown): { origin: string; operator: string } {
  if (!isRecord(dev) || typeof dev.endpoint !== "string" || typeof dev.operator !== "string") throw new Error("dev.json has no endpoint or no operator token");
  return { origin: new URL(dev.endpoint).origin, operator: dev.operator };
}

async function post(url: string, token: string, body: Record<string, unknown>): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${await response.text()}`);
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  const end = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill(signal);
  return end;
}
