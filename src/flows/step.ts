import { GatewayError, toGatewayError } from "../model/error.ts";
import type { JsonObject, JsonValue } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";
import type { Answer } from "../model/run.ts";
import { traced, type NodeRecord } from "../runs/record.ts";
import { attempts } from "./attempt.ts";
import type { Expressions, Scope } from "./expression.ts";
import type { FlowNode, NodeOf, WorkNode } from "./flow.ts";
import type { AskingCall, Asked } from "./journal.ts";
import { executeAsk, put } from "./nodes/ask.ts";
import { responsesTo } from "./nodes/tool.ts";
import type { Progress } from "./progress.ts";
import { masked, without } from "./redact.ts";
import { type Answered, type Done, type Outside, UNASKED } from "./task.ts";

/** What the nodes of one run share. */
export interface RunState {
  /** Id of the run. */
  id: string;
  scope: Omit<Scope, "item">;
  expressions: Expressions;
  outside: Outside;
  limits: Limits;
  /** Fires when the run must end. */
  signal: AbortSignal;
  /** Unix ms. */
  deadline: number;
  progress: Progress;
  /** Somebody can be asked by a form. */
  canAsk: boolean;
  /** What was asked before the run was taken up again, and what of it was answered, by node. */
  asked: ReadonlyMap<string, Asked>;
  answers: ReadonlyMap<string, Answer>;
  /** The same of the tools that were called: by node, and by the key that the client was given. */
  calls: ReadonlyMap<string, AskingCall>;
  responses: ReadonlyMap<string, JsonObject>;
}

/** What holds up a node: a question of its own, or one of the tool that it calls, which `abandon` tells that nobody will answer. */
export type Wait = { asked: Asked } | { call: AskingCall; abandon: (() => void) | undefined };

export type NodeEnd =
  | { status: "completed"; output: JsonValue; bytes: number }
  | { status: "skipped" }
  | { status: "failed" | "cancelled"; error: GatewayError }
  | { status: "waiting"; on: Wait };

/** Runs one node to its end, with all its items and attempts. Never rejects; the record is what its trace keeps. */
export async function runNode(node: FlowNode, state: RunState): Promise<{ end: NodeEnd; record: NodeRecord }> {
  const [asked, call] = [state.asked.get(node.id), state.calls.get(node.id)];
  const notes = new Notes(node, state, asked?.at ?? call?.startedAt ?? state.outside.now());
  const end = await goOn().catch((thrown: unknown): NodeEnd => {
    return state.signal.aborted ? { status: "cancelled", error: toGatewayError(state.signal.reason) } : { status: "failed", error: toGatewayError(thrown) };
  });
  return { end, record: notes.record(end) };

  function goOn(): Promise<NodeEnd> {
    if (asked && node.type === "ask") return runAsked(node, asked, state, notes);
    if (call && node.type === "tool") return runCalled(node, call, state, notes);
    return runItems(node, state, notes);
  }
}

async function runItems(node: FlowNode, state: RunState, notes: Notes): Promise<NodeEnd> {
  if (node.when !== null && !(await holds(node.when, state))) return { status: "skipped" };
  if (node.type === "ask") return runAsked(node, await put(node, await inputOf(node, state, undefined), state), state, notes);
  if (node.forEach !== null) return completed(await runEach(node, node.forEach, state, notes), state);
  const input = await inputOf(node, state, undefined);
  return endOf(await tried(node, input, state, notes, 0, UNASKED), input, state, notes);
}

/** A question that was put: whether to ask, and what, is not looked at again. */
async function runAsked(node: NodeOf<"ask">, asked: Asked, state: RunState, notes: Notes): Promise<NodeEnd> {
  notes.sent(0, asked.question.params ?? {});
  const answer = state.answers.get(node.id);
  if (answer === undefined) return { status: "waiting", on: { asked } };
  const output = executeAsk(node, answer);
  notes.got(0, output);
  return completed(output, state);
}

/** The call of a tool that asked: it goes on once any of its questions is answered, and asks again for what it still misses. */
async function runCalled(node: NodeOf<"tool">, call: AskingCall, state: RunState, notes: Notes): Promise<NodeEnd> {
  notes.takeUp(call);
  const responses = responsesTo(node, call, state.responses);
  if (responses !== null) return endOf(await tried(node, call.input, state, notes, 0, { inputResponses: responses, requestState: call.state }), call.input, state, notes);
  notes.sent(0, call.input);
  return { status: "waiting", on: { call, abandon: undefined } };
}

function endOf(done: Done, input: JsonObject, state: RunState, notes: Notes): NodeEnd {
  if ("output" in done) return completed(done.output, state);
  const { inputRequests, requestState = null, abandon } = done.asks;
  const until = state.outside.now() + state.limits.parkedMs;
  const call = { input, questions: inputRequests, state: requestState, takesErrors: abandon !== undefined, startedAt: notes.startedAt, until, attempts: notes.attempts, made: notes.calls };
  return { status: "waiting", on: { call, abandon } };
}

