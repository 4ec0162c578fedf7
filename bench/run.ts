/**
 * `npm run bench`: the budgets, measured. `-- --json` prints one JSON array instead of the table, `-- --case word` measures only the cases whose
 * name holds the word, `-- --profile` shows where the CPU of a call goes instead. Exit code 1 when a case misses what is required, or the run is void.
 */
import { parseArgs } from "node:util";
import { listeners } from "./listeners.ts";
import { hasWrk, load } from "./load.ts";
import { lookUps } from "./lookup.ts";
import { profile } from "./profile.ts";
import { added, measure, ratios, Void } from "./rounds.ts";
import { costRow, jsonOf, meets, ratioRow, type Row, tableOf } from "./row.ts";
import { bundleSizes, coldStart, workerdStart } from "./size.ts";
import { openStage, type ShotName, type Stage } from "./stage.ts";

interface Comparison {
  name: string;
  ours: ShotName;
  theirs: ShotName;
  goal: number | null;
  /** Where it is less than the goal. */
  required?: number;
}

const COMPARISONS: readonly Comparison[] = [
  { name: "echo ÷ SDK v2 stateless handler", ours: "echo", theirs: "sdk", goal: 3.0 },
  { name: "echo ÷ bare Hono", ours: "echo", theirs: "hono", goal: 0.65 },
  { name: "256 KiB of rows ÷ bare Hono", ours: "rows", theirs: "honoRows", goal: 0.55 },
  { name: "pass-through ÷ Hono fetch-proxy", ours: "small", theirs: "proxySmall", goal: 0.75, required: 0.7 },
  { name: "pass-through of 64 KiB ÷ Hono fetch-proxy", ours: "large", theirs: "proxyLarge", goal: 0.65 },
  { name: "list of 1,000 tools ÷ Hono sending the same bytes", ours: "list", theirs: "honoList", goal: 0.8 },
  { name: "legacy call in a session ÷ McpAgent", ours: "legacy", theirs: "agents", goal: 12 },
  { name: "legacy call in a session ÷ the same in modern", ours: "legacy", theirs: "echo", goal: 0.9 },
  { name: "call of a legacy upstream in a Session object ÷ in the Worker", ours: "inObject", theirs: "inWorker", goal: null },
];
const CONTROL: Comparison = { name: "control: the same build twice", ours: "control", theirs: "echo", goal: null };
/** Neighbours in a round are compared with each other. */
const ORDER: readonly ShotName[] = ["bare", "agents", "sdk", "legacy", "echo", "hono", "control", "rows", "honoRows", "small", "proxySmall", "large", "proxyLarge", "list", "honoList", "inObject", "inWorker"];

const LATENCY = ["added latency at 200 calls/s, p50", "added latency at 200 calls/s, p99"] as const;
const PROXY_LATENCY = ["added latency of the plain proxy, p50", "added latency of the plain proxy, p99"] as const;
const LOOKUP = "10,000-tool catalog: look-up and decision";
const BUNDLE = ["bundle, gzip: what an MCP request evaluates", "bundle, gzip: the whole"] as const;
const COLD = "cold start: CPU of module evaluation";
const START = "cold start: CPU of workerd, over an empty Worker";

const LISTENERS = ["2,000 idle listeners: memory of workerd", "2,000 idle listeners: a change reaches the last"] as const;

const { values: options } = parseArgs({ options: { json: { type: "boolean" }, profile: { type: "boolean" }, case: { type: "string" } } });
const wants = (...names: string[]) => names.some((name) => name.toLowerCase().includes((options.case ?? "").toLowerCase()));
const note = (line: string) => void process.stderr.write(`${line}\n`);

