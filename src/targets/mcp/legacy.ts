import type { Call, LogLevel, Notification } from "../../model/call.ts";
import { LOG_LEVELS } from "../../model/call.ts";
import type { CallContext, UpstreamSessionState } from "../../model/context.ts";
import type { JsonText } from "../../model/json.ts";
import { pause, within } from "../../lib/clock.ts";
import { discard } from "../../lib/egress.ts";
import { memberOf } from "../../lib/json.ts";
import { HOP_CODES } from "../../protocol/failures.ts";
import { errorText, INVALID_PARAMS, METHOD_NOT_FOUND, responseText } from "../../protocol/jsonrpc.ts";
import { legacySampled } from "../../protocol/legacy-content.ts";
import { type Attempt, type Attempting, end, passedOn, unreached } from "./attempt.ts";
import { invalidAnswer, refusal, statusError } from "./errors.ts";
import { notify, sessionHeaders } from "./handshake.ts";
import { type Link, sendOver } from "./link.ts";
import { isOurs, type Message, readMessage, unbatched } from "./message.ts";
import { errorOutcome, resultOutcome } from "./outcome.ts";
import { listenLegacy } from "./listening.ts";
import { refusalOf } from "./probe.ts";
import type { Question } from "./question.ts";
import { legacyRequest, plainRequest, type UpstreamRequest } from "./request.ts";
import { type KnownSession, rememberLevel } from "./sessions.ts";
import { type StreamPosition, textsOf } from "./stream.ts";
import { Watch } from "./watch.ts";

const NOTICE_MS = 1_000;
const MAX_RESUMES = 5;
const RESUME_MS = 1_000;
/** Longer than any call waits for its client. */
const ASIDE_MS = 60 * 60_000;
const ASIDE_OPEN_MS = 1_000;
const MAX_RESUME_MS = 10_000;

export interface LegacyTry {
  link: Link;
  /** The upstream's own name or URI of what is called. */
  name: string;
  key: string;
  session: KnownSession;
  until: number;
  /** Of a tool that runs as a task: how long the upstream is to keep it, in ms. */
  taskMs?: number;
  /** Who answers what the upstream asks in the middle of the call; absent: nobody. */
  asker?: Asker;
  /** Questions are also heard on the session's own stream: servers on the v1 SDK ask there when they do not say for which call. */
  aside?: boolean;
}

export type Post = (response: JsonText | null) => Promise<void>;

export interface Asker {
  /** True: `post` will be called once, with the response, or with null where none is wanted any more; false: it cannot be answered. */
  ask(question: Question, post: Post): boolean;
  /** The upstream does not want to know any more. */
  withdrawn(id: JsonText): void;
}

/** What of a call's context a try needs. */
export type TryContext = Pick<CallContext, "signal" | "cutBy" | "onCut" | "revision" | "waitUntil">;

/**
 * One POST to a legacy upstream in its session, and the reading of its answer over as many streams as it takes. A disconnect is
 * no cancellation there: `notifications/cancelled` is posted first, then the stream is closed (MCP 2025-11-25, cancellation).
 */
