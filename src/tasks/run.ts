import { endOf } from "../audit/observe.ts";
import { keep } from "../audit/buffer.ts";
import { recordOf } from "../audit/record.ts";
import { authenticate } from "../access/authenticate.ts";
import { loadSnapshot } from "../catalog/snapshot.ts";
import { openCall, type OpenCall } from "../gateway/context.ts";
import { dispatched } from "../gateway/dispatch.ts";
import { targetFailure } from "../gateway/failure.ts";
import { Standing } from "../gateway/standing.ts";
import { pause, stop, type Timer } from "../lib/clock.ts";
import { Gate } from "../lib/egress.ts";
import { newId } from "../lib/ids.ts";
import { memberOf } from "../lib/json.ts";
import { lineText } from "../lib/lines.ts";
import { log } from "../lib/log.ts";
import { told } from "../lib/told.ts";
import type { AuditEnd } from "../model/audit.ts";
import type { Call, InputRequest, InputRequired, Notification, Outcome, Reply } from "../model/call.ts";
import type { Platform, TaskView } from "../model/context.ts";
import { type ErrorCode, GatewayError, toGatewayError } from "../model/error.ts";
import { isObject, type JsonObject } from "../model/json.ts";
import { requireCapability } from "../protocol/capabilities.ts";
import { errorData } from "../protocol/failures.ts";
import type { TaskLine, TaskStart } from "./start.ts";
import { isOver } from "./view.ts";

const MAX_ROUNDS = 10;
/** A round without questions asks for time. */
const PAUSE_MS = 250;
const MAX_MESSAGE_CHARS = 300;

/** What the object does for the call that runs in it. */
export interface TaskHost {
  /** Resolves when the task is on disk. */
  announce(view: TaskView): Promise<void>;
  changed(view: TaskView): void;
}

/** One round of questions: what each key is to the target, and what was answered. */
interface Round {
  keys: ReadonlyMap<string, string>;
  answers: JsonObject;
  answered: PromiseWithResolvers<void>;
}

/**
 * One call from its first byte: a line to the Worker that waits for it, until it is a task; then a task. Lives in memory alone, so an object that
 * was restarted knows only what it announced, and nobody sends the call again.
 */
export class TaskRun {
  readonly #start: TaskStart;
  readonly #platform: Platform;
  readonly #host: TaskHost;
  readonly #open: OpenCall;
  readonly #began: number;
  readonly #background: Promise<unknown>[] = [];
  #leg: ReadableStreamDefaultController<Uint8Array> | null = null;
  #view: TaskView;
  #announced: Promise<void> | null = null;
  #ended = false;
  #round: Round | null = null;
  #rounds = 0;

  constructor(start: TaskStart, platform: Platform, host: TaskHost) {
    this.#start = start;
    this.#platform = platform;
    this.#host = host;
    this.#began = platform.now();
    const { workspace, principal, requestId, origin, limits, hops, revision, toolset, catalog, session, canAsk, runMs, ttlMs, pollMs } = start;
    const waitUntil = (work: Promise<unknown>) => void this.#background.push(work);
    const request = { platform, workspace, principal, requestId, origin, limits, hops, gate: new Gate(limits.requestFetches), waitUntil };
    const revalidate = () => this.#stands();
    this.#open = openCall({ request, revision, toolset, version: catalog, session, client: null, disconnectCancels: false, canAsk, revalidate }, "tools/call", runMs);
    this.#open.ctx.callId = start.callId;
    this.#view = { status: "working", statusMessage: null, createdAt: this.#began, updatedAt: this.#began, ttlMs, pollMs, inputRequests: {}, result: null, error: null };
  }

  get view(): TaskView {
    return this.#view;
  }

  /** What the Worker reads; who leaves before it is a task ends it. */
  leg(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (leg) => void (this.#leg = leg),
      cancel: () => {
        this.#leg = null;
        if (this.#announced === null) this.#open.signal.abort(new GatewayError("cancelled", "the client disconnected"));
      },
    });
  }