function completed(output: JsonValue, { limits }: RunState): NodeEnd {
  const bytes = JSON.stringify(output).length;
  if (bytes <= limits.nodeOutputBytes) return { status: "completed", output, bytes };
  throw new GatewayError("too_large", `its output is larger than ${limits.nodeOutputBytes} bytes`, { data: { limit: "nodeOutputBytes" } });
}

async function holds(when: string, { expressions, scope }: RunState): Promise<boolean> {
  const value = (await expressions.evaluate(when, scope)) ?? null;
  if (value === null || typeof value === "boolean") return value === true;
  throw new GatewayError("invalid", "when must give true or false");
}

/** The items in their order, at most `concurrency` at a time; the first that fails fails the node, and with it the run, which stops the others. */
async function runEach(node: WorkNode, each: NonNullable<FlowNode["forEach"]>, state: RunState, notes: Notes): Promise<JsonValue[]> {
  const items = await state.expressions.resolve(each.items, state.scope);
  if (!Array.isArray(items)) throw new GatewayError("invalid", "forEach.items must give a list");
  const most = state.limits.forEachItems;
  if (items.length > most) throw new GatewayError("too_large", `forEach.items gives ${items.length} items; the limit is ${most}`, { data: { limit: "forEachItems" } });
  notes.items = items.length;
  const outputs: JsonValue[] = Array.from(items, () => null);
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) {
      outputs[index] = outputIn(await tried(node, await inputOf(node, state, item), state, notes, index, UNASKED));
    }
  };
  await Promise.all(Array.from({ length: Math.min(each.concurrency, items.length) }, () => worker()));
  return outputs;
}

function outputIn(done: Done): JsonValue {
  if ("output" in done) return done.output;
  done.asks.abandon?.();
  throw new GatewayError("unsupported", "the tool asks a question, which a node with forEach cannot pass on");
}

async function inputOf(node: FlowNode, { expressions, scope }: RunState, item: JsonValue | undefined): Promise<JsonObject> {
  return without(await expressions.resolveObject(node.input, item === undefined ? scope : { ...scope, item }), node.redact.send);
}

async function tried(node: WorkNode, input: JsonObject, state: RunState, notes: Notes, index: number, answered: Answered): Promise<Done> {
  const { id, outside, limits, progress } = state;
  notes.sent(index, input);
  const task = {
    key: `${id}/${node.id}/${index}`,
    outside,
    limits,
    answered,
    progress: (report: Parameters<Progress["report"]>[0]) => progress.report(report),
    called: (auditId: string) => void notes.calls.push(auditId),
  };
  const done = await attempts(node, input, task, state.signal, state.deadline, () => notes.attempts++);
  if ("output" in done) notes.got(index, done.output);
  return done;
}

/** What the trace of a node is made of while it runs. Redacted here, so nothing else of it is kept. */
class Notes {
  items: number | null = null;
  attempts = 0;
  readonly calls: string[] = [];
  readonly startedAt: number;
  readonly #node: FlowNode;
  readonly #state: RunState;
  readonly #inputs: JsonValue[] = [];
  readonly #outputs: JsonValue[] = [];

  constructor(node: FlowNode, state: RunState, startedAt: number) {
    this.#node = node;
    this.#state = state;
    this.startedAt = startedAt;
  }

  /** What was done for it before the run was taken up again. */
  takeUp({ attempts, made }: AskingCall): void {
    this.attempts = attempts;
    this.calls.push(...made);
  }

  sent(index: number, input: JsonObject): void {
    this.#inputs[index] = masked("input", input, this.#node.redact.trace);
  }

  got(index: number, output: JsonValue): void {
    this.#outputs[index] = masked("output", output, this.#node.redact.trace);
  }

  record(end: NodeEnd): NodeRecord {
    return {
      node: this.#node.id,
      type: this.#node.type,
      status: end.status,
      startedAt: this.startedAt,
      finishedAt: end.status === "waiting" ? null : this.#state.outside.now(),
      attempts: this.attempts,
      items: this.items,
      input: this.#text(this.#inputs),
      output: this.#text(this.#outputs),
      error: "error" in end ? { code: end.error.code, message: end.error.message } : null,
      calls: this.calls,
    };
  }

  /** One value, or the list of what the items have so far. */
  #text(values: JsonValue[]): string | null {
    const whole = this.#node.forEach === null ? values[0] : Array.from(values, (value) => value ?? null);
    return whole === undefined || (this.#node.forEach !== null && values.length === 0) ? null : traced(whole, this.#state.limits.traceValueBytes);
  }
}