export async function* tryLegacy(call: Call, ctx: TryContext, { link, name, key, session, until, taskMs, asker, aside = false }: LegacyTry): Attempting {
  const { state } = session;
  const request = legacyRequest(call, name, taskMs ?? null);
  const stop = () => (call.method === TASK_RESULT ? cancelTask(link, state, name, ctx) : cancel(link, state, request, ctx));
  const leave = await link.gate?.enter(ctx);
  // A task runs already when its result is asked for.
  let begun = call.method === TASK_RESULT;
  const watch = new Watch(link, ctx, { until, onCancel: () => (begun ? stop() : Promise.resolve()) });
  let finished = false;
  const over = new AbortController();
  try {
    await lowerLevel(call, link, key, session, watch.signal);
    if (aside) await listenAside(link, state, over.signal, (question) => answerRequest(question, ctx, link, state, watch, asker));
    begun = true;
    const headers = { ...request.headers, ...sessionHeaders(state) };
    const sent = sendOver(link, { method: "POST", headers, body: request.body, signal: watch.signal });
    const response = await sent.catch(unreached);
    finished = !(response instanceof Response) || response.status !== 200;
    if (!(response instanceof Response)) return response;
    if (finished) return await refused(response, request, call, ctx, state, link, watch);
    const message = yield* responseIn(resumed(response, link, state, watch), request, asker, (question) => answerRequest(question, ctx, link, state, watch, asker));
    finished = true;
    return answered(message, call, ctx);
  } finally {
    leave?.();
    over.abort();
    // Left early without a signal (the caller stopped reading): the upstream still has to be told.
    if (begun && !finished && !watch.signal.aborted) ctx.waitUntil(stop());
    watch.close();
  }
}

/** The response to the request: on the way to it notifications are passed on, and what the upstream asks goes to `answer`. Errors: `upstream_invalid`. */
export async function* responseIn(
  texts: AsyncIterable<JsonText>,
  request: UpstreamRequest,
  asker: Asker | undefined,
  answer: (question: Question) => void,
): AsyncGenerator<Notification, Extract<Message, { kind: "result" | "error" }>, void> {
  for await (const text of texts) {
    const message = readMessage(text);
    if (message.kind === "invalid") throw invalidAnswer("it is no JSON-RPC message");
    if (message.kind === "notification") {
      const notification = passedOn(message.method, message.params, request.progressToken);
      if (notification) yield notification;
      if (message.method === "notifications/cancelled") asker?.withdrawn(memberOf(message.params ?? "{}", "requestId") ?? "");
    } else if (message.kind === "request") answer(message);
    else if (isOurs(message.id, request.id)) return message;
  }
  throw invalidAnswer("it ended without a response to the request");
}

/** Resolves when the session's own stream is open, the upstream has none to give, or takes too long; it is read until the signal fires. */
async function listenAside(link: Link, state: UpstreamSessionState, signal: AbortSignal, asked: (question: Question) => void): Promise<void> {
  if (state.id === null) return;
  const settled = Promise.withResolvers<void>();
  const patient = { ...link, limits: { ...link.limits, idleMs: ASIDE_MS, totalMs: ASIDE_MS } };
  const ears = { opened: settled.resolve, heard: ignore, asked };
  void listenLegacy(patient, state, { lastEventId: null, retryMs: null }, signal, ears).catch(ignore).finally(settled.resolve);
  await within(ASIDE_OPEN_MS, settled.promise);
}

/** The texts of the answer, taken up again by GET where a stream that gives event ids ends early (2025-11-25, resumability). */
async function* resumed(first: Response, link: Link, state: UpstreamSessionState, watch: Watch): AsyncGenerator<JsonText, void> {
  const position: StreamPosition = { lastEventId: null, retryMs: null };
  let response = first;
  for (let resumes = 0; ; resumes++) {
    for await (const text of textsOf(response, link, watch, position)) yield* unbatched(text, state.revision);
    if (position.lastEventId === null || resumes === MAX_RESUMES) return;
    await pause(Math.min(position.retryMs ?? RESUME_MS, MAX_RESUME_MS), watch.signal);
    const headers = { accept: "text/event-stream", ...sessionHeaders(state), "last-event-id": position.lastEventId };
    response = await sendOver(link, { method: "GET", headers, signal: watch.signal });
    if (response.status !== 200) {
      await discard(response);
      return;
    }
  }
}

