import { log } from "../lib/log.ts";
import type { CallContext } from "../model/context.ts";
import type { NodeRecord, RunEnd } from "./record.ts";
import { finishRun, insertRun, type NewRun } from "./store.ts";

const TRIES = 3;

/**
 * The trace of one run on its way to Postgres: the run as it starts, without anyone waiting for it, and at the end all its nodes in one
 * batch under `waitUntil`. The second write is whole by itself, so a lost first one leaves no gap.
 */
export class Trace {
  readonly #ctx: CallContext;
  readonly #run: NewRun;
  readonly #nodes: NodeRecord[] = [];
  readonly #started: Promise<void>;

  constructor(ctx: CallContext, run: NewRun) {
    this.#ctx = ctx;
    this.#run = run;
    this.#started = insertRun(ctx.platform.database, ctx.workspace.id, run).catch((cause: unknown) => this.#lost("warn", cause));
  }

  record(node: NodeRecord): void {
    this.#nodes.push(node);
  }

  finish(end: RunEnd): void {
    this.#ctx.waitUntil(this.#write(end, this.#ctx.platform.now()));
  }

  async #write(end: RunEnd, finishedAt: number): Promise<void> {
    // In this order, or the start would arrive after the end.
    await this.#started;
    const { platform, workspace } = this.#ctx;
    for (let attempt = 1; ; attempt++) {
      try {
        return await finishRun(platform.database, workspace.id, this.#run, end, finishedAt, this.#nodes);
      } catch (cause) {
        if (attempt === TRIES) return this.#lost("error", cause);
      }
    }
  }

  #lost(level: "warn" | "error", cause: unknown): void {
    log(level, "the trace of a run could not be written", { run: this.#run.id, workspace: this.#ctx.workspace.id, requestId: this.#ctx.requestId, cause });
  }
}
