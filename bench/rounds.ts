import { setTimeout as sleep } from "node:timers/promises";
import { connectionQuery } from "../src/lib/sql.ts";
import { load, paced, type Shot } from "./load.ts";
import { median, percentile } from "./numbers.ts";
import { answer } from "./shots.ts";
import type { ShotName, Stage } from "./stage.ts";

/** Rates of each shot, one a round, in the order of the rounds. */
export type Rates = ReadonlyMap<ShotName, readonly number[]>;

export const ROUNDS = 5;
const SECONDS = 2;
/**
 * Until the engine has compiled what is hot and the allocator holds what it will hold: before, a call pays for page faults and compiling that later ones do not.
 * The engine counts calls, so what is slow takes longer: a pass-through was still gaining after 20 s.
 */
const WARM_CALLS = 50_000;
const WARM_SECONDS = 8;
const MOST_WARMINGS = 4;
/** A bare Worker on the reference machine; under a third of it the machine is not fit to measure on. */
const USUAL_BARE = 13_000;
/** Share of a core above which the generator, not the Worker, may be what is measured. */
const BUSY = 0.9;
const DRAIN_MS = 120_000;
/** What the generator leaves behind ends meanwhile: an upstream takes 16 calls at once, those of the next shot not on top. */
const REST_MS = 500;

/** Shots of the gateway: each leaves an audit record a call. */
const OURS: readonly ShotName[] = ["echo", "control", "rows", "small", "large", "list", "legacy", "inObject", "inWorker"];

/** Why the numbers of this run mean nothing. */
export class Void extends Error {}

/**
 * Five rounds; in each every shot has its two seconds, in the order given, so that what is compared stands side by side. After each shot
 * of the gateway the queue is drained into Postgres, so that nobody else is measured meanwhile.
 */
export async function measure(stage: Stage, names: readonly ShotName[], note: (line: string) => void): Promise<Rates> {
  const rates = new Map<ShotName, number[]>(names.map((name) => [name, []]));
  const counted = new Audited(stage);
  await counted.begin();
  for (const name of names) {
    await answer(stage.shots[name]);
    const answered = await warm(stage.shots[name]);
    if (OURS.includes(name)) counted.expect(answered);
    note(`warm  ${name}  ${answered} calls`);
  }
  await counted.drained();
  for (let round = 1; round <= ROUNDS; round++) {
    for (const name of names) {
      const { perSecond, answered, bad, generator } = await load(stage.shots[name], SECONDS);
      if (bad > 0) throw new Void(`${bad} bad answers of ${name}`);
      if (generator !== null && generator > BUSY) throw new Void(`the generator took ${Math.round(generator * 100)} % of a core on ${name}`);
      rates.get(name)?.push(perSecond);
      await sleep(REST_MS);
      if (OURS.includes(name)) {
        counted.expect(answered);
        await counted.drained();
      }
      note(`round ${round}/${ROUNDS}  ${name}  ${Math.round(perSecond)}/s`);
    }
  }
  const failed = await counted.failed();
  if (failed !== null) throw new Void(`calls were answered with an error: ${failed}`);
  const bare = median(rates.get("bare") ?? []);
  if (bare < USUAL_BARE / 3) throw new Void(`the bare Worker answered ${Math.round(bare)} calls a second; a machine fit for this answers ${Math.round(USUAL_BARE / 3)} or more`);
  return rates;
}

/** Calls answered meanwhile. */
async function warm(shot: Shot): Promise<number> {
  let answered = 0;
  for (let turn = 0; turn < MOST_WARMINGS && answered < WARM_CALLS; turn++) {
    answered += (await load(shot, WARM_SECONDS)).answered;
    await sleep(REST_MS);
  }
  return answered;
}

/** Ratios of two shots, round by round. */
export function ratios(rates: Rates, ours: ShotName, theirs: ShotName): number[] {
  const below = rates.get(theirs) ?? [];
  return (rates.get(ours) ?? []).map((rate, round) => rate / (below[round] ?? Number.NaN));
}

/** Milliseconds, a value a round. */
export interface Added {
  p50: number[];
  p99: number[];
}

/** What the gateway, and what the plain proxy, adds to a call at 200 calls a second: at the median and at the 99th percentile. */
export async function added(stage: Stage, note: (line: string) => void): Promise<{ gateway: Added; proxy: Added }> {
  const gateway: Added = { p50: [], p99: [] };
  const proxy: Added = { p50: [], p99: [] };
  for (let round = 0; round <= ROUNDS; round++) {
    const direct = await paced(stage.shots.direct, 200, 5);
    const [through, proxied] = [await paced(stage.shots.small, 200, 5), await paced(stage.shots.proxySmall, 200, 5)];
    if (round === 0) continue;
    for (const [to, taken] of [[gateway, through], [proxy, proxied]] as const) {
      to.p50.push(percentile(taken, 0.5) - percentile(direct, 0.5));
      to.p99.push(percentile(taken, 0.99) - percentile(direct, 0.99));
    }
    note(`round ${round}/${ROUNDS}  added latency  p50 ${gateway.p50.at(-1)?.toFixed(2)} ms  p99 ${gateway.p99.at(-1)?.toFixed(2)} ms  (plain proxy ${proxy.p50.at(-1)?.toFixed(2)}, ${proxy.p99.at(-1)?.toFixed(2)})`);
  }
  return { gateway, proxy };
}

/** The audit table, which must come to hold every call that was answered. Calls under way at the end of a round are accepted too, so it may hold more. */
class Audited {
  readonly #stage: Stage;
  #before = 0;
  #expected = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async begin(): Promise<void> {
    this.#before = await this.#count();
  }

  expect(answered: number): void {
    this.#expected += answered;
  }

  async drained(): Promise<void> {
    for (const end = Date.now() + DRAIN_MS; ; await sleep(250)) {
      const found = (await this.#count()) - this.#before;
      if (found >= this.#expected) return;
      if (Date.now() > end) throw new Void(`${this.#expected} calls were answered and ${found} have an audit row`);
    }
  }

  /** An error in a result is a 200 to the generator: the audit knows. How many calls of what failed how; null: none. Those that it left at the end of a round were cancelled. */
  async failed(): Promise<string | null> {
    const found = await this.#one("select string_agg(number || ' of ' || what, ', ') as failed from (select count(*) as number, concat_ws(' ', method, name, outcome, record ->> 'error') as what from causeway.audit where workspace = any($1) and type = 'call' and outcome not in ('complete', 'cancelled') group by 2) as kinds");
    return found === null ? null : String(found);
  }

  async #count(): Promise<number> {
    return Number(await this.#one("select sum(seq)::int as number from causeway.audit_head where workspace = any($1)"));
  }

  async #one(text: string): Promise<unknown> {
    const { gateway, workspaces } = this.#stage;
    const { rows } = await connectionQuery(gateway.databaseUrl, text, [workspaces], { readOnly: true, timeoutMs: 30_000, signal: AbortSignal.timeout(DRAIN_MS), maxRows: 1 });
    return Object.values(rows[0] ?? {})[0] ?? null;
  }
}
