import type { Notification } from "../model/call.ts";
import { GatewayError, toGatewayError } from "../model/error.ts";
import type { JsonObject, JsonValue } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";
import type { Given } from "../model/run.ts";
import type { NodeRecord } from "../runs/record.ts";
import { Expressions } from "./expression.ts";
import type { Flow } from "./flow.ts";
import type { Journal } from "./journal.ts";
import { Progress } from "./progress.ts";
import { runNode, type RunState, type Wait } from "./step.ts";
import type { Outside } from "./task.ts";

/** What a run starts from. */
export interface RunStart {
  /** Id of the run. */
  id: string;
  input: JsonValue;
  /** `$ctx` of expressions. */
  ctx: JsonObject;
  outside: Outside;
  limits: Limits;
  /** Fires when the call ends before the run does. */
  signal: AbortSignal;
  /** Unix ms. */
  deadline: number;
  /** The client asked for progress. */
  progress: boolean;
  /** Somebody can be asked by a form. */
  canAsk: boolean;
  /** Where an earlier part of this run stopped to ask, and what was answered; null: the run begins. */
  resume: ({ journal: Journal } & Given) | null;
  /** Told of each node when it has ended, also of those that were stopped or wait for an answer; of nodes that never started it is not told. */
  record(record: NodeRecord): void;
}

export type FlowEnd =
  | { status: "completed"; output: JsonValue }
  /** `node` null: what failed is the flow's own output. */
  | { status: "failed"; node: string | null; error: GatewayError }
  | { status: "cancelled"; error: GatewayError }
  /** All that can be done without answers is done. `journal.asked` and `journal.calls` are not both empty. `abandon`: nobody will answer the tools that wait. */
  | { status: "waiting"; journal: Journal; abandon(): void };

/**
 * Runs a flow within the request: nodes whose `needs` have ended run in parallel; a skipped node counts as ended and has no output.
 * A question holds up what needs it, and nothing else; once nothing else is left to do, the run waits, and is taken up again by `resume`.
 * The first failure stops the nodes that run, and no other starts; so do the signal, and a reader that gives the generator up.
 * Yields progress only if the client asked: what `emit` nodes say, or one step per node where a flow has none. Never throws: how the
 * run ended is returned, after every node that started has been recorded.
 */
export async function* runFlow(flow: Flow, start: RunStart): AsyncGenerator<Notification, FlowEnd, void> {
  const stop = new AbortController();
  const progress = new Progress(start.progress);
  const run = new Run(flow, start, progress, stop);
  const ended = run.drive().finally(() => progress.close());
  try {
    for (let next = await progress.next(); next !== null; next = await progress.next()) yield next;
    return await ended;
  } finally {
    stop.abort(new GatewayError("cancelled", "nobody reads the reply any more"));
    await ended;
  }
}

class Run {
  readonly #flow: Flow;
  readonly #start: RunStart;
  readonly #state: RunState;
  readonly #stop: AbortController;
  readonly #signal: AbortSignal;
  readonly #steps: JsonObject;
  readonly #ended: Set<string>;
  readonly #waiting = new Map<string, { on: Wait; record: NodeRecord }>();
  readonly #running = new Map<string, Promise<void>>();
  #bytes: number;
  #failure: Extract<FlowEnd, { status: "failed" }> | null = null;

  constructor(flow: Flow, start: RunStart, progress: Progress, stop: AbortController) {
    const { id, input, ctx, outside, limits, deadline, canAsk, resume } = start;
    this.#flow = flow;
    this.#start = start;
    this.#stop = stop;
    this.#signal = AbortSignal.any([start.signal, stop.signal]);
    this.#steps = { ...resume?.journal.steps };
    this.#ended = new Set(resume?.journal.ended);
    this.#bytes = resume?.journal.bytes ?? 0;
    const expressions = new Expressions(limits, () => outside.now());
    this.#state = { id, scope: { input, steps: this.#steps, ctx }, expressions, outside, limits, signal: this.#signal, deadline, progress, canAsk, asked: mapOf(resume?.journal.asked), answers: mapOf(resume?.answers), calls: mapOf(resume?.journal.calls), responses: mapOf(resume?.responses) };
  }

