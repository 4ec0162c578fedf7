import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Shot {
  url: string;
  headers: Record<string, string>;
  body: string;
}

export interface Rate {
  perSecond: number;
  /** Answers that were no 2xx, and socket errors: both make a round worthless. */
  bad: number;
}

/** Sixteen connections of one `wrk` thread for `seconds`. */
export async function load(shot: Shot, seconds: number): Promise<Rate> {
  const folder = await mkdtemp(join(tmpdir(), "causeway-bench-"));
  try {
    await writeFile(join(folder, "body"), shot.body);
    await writeFile(join(folder, "shot.lua"), script(shot, join(folder, "body")));
    const { stdout } = await run("wrk", ["-t1", "-c16", `-d${seconds}s`, "--timeout", "10s", "-s", join(folder, "shot.lua"), shot.url]);
    return { perSecond: Number(/Requests\/sec:\s*([\d.]+)/.exec(stdout)?.[1] ?? 0), bad: badIn(stdout) };
  } finally {
    await rm(folder, { recursive: true });
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

/** Calls at a fixed rate, each sent when its time has come whether or not earlier ones are back; milliseconds of each. */
export async function paced(shot: Shot, perSecond: number, seconds: number): Promise<number[]> {
  const taken: number[] = [];
  const start = performance.now();
  const calls: Promise<void>[] = [];
  for (let index = 0; index < perSecond * seconds; index++) {
    const due = start + (index * 1000) / perSecond;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    calls.push(timed(shot, taken));
  }
  await Promise.all(calls);
  return taken.sort((a, b) => a - b);
}

async function timed(shot: Shot, taken: number[]): Promise<void> {
  const start = performance.now();
  const response = await fetch(shot.url, { method: "POST", headers: shot.headers, body: shot.body });
  await response.arrayBuffer();
  if (response.ok) taken.push(performance.now() - start);
}

export function percentile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: number[]): number {
  return percentile([...values].sort((a, b) => a - b), 0.5);
}
