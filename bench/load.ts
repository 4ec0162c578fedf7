import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One call, sent over and over. */
export interface Shot {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
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

function script({ headers }: Shot, bodyFile: string): string {
  const lines = Object.entries(headers).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`);
  return [`wrk.method = "POST"`, `wrk.body = io.open(${JSON.stringify(bodyFile)}, "rb"):read("*a")`, ...lines].join("\n");
}

/** Calls at a fixed rate, each sent when its time has come whether or not earlier ones are back; milliseconds of each, sorted. */
export async function paced(shot: Shot, perSecond: number, seconds: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const taken: number[] = [];
  const calls: Promise<void>[] = [];
  const start = performance.now();
  for (let index = 0; index < perSecond * seconds; index++) {
    const wait = start + (index * 1000) / perSecond - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    calls.push(timed(shot, agent).then((ms) => void taken.push(ms)));
  }
  await Promise.all(calls);
  agent.destroy();
  return taken.sort((a, b) => a - b);
}

function timed(shot: Shot, agent: Agent): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(shot.url, { method: "POST", headers: shot.headers, agent }, (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode === 200 ? resolve(performance.now() - start) : reject(new Error(`HTTP ${answer.statusCode}`))));
    });
    sent.on("error", reject);
    sent.end(shot.body);
  });
}