  /** Resolves when the call is over, with all it left to be done. */
  async run(): Promise<void> {
    let timer: Timer | null = null;
    const standing = new Standing(this.#open.ctx.revalidate, (reason) => this.#open.signal.abort(reason));
    standing.watch();
    try {
      if (this.#start.afterMs === 0) await this.#announce();
      else timer = setTimeout(() => void this.#announce(), this.#start.afterMs);
      await this.#end(await this.#outcome());
    } catch (thrown) {
      await this.#fail(toGatewayError(thrown));
    } finally {
      stop(timer);
      standing.end();
      this.#open.signal.release();
    }
    await Promise.allSettled(this.#background);
  }

  /** Answers by the keys of the open questions; the rest is ignored (ext-tasks, tasks/update). */
  answer(responses: JsonObject): void {
    const round = this.#round;
    if (!round) return;
    const left: Record<string, InputRequest> = { ...this.#view.inputRequests };
    for (const [key, response] of Object.entries(responses)) {
      const own = left[key] && round.keys.get(key);
      if (own === undefined || !isObject(response)) continue;
      round.answers[own] = response;
      delete left[key];
    }
    const isAnswered = Object.keys(left).length === 0;
    if (isAnswered) this.#round = null;
    this.#change({ inputRequests: left, ...(isAnswered && { status: "working" }) });
    if (isAnswered) round.answered.resolve();
  }

  /** The task is cancelled from now on; what ran is told to stop (ext-tasks, tasks/cancel). */
  cancel(): void {
    if (isOver(this.#view)) return;
    this.#change({ status: "cancelled", inputRequests: {} });
    this.#open.signal.abort(new GatewayError("cancelled", "the client cancelled the task"));
  }

  async #outcome(): Promise<Outcome> {
    const { workspace, catalog, call } = this.#start;
    const snapshot = await loadSnapshot(this.#platform, workspace.id, catalog.hash);
    let current: Call = { ...call, headerParam: null };
    for (;;) {
      const outcome = await this.#read(() => dispatched(current, this.#open.ctx, snapshot, this.#start.entry));
      if (outcome.type !== "input_required" || this.#announced === null) return outcome;
      if (++this.#rounds > MAX_ROUNDS) throw new GatewayError("upstream", `the call asked its client more than ${MAX_ROUNDS} times`);
      current = { ...call, headerParam: null, inputResponses: await this.#ask(outcome), requestState: outcome.requestState ?? null };
    }
  }

  async #read(run: () => Reply): Promise<Outcome> {
    try {
      const reply = run();
      for (let step = await reply.next(); ; step = await reply.next()) {
        if (step.done) return step.value;
        if (this.#announced === null) this.#say({ type: "notification", notification: step.value });
        else this.#hear(step.value);
      }
    } catch (thrown) {
      return targetFailure(thrown, this.#open.ctx);
    }
  }

  /** A task has no progress, but words for how it stands. */
  #hear({ method, params }: Notification): void {
    const message: unknown = method === "notifications/progress" ? JSON.parse(memberOf(params, "message") ?? "null") : null;
    if (typeof message === "string" && !isOver(this.#view)) this.#view = { ...this.#view, statusMessage: message.slice(0, MAX_MESSAGE_CHARS), updatedAt: this.#platform.now() };
  }

  /** Null: it asked for nothing but time. */
  async #ask({ inputRequests, abandon }: InputRequired): Promise<JsonObject | null> {
    const { signal } = this.#open.ctx;
    const asked = Object.entries(inputRequests);
    if (asked.length === 0) return pause(PAUSE_MS * this.#rounds, signal).then(() => null);
    for (const [, request] of asked) requireCapability(this.#start.call.capabilities, request);
    // A key is used once in a task's life; the target may use its own again.
    const keyed = asked.map(([own, request]) => ({ key: this.#rounds === 1 ? own : `${own}.${this.#rounds}`, own, request }));
    const answered = Promise.withResolvers<void>();
    const given = () => answered.reject(signal.reason);
    const round = { keys: new Map(keyed.map(({ key, own }) => [key, own])), answers: {}, answered };
    signal.addEventListener("abort", given);
    try {
      signal.throwIfAborted();
      this.#round = round;
      this.#change({ status: "input_required", inputRequests: Object.fromEntries(keyed.map(({ key, request }) => [key, request])) });
      await answered.promise;
      return round.answers;
    } catch (thrown) {
      abandon?.();
      throw thrown;
    } finally {
      this.#round = null;
      signal.removeEventListener("abort", given);
    }
  }

  #announce(): Promise<void> {
    if (this.#ended || this.#open.ctx.signal.aborted) return Promise.resolve();
    const { view } = this;
    this.#announced ??= this.#host.announce(view).then(
      () => this.#say({ type: "task", view }, true),
      (cause: unknown) => {
        const error = new GatewayError("unavailable", "the call could not become a task", { cause });
        this.#say({ type: "failed", error: told(error) }, true);
        this.#open.signal.abort(error);
      },
    );
    return this.#announced;
  }

  async #end(outcome: Outcome): Promise<void> {
    this.#ended = true;
    if (this.#announced === null) return this.#say({ type: "outcome", outcome }, true);
    await this.#announced;
    if (outcome.type === "complete") this.#settle({ status: "completed", result: outcome.result });
    else if (outcome.type === "failed") this.#settle({ status: "failed", error: outcome.error });
    else return this.#fail(new GatewayError("internal", "internal error", { cause: `a task ended as ${outcome.type}` }));
    this.#record(endOf(outcome), null);
  }

  async #fail(error: GatewayError): Promise<void> {
    this.#ended = true;
    if (error.code === "internal") log("error", "a task failed unexpectedly", { requestId: this.#start.requestId, cause: error.cause });
    if (this.#announced === null) return this.#say({ type: "failed", error: told(error) }, true);
    await this.#announced;
    const { wire, message } = error;
    this.#settle({ status: "failed", error: JSON.stringify({ code: wire.rpc, message, data: errorData(error, this.#start.requestId) }) });
    this.#record(error.code === "cancelled" ? "cancelled" : "failed", error.code);
  }

  /** What was cancelled stays so, whatever came of it. */
  #settle(end: Partial<TaskView>): void {
    if (!isOver(this.#view)) this.#change({ ...end, statusMessage: null, inputRequests: {} });
  }

  #change(change: Partial<TaskView>): void {
    this.#view = { ...this.#view, ...change, updatedAt: this.#platform.now() };
    this.#host.changed(this.#view);
  }

  #say(line: TaskLine, last = false): void {
    this.#leg?.enqueue(new TextEncoder().encode(lineText<TaskLine>(line)));
    if (!last) return;
    this.#leg?.close();
    this.#leg = null;
  }

  /** How the run ended, as a record of its own: that of the call says that it became a task. */
  #record(end: AuditEnd, error: ErrorCode | null): void {
    const { callId, entry, call } = this.#start;
    const { ctx } = this.#open;
    const durationMs = this.#platform.now() - this.#began;
    const record = { ...recordOf(call, ctx), id: newId("call"), at: this.#began, durationMs, name: entry.name, target: ctx.target, end, error, parent: callId };
    const kept = keep(this.#platform.audit, record, this.#platform.now);
    if (kept) this.#background.push(kept);
  }

  /** A credential that ran out was good when the call began; one that was taken away is not, nor is an ended session. */
  async #stands(): Promise<boolean> {
    const { workspace, principal, authorization, session } = this.#start;
    if (principal.expiresAt !== null && principal.expiresAt <= this.#platform.now()) return true;
    const claim = session && { id: session.id, workspace: workspace.id, principal: principal.id };
    const auth = await authenticate(this.#platform, workspace.slug, authorization, claim, (work) => void this.#background.push(work));
    return auth.ok || auth.status === 503 || auth.reason === "expired";
  }
}
