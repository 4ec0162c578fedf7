import { log } from "../lib/log.ts";
import type { CallContext } from "../model/context.ts";
import type { NodeRecord, RunEnd } from "./record.ts";
import { insertRun, type NewRun, type RunState, writeRun } from "./store.ts";

const TRIES = 3;

/**
 * The trace of one run, or of one part of a run that asks, on its way to Postgres: the run as it starts, without anyone waiting for it, and at the end all
 * its nodes in one batch. The second write is whole by itself, so a lost first one leaves no gap.
 */
export class Trace {
  readonly #ctx: CallContext;
  readonly #run: NewRun;
  readonly #before: number;
  readonly #nodes: NodeRecord[] = [];
  readonly #started: Promise<void>;

  /** `before`: how many nodes earlier parts of the run have recorded. */
  constructor(ctx: CallContext, run: NewRun, before: number) {
    this.#ctx = ctx;
    this.#run = run;
    this.#before = before;
    this.#started = insertRun(ctx.platform.database, ctx.workspace.id, run).catch((cause: unknown) => this.#lost("warn", cause));
  }

  /** Nodes that have ended, earlier parts included. */
  get ended(): number {
    return this.#before + this.#nodes.filter(({ status }) => status !== "waiting").length;
  }

  record(node: NodeRecord): void {
    this.#nodes.push(node);
  }

  /** Under `waitUntil`. */
  finish(end: RunEnd): void {
    this.#ctx.waitUntil(this.#write(end, this.#ctx.platform.now()));
  }

  /** Resolves when everybody can see that the run waits, or when that could not be written. */
  async wait(): Promise<void> {
    await this.#write({ status: "waiting", output: null, error: null }, null);
  }

  async #write(state: RunState, finishedAt: number | null): Promise<void> {
    // In this order, or the start would arrive after the end.
    await this.#started;
    const { platform, workspace } = this.#ctx;
    for (let attempt = 1; ; attempt++) {
      try {
        return await writeRun(platform.database, workspace.id, this.#run, state, finishedAt, this.#nodes, this.#before);
      } catch (cause) {
        if (attempt === TRIES) return this.#lost("error", cause);
      }
    }
  }

  #lost(level: "warn" | "error", cause: unknown): void {
    log(level, "the trace of a run could not be written", { run: this.#run.id, workspace: this.#ctx.workspace.id, requestId: this.#ctx.requestId, cause });
  }
}
