import type { Notification } from "../model/call.ts";
import { GatewayError, toGatewayError } from "../model/error.ts";
import type { JsonObject, JsonValue } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";
import type { NodeRecord } from "../runs/record.ts";
import { Expressions } from "./expression.ts";
import type { Flow } from "./flow.ts";
import { Progress } from "./progress.ts";
import { runNode, type RunState } from "./step.ts";
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
  /** Told of each node when it has ended, also of those that were stopped; of nodes that never started it is not told. */
  record(record: NodeRecord): void;
}

export type FlowEnd =
  | { status: "completed"; output: JsonValue }
  /** `node` null: what failed is the flow's own output. */
  | { status: "failed"; node: string | null; error: GatewayError }
  | { status: "cancelled"; error: GatewayError };

/**
 * Runs a flow within the request: nodes whose `needs` have ended run in parallel; a skipped node counts as ended and has no output.
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
  readonly #steps: JsonObject = {};
  readonly #ended = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  #bytes = 0;
  #failure: Extract<FlowEnd, { status: "failed" }> | null = null;

  constructor(flow: Flow, start: RunStart, progress: Progress, stop: AbortController) {
    const { id, input, ctx, outside, limits, deadline } = start;
    this.#flow = flow;
    this.#start = start;
    this.#stop = stop;
    this.#signal = AbortSignal.any([start.signal, stop.signal]);
    const expressions = new Expressions(limits, () => outside.now());
    this.#state = { id, scope: { input, steps: this.#steps, ctx }, expressions, outside, limits, signal: this.#signal, deadline, progress };
  }

  async drive(): Promise<FlowEnd> {
    const waiting = new Map(this.#flow.nodes.map((node) => [node.id, node]));
    for (;;) {
      for (const node of waiting.values()) {
        if (this.#signal.aborted) break;
        if (!node.needs.every((id) => this.#ended.has(id))) continue;
        waiting.delete(node.id);
        this.#running.set(node.id, this.#run(node));
      }
      if (this.#running.size === 0) return this.#end();
      await Promise.race(this.#running.values());
    }
  }

  async #run(node: Flow["nodes"][number]): Promise<void> {
    const { end, record } = await runNode(node, this.#state);
    this.#start.record(record);
    if (end.status === "completed") this.#keep(node.id, end.output, end.bytes);
    if (end.status === "failed") this.#fail(node.id, end.error);
    this.#ended.add(node.id);
    this.#running.delete(node.id);
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
    if (this.#failure) return this.#failure;
    if (this.#signal.aborted) return stopped(toGatewayError(this.#signal.reason));
    try {
      return { status: "completed", output: await this.#output() };
    } catch (thrown) {
      return { status: "failed", node: null, error: toGatewayError(thrown) };
    }
  }

  async #output(): Promise<JsonValue> {
    const { nodes, output } = this.#flow;
    if (output) return (await this.#state.expressions.resolve(output.value, this.#state.scope)) ?? null;
    return this.#steps[nodes.at(-1)?.id ?? ""] ?? null;
  }
}

function stopped(error: GatewayError): FlowEnd {
  return error.code === "cancelled" ? { status: "cancelled", error } : { status: "failed", node: null, error };
}