async function loadRows(): Promise<Row[]> {
  const wanted = COMPARISONS.filter(({ name }) => wants(name));
  const latency = wants(...LATENCY);
  if (wanted.length === 0 && !latency) return [];
  if (!hasWrk()) throw new Void("wrk is not on this machine: it makes the load (Debian and Ubuntu: apt-get install wrk; macOS: brew install wrk)");
  const stage = await openStage();
  try {
    const rows = wanted.length === 0 ? [] : await compared(stage, wanted);
    if (!latency) return rows;
    const { gateway, proxy } = await added(stage, note);
    const ours = [costRow(LATENCY[0], gateway.p50, "ms", 0.6), costRow(LATENCY[1], gateway.p99, "ms", 3)].filter((row) => wants(row.case));
    return [...rows, ...ours, costRow(PROXY_LATENCY[0], proxy.p50, "ms", null), costRow(PROXY_LATENCY[1], proxy.p99, "ms", null)];
  } finally {
    await stage.stop();
  }
}

async function compared(stage: Stage, wanted: readonly Comparison[]): Promise<Row[]> {
  const all = [...wanted, CONTROL];
  const names = new Set(["bare", ...all.flatMap(({ ours, theirs }) => [ours, theirs])]);
  const rates = await measure(stage, ORDER.filter((name) => names.has(name)), note);
  return all.map(({ name, ours, theirs, goal, required }) => ratioRow(name, ratios(rates, ours, theirs), goal, required));
}

async function otherRows(): Promise<Row[]> {
  const rows: Row[] = [];
  if (wants(LOOKUP)) rows.push(costRow(LOOKUP, await lookUps(), "ms", 0.02));
  if (wants(...BUNDLE)) {
    const { request, whole } = await bundleSizes();
    rows.push(costRow(BUNDLE[0], [request], "kB", 200), costRow(BUNDLE[1], [whole], "kB", 500));
  }
  if (wants(COLD)) rows.push(costRow(COLD, await coldStart(), "ms", 40));
  if (wants(START)) rows.push(costRow(START, await workerdStart(), "ms", null));
  if (wants(...LISTENERS)) {
    const { memory, reach } = await listeners(note);
    rows.push(costRow(LISTENERS[0], [memory], "MiB", 256), costRow(LISTENERS[1], [reach], "ms", 2_000));
  }
  return rows.filter((row) => wants(row.case));
}

const PROFILED = ["echo", "legacy", "small", "proxySmall", "inObject", "inWorker"] as const;

/** Self time of the gateway's functions by shot, and the proxy's for comparison. `--case` picks shots by name. */
async function profiles(): Promise<void> {
  if (!hasWrk()) throw new Void("wrk is not on this machine: it makes the load");
  const stage = await openStage({ inspect: true });
  try {
    for (const name of PROFILED.filter((shot) => wants(shot))) {
      await load(stage.shots[name], 5);
      const [miniflare, worker] = name === "proxySmall" ? [stage.proxy.miniflare, "proxy"] : [stage.gateway.runtime.miniflare, "causeway"];
      let perSecond = 0;
      const hot = await profile(miniflare, worker, async () => ({ perSecond } = await load(stage.shots[name], 5)));
      console.log(`\n${name}: ${Math.round(perSecond)} calls a second while sampled; microseconds of a call, share of the time`);
      for (const { name: place, share } of hot.slice(0, 40)) console.log(`${((share * 1e6) / perSecond).toFixed(1).padStart(8)} µs ${(share * 100).toFixed(1).padStart(5)} %  ${place}`);
    }
  } finally {
    await stage.stop();
  }
}

try {
  if (options.profile) await profiles();
  else {
    const rows = [...(await loadRows()), ...(await otherRows())];
    if (rows.length === 0) throw new Void(`no case has a name with ${options.case} in it`);
    console.log(options.json ? jsonOf(rows) : tableOf(rows));
    if (rows.some((row) => !meets(row, row.required))) process.exitCode = 1;
  }
} catch (failure) {
  if (!(failure instanceof Void)) throw failure;
  console.error(`bench: void: ${failure.message}`);
  process.exitCode = 1;
}
