import { fork, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeFlags } from "../src/dev/node.ts";

/** One call, sent over and over. */
export interface Shot {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  /** Sessions to go round in, with a new request id each time: for a server that takes two open requests with one id for the same. */
  sessions?: readonly string[];
}

/** What the generator of `paced` is told. */
export interface Pace {
  shot: Shot;
  perSecond: number;
  seconds: number;
}

export interface Rate {
  perSecond: number;
  answered: number;
  /** Answers that were no 2xx, and socket errors: both make a round worthless. */
  bad: number;
  /** Share of one core that the generator itself took; null where that cannot be seen. */
  generator: number | null;
}

export function hasWrk(): boolean {
  return spawnSync("wrk", ["--version"]).error === undefined;
}

/** Sixteen connections of one `wrk` thread for `seconds`. */
export async function load(shot: Shot, seconds: number): Promise<Rate> {
  const folder = await mkdtemp(join(tmpdir(), "causeway-bench-"));
  try {
    await writeFile(join(folder, "body"), shot.body);
    await writeFile(join(folder, "shot.lua"), script(shot, join(folder, "body")));
    const { output, busyMs } = await run(["-t1", "-c16", `-d${seconds}s`, "--timeout", "10s", "-s", join(folder, "shot.lua"), shot.url]);
    const perSecond = Number(/Requests\/sec:\s*([\d.]+)/.exec(output)?.[1] ?? 0);
    const answered = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0);
    return { perSecond, answered, bad: badIn(output), generator: busyMs === null ? null : busyMs / (seconds * 1000) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Milliseconds of one clock tick in /proc (USER_HZ is 100 on every Linux). */
const TICK_MS = 10;

function run(args: string[]): Promise<{ output: string; busyMs: number | null }> {
  const wrk = spawn("wrk", args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  let busyMs: number | null = null;
  wrk.stdout.on("data", (chunk) => (output += chunk));
  const look = setInterval(() => (busyMs = cpuMsOf(wrk.pid) ?? busyMs), 100);
  return new Promise((resolve, reject) => {
    wrk.on("error", reject);
    wrk.on("close", () => {
      clearInterval(look);
      resolve({ output, busyMs });
    });
  });
}

/** CPU time of a running process (proc(5): utime and stime are fields 14 and 15); null without /proc. */
function cpuMsOf(pid: number | undefined): number | null {
  try {
    const [, rest = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
    const fields = rest.split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return null;
  }
}

function badIn(output: string): number {
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)?.slice(1) ?? [];
  return broken.reduce((sum, count) => sum + Number(count), refused);
}

function script({ headers, sessions }: Shot, bodyFile: string): string {
  const lines = Object.entries(headers).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`);
  return [`wrk.method = "POST"`, `wrk.body = io.open(${JSON.stringify(bodyFile)}, "rb"):read("*a")`, ...lines, ...(sessions ? [goRound(sessions)] : [])].join("\n");
}

function goRound(sessions: readonly string[]): string {
  return `
local sessions = { ${sessions.map((session) => JSON.stringify(session)).join(", ")} }
local body, sent = wrk.body, 0
request = function()
  sent = sent + 1
  wrk.headers["mcp-session-id"] = sessions[sent % #sessions + 1]
  return wrk.format(nil, nil, nil, (body:gsub('"id":1', '"id":' .. sent, 1)))
end`;
}

/** Calls at a fixed rate, each sent when its time has come whether or not earlier ones are back; milliseconds of each, sorted. */
export function paced(shot: Shot, perSecond: number, seconds: number): Promise<number[]> {
  const generator = fork(fileURLToPath(new URL("pace.ts", import.meta.url)), { execArgv: nodeFlags() });
  const pace: Pace = { shot, perSecond, seconds };
  generator.send(pace);
  return new Promise((resolve, reject) => {
    generator.once("message", (taken: number[]) => resolve(taken));
    generator.once("error", reject);
    generator.once("exit", (code) => reject(new Error(`the generator ended (${code})`)));
  });
}