async function refused(response: Response, request: UpstreamRequest, call: Call, ctx: TryContext, state: UpstreamSessionState, link: Link, watch: Watch): Promise<Attempt> {
  const failed = statusError(response, link.now());
  if (failed) {
    await discard(response);
    throw failed;
  }
  const { status } = response;
  if (status < 400) {
    await discard(response);
    throw invalidAnswer(`a request is answered with a result, not with HTTP ${status}`);
  }
  const error = await refusalOf(response, watch.signal);
  // 404 ends a session (2025-11-25, sessions); servers built on the SDK's examples say 400 for an id they lost in a restart.
  const ours = error && isOurs(error.id, request.id) ? error : null;
  const unknown = ours?.code === METHOD_NOT_FOUND;
  if (state.id !== null && ((status === 404 && !unknown) || (status === 400 && !ours))) return { type: "again", why: "session", error: refusal(status) };
  if (!ours || HOP_CODES.includes(ours.code)) return { type: "again", why: "era", error: refusal(status) };
  if (status === 404 && !unknown) throw refusal(status);
  const attempt = answered(ours, call, ctx);
  // What a modern server says to a request without an envelope; a legacy one may mean it.
  return status === 400 && ours.code === INVALID_PARAMS && attempt.type === "end" ? { type: "again", why: "era", error: refusal(status), meant: attempt.outcome } : attempt;
}

export function answered(message: Extract<Message, { kind: "result" | "error" }>, call: Call, ctx: TryContext): Attempt {
  if (message.kind === "result") return end(resultOutcome(message.result, message.members, call, false));
  return end(errorOutcome(message.error, message.code, call, ctx.revision));
}

/** Asks a server that can log for what this client wants to hear. Others in the session may want more: never raised. */
async function lowerLevel(call: Call, link: Link, key: string, session: KnownSession, signal: AbortSignal): Promise<void> {
  const wanted = call.logLevel;
  if (wanted === null || !session.state.capabilities.logging || !isLower(wanted, session.level)) return;
  const { body } = plainRequest("logging/setLevel", { level: wanted }, null);
  await notify(link, session.state, body, signal);
  rememberLevel(key, wanted);
}

function isLower(wanted: LogLevel, current: LogLevel | null): boolean {
  return current === null || LOG_LEVELS.indexOf(wanted) < LOG_LEVELS.indexOf(current);
}

/** A question for the client's side goes to who can have it answered; meanwhile the upstream's time stands still. */
export function answerRequest(question: Question, ctx: TryContext, link: Link, state: UpstreamSessionState, watch: Watch, asker: Asker | undefined): void {
  const sent = (response: JsonText) => notify(link, state, response, AbortSignal.timeout(link.limits.firstByteMs)).catch(ignore);
  const { id, method } = question;
  if (method === "ping") return ctx.waitUntil(sent(responseText(id, "{}")));
  watch.hold();
  const post: Post = async (response) => {
    if (response !== null) await sent(method === "sampling/createMessage" ? legacySampled(state.revision, response) : response);
    watch.go();
  };
  if (asker?.ask(question, post)) return;
  ctx.waitUntil(post(errorText(id, METHOD_NOT_FOUND, `this client does not offer ${method}`)));
}

/** Asks for the result of a task, and waits for it (MCP 2025-11-25, tasks). */
export const TASK_RESULT = "tasks/result";

/** Giving up the request for a result does not end the task. */
async function cancelTask(link: Link, state: UpstreamSessionState, taskId: string, ctx: TryContext): Promise<void> {
  const told = notify(link, state, plainRequest("tasks/cancel", { taskId }, null).body, AbortSignal.timeout(NOTICE_MS)).catch(ignore);
  ctx.waitUntil(told);
  await told;
}

export async function cancel(link: Link, state: UpstreamSessionState, request: UpstreamRequest, ctx: TryContext): Promise<void> {
  const params = { requestId: request.id, reason: ctx.signal.aborted ? "the caller cancelled" : "the caller stopped waiting" };
  const message = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params });
  const told = notify(link, state, message, AbortSignal.timeout(NOTICE_MS)).catch(ignore);
  ctx.waitUntil(told);
  await told;
}

function ignore(): void {}