  async drive(): Promise<FlowEnd> {
    const pending = new Map(this.#flow.nodes.filter(({ id }) => !this.#ended.has(id)).map((node) => [node.id, node]));
    for (;;) {
      for (const node of pending.values()) {
        if (this.#signal.aborted) break;
        if (!node.needs.every((id) => this.#ended.has(id))) continue;
        pending.delete(node.id);
        this.#running.set(node.id, this.#run(node));
      }
      if (this.#running.size === 0) return this.#end();
      await Promise.race(this.#running.values());
    }
  }

  async #run(node: Flow["nodes"][number]): Promise<void> {
    const { end, record } = await runNode(node, this.#state);
    this.#running.delete(node.id);
    if (end.status === "waiting") return void this.#waiting.set(node.id, { on: end.on, record });
    this.#start.record(record);
    if (end.status === "completed") this.#keep(node.id, end.output, end.bytes);
    if (end.status === "failed") this.#fail(node.id, end.error);
    this.#ended.add(node.id);
    if (this.#flow.nodes.some(({ type }) => type === "emit")) return;
    this.#state.progress.report({ value: this.#ended.size, total: this.#flow.nodes.length, message: `${node.id}: ${end.status}` });
  }

  #keep(id: string, output: JsonValue, bytes: number): void {
    this.#bytes += bytes;
    const most = this.#start.limits.runOutputBytes;
    if (this.#bytes > most) this.#fail(id, new GatewayError("too_large", `the outputs of the run together are larger than ${most} bytes`, { data: { limit: "runOutputBytes" } }));
    else this.#steps[id] = output;
  }

  #fail(node: string, error: GatewayError): void {
    this.#failure ??= { status: "failed", node, error };
    this.#stop.abort(new GatewayError("cancelled", `node ${node} failed`));
  }

  async #end(): Promise<FlowEnd> {
    const isStopped = this.#failure !== null || this.#signal.aborted;
    for (const { record } of this.#waiting.values()) this.#start.record(isStopped ? { ...record, status: "cancelled", finishedAt: this.#state.outside.now() } : record);
    if (isStopped) this.#abandon();
    if (this.#failure) return this.#failure;
    if (this.#signal.aborted) return stopped(toGatewayError(this.#signal.reason));
    if (this.#waiting.size > 0) return { status: "waiting", journal: this.#journal(), abandon: () => this.#abandon() };
    try {
      return { status: "completed", output: await this.#output() };
    } catch (thrown) {
      return { status: "failed", node: null, error: toGatewayError(thrown) };
    }
  }

  #journal(): Journal {
    const asked: Journal["asked"] = {};
    const calls: NonNullable<Journal["calls"]> = {};
    for (const { id } of this.#flow.nodes) {
      const on = this.#waiting.get(id)?.on;
      if (on && "asked" in on) asked[id] = on.asked;
      if (on && "call" in on) calls[id] = on.call;
    }
    return { ended: [...this.#ended], steps: this.#steps, bytes: this.#bytes, asked, calls };
  }

  #abandon(): void {
    for (const { on } of this.#waiting.values()) if ("call" in on) on.abandon?.();
  }

  async #output(): Promise<JsonValue> {
    const { nodes, output } = this.#flow;
    if (output) return (await this.#state.expressions.resolve(output.value, this.#state.scope)) ?? null;
    return this.#steps[nodes.at(-1)?.id ?? ""] ?? null;
  }
}

/** Ids of nodes may be names that every object has. */
function mapOf<T>(members: Readonly<Record<string, T>> = {}): ReadonlyMap<string, T> {
  return new Map(Object.entries(members));
}

function stopped(error: GatewayError): FlowEnd {
  return error.code === "cancelled" ? { status: "cancelled", error } : { status: "failed", node: null, error };
}
