import { cuttable } from "../lib/abort.ts";
import { stop, type Timer } from "../lib/clock.ts";
import { canonical } from "../lib/canonical.ts";
import { told } from "../lib/told.ts";
import { CLIENT_ERROR, type InputRequest } from "../model/call.ts";
import { GatewayError, toGatewayError } from "../model/error.ts";
import { isObject, type JsonObject, type JsonText } from "../model/json.ts";
import { canAnswer, capabilitiesOf } from "../protocol/capabilities.ts";
import { errorText, INTERNAL_ERROR, responseText } from "../protocol/jsonrpc.ts";
import { RELATED_TASK_KEY } from "../protocol/meta.ts";
import { refusal } from "../targets/mcp/asks.ts";
import type { Attempt } from "../targets/mcp/attempt.ts";
import { type LegAnswer, type LegEnd, type LegStart, stateText } from "../targets/mcp/leg.ts";
import { tryLeg } from "../targets/mcp/channel-call.ts";
import type { Asker, Post } from "../targets/mcp/legacy.ts";
import { parsed } from "../targets/mcp/message.ts";
import type { Question } from "../targets/mcp/question.ts";
import { KEPT_MS, Leg } from "./leg.ts";

/** Questions that come within this of the first go to the client together. */
const GATHER_MS = 30;

interface OpenQuestion {
  id: JsonText;
  request: InputRequest;
  post: Post;
}

/**
 * One call of a legacy upstream, from its first byte: reads the upstream's stream, and where that asks, ends the leg with the questions
 * and keeps the stream open until the answers come. It lives in memory alone: an object that was restarted knows nothing of it, says so,
 * and nobody sends the call again.
 */
export class ParkedCall implements Asker {
  readonly #start: LegStart;
  readonly #now: () => number;
  readonly #waits: () => void;
  readonly #abort = new AbortController();
  readonly #open = new Map<string, OpenQuestion>();
  /** By the round whose answers began it; the first by 0. */
  readonly #legs = new Map<number, Leg>();
  #ceiling: Timer | null = null;
  /** Unix ms at which the call ends if it still waits then. */
  #until = Infinity;
  #asked = 0;
  /** The number of the questions that the client has now, or had last. */
  #round = 0;
  /** What the client listens to; null: it has been asked. */
  #leg: Leg | null = null;
  #gathering: Timer | null = null;
  #end: LegEnd | null = null;

  /** `waits`: it has asked for the first time, and the object is now to live without a request in it. */
  constructor(start: LegStart, now: () => number, waits: () => void) {
    this.#start = start;
    this.#now = now;
    this.#waits = waits;
  }

  /** Sends the call. Resolves when the call is over and its end has been kept for as long as it may be asked for. */
  async run(): Promise<void> {
    await this.#read();
    stop(this.#ceiling);
    stop(this.#gathering);
    for (const { post } of this.#open.values()) void post(null);
    if (this.#round > 0) await new Promise((resolve) => setTimeout(resolve, KEPT_MS));
  }

  first(): ReadableStream<Uint8Array> {
    return this.#begin("").open();
  }

  /** The leg that these answers begin; the same answers again get the same leg; null: the state is used up, or not the caller's. */
  answer({ owner, round, responses }: LegAnswer): ReadableStream<Uint8Array> | null {
    const answers = canonical(responses);
    if (owner !== this.#start.owner) return null;
    const past = this.#legs.get(round);
    if (past) return past.answers === answers && past.isKept ? past.open() : null;
    if (round !== this.#round || this.#leg) return null;
    const leg = this.#begin(answers);
    for (const [key, { id, post }] of this.#open) {
      const response = responses[key];
      if (!isObject(response)) continue;
      this.#open.delete(key);
      void post(answerText(id, response));
    }
    if (this.#end) leg.finish(this.#end);
    else if (this.#open.size > 0) this.#gather();
    return leg.open();
  }

  /** Nobody will answer: the upstream is told so, and the call ends. */
  async abandon(reason = new GatewayError("timeout", "what this call asked was not answered in time")): Promise<void> {
    if (this.#end) return;
    const open = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(open.map(({ id, request, post }) => post(refusal(id, request.method))));
    this.#abort.abort(reason);
  }

  ask({ id, method, params }: Question, post: Post): boolean {
    const request = requestOf(method, params);
    if (!request || !canAnswer(capabilitiesOf(this.#start.capabilities) ?? {}, request)) return false;
    if (this.#asked === 0) this.#limit();
    this.#open.set(`q${++this.#asked}`, { id, request, post });
    this.#gather();
    return true;
  }

  withdrawn(id: JsonText): void {
    for (const [key, question] of this.#open) {
      if (question.id !== id) continue;
      this.#open.delete(key);
      void question.post(null);
    }
  }

  #limit(): void {
    const { parkedMs } = this.#start;
    this.#until = this.#now() + parkedMs;
    this.#ceiling = setTimeout(() => void this.abandon(), parkedMs);
  }

  #begin(answers: string): Leg {
    const leg = new Leg(answers, this.#now, () => void this.abandon(new GatewayError("cancelled", "the client disconnected")));
    this.#legs.set(this.#legs.size === 0 ? 0 : this.#round, leg);
    this.#leg = leg;
    return leg;
  }

  async #read(): Promise<void> {
    const { call, revision, link, name, key, session, until, capabilities } = this.#start;
    const ctx = { ...cuttable(this.#abort.signal), revision, waitUntil: (work: Promise<unknown>) => void work };
    const leg = { link: { ...link, gate: undefined, now: this.#now }, name, key, until, asker: this };
    const steps = tryLeg({ ...call, headerParam: null }, ctx, session === null ? { ...leg, session, capabilities } : { ...leg, session, aside: true });
    try {
      for (let step = await steps.next(); ; step = await steps.next()) {
        if (step.done) return this.#finish(endOf(step.value));
        this.#leg?.write(step.value);
      }
    } catch (thrown) {
      // Once it has asked, the upstream has begun its work: what broke then may have taken effect.
      const broke = this.#asked > 0 && !this.#abort.signal.aborted;
      this.#finish(broke ? { type: "lost" } : { type: "failed", error: told(toGatewayError(thrown)) });
    }
  }

  #finish(end: LegEnd): void {
    this.#end = end;
    this.#leg?.finish(end);
  }

  #gather(): void {
    if (this.#leg) this.#gathering ??= setTimeout(() => this.#park(), GATHER_MS);
  }

  #park(): void {
    this.#gathering = null;
    if (this.#open.size === 0 || this.#end) return;
    const { object } = this.#start;
    const requestState = stateText({ object, round: ++this.#round, until: this.#until });
    const inputRequests = Object.fromEntries([...this.#open].map(([key, { request }]) => [key, request]));
    if (this.#round === 1) this.#waits();
    const leg = this.#leg;
    this.#leg = null;
    leg?.finish({ type: "outcome", outcome: { type: "input_required", inputRequests, requestState } });
  }
}

/** A client's error is the answer too, for an upstream that can do without. */
function answerText(id: JsonText, response: JsonObject): JsonText {
  const error = response[CLIENT_ERROR];
  if (!isObject(error)) return responseText(id, JSON.stringify(response));
  const { code, message } = error;
  return errorText(id, typeof code === "number" ? code : INTERNAL_ERROR, typeof message === "string" ? message : "the client refused");
}

function endOf(attempt: Attempt): LegEnd {
  if (attempt.type === "end") return { type: "outcome", outcome: attempt.outcome };
  return { ...attempt, error: told(attempt.error) };
}

/** The upstream's question as the newest revision words it: what belongs to the hop stays here (MCP 2026-07-28 knows no `elicitationId`). */
function requestOf(method: string, params: JsonText | null): InputRequest | null {
  if (method !== "elicitation/create" && method !== "sampling/createMessage" && method !== "roots/list") return null;
  const value = parsed(params);
  if (!isObject(value)) return { method };
  const { elicitationId: _id, task: _task, _meta, ...rest } = value;
  const meta = isObject(_meta) ? metaOf(_meta) : null;
  return { method, params: meta ? { ...rest, _meta: meta } : rest };
}

function metaOf({ progressToken: _, [RELATED_TASK_KEY]: _task, ...rest }: JsonObject): JsonObject | null {
  return Object.keys(rest).length > 0 ? rest : null;
}
