import { wait } from "../lib/clock.ts";
import { randomToken } from "../lib/ids.ts";
import { memberOf } from "../lib/json.ts";
import { type Call, CLIENT_ERROR, type InputRequest, type InputRequired, type Notification, type Outcome, type Reply } from "../model/call.ts";
import type { CallContext, SessionHandle } from "../model/context.ts";
import { GatewayError, toGatewayError } from "../model/error.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";
import { type Answer, Line } from "./line.ts";
import { legacyQuestion } from "./questions.ts";

/** More rounds than this are a loop. */
const MAX_ROUNDS = 10;
/** How long a person may take for one round; the call's own deadline holds besides. */
const ANSWER_MS = 180_000;
/** Of a client's reason, what is repeated. */
const MAX_SAID_CHARS = 500;
/** A round without questions asks for time: it is tried again after this, then twice as long, and so on. */
const PAUSE_MS = 250;

/**
 * A call for a legacy client that can be asked: what its target asks (MRTR, MCP 2026-07-28) goes out as requests on the
 * stream of the originating POST, and the call runs again with the answers, until it ends. A client that refuses, cannot,
 * or does not answer in time ends the call in words that say so.
 */
export async function* withRounds(call: Call, ctx: CallContext, session: SessionHandle, run: (call: Call) => Reply): Reply {
  let line: Line | null = null;
  let current = call;
  /** Of what waits for answers; nothing does once they are under way. */
  let abandon: (() => void) | undefined;
  try {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      abandon = undefined;
      const outcome = yield* run(current);
      if (outcome.type !== "input_required") return outcome;
      abandon = outcome.abandon;
      let responses: JsonObject | null = null;
      const refusals: string[] = [];
      if (Object.keys(outcome.inputRequests).length === 0) await wait(PAUSE_MS * 2 ** round);
      else {
        line ??= await Line.open(() => ctx.platform.session(session.id));
        responses = yield* ask(outcome, ctx, line, refusals);
        if (responses === null) return unanswered(call, refusals);
      }
      current = { ...call, inputResponses: responses, requestState: outcome.requestState ?? null };
    }
    return failure(call, `the call asked the client more than ${MAX_ROUNDS} times`);
  } finally {
    line?.close();
    abandon?.();
  }
}

/** The answers by the keys of the questions; null when one could not be had, for reasons of the client's that are put into `refusals`. */
async function* ask({ inputRequests, abandon }: InputRequired, ctx: CallContext, line: Line, refusals: string[]): AsyncGenerator<Notification, JsonObject | null, void> {
  const asked = Object.entries(inputRequests).map(([key, request]) => ({ key, request, id: randomToken(16) }));
  const worded = asked.map(({ request, id }) => legacyQuestion(request, ctx.revision, id));
  if (worded.includes(null)) return null;
  const ids = asked.map(({ id }) => id);
  line.expect(ids);
  for (const [at, question] of worded.entries()) {
    if (question) yield { id: JSON.stringify(ids[at]), method: question.method, params: JSON.stringify(question.params) };
  }
  const answers = await line.answers(ids, Math.min(ANSWER_MS, ctx.deadline - ctx.platform.now()), ctx.signal);
  if (answers === null) {
    for (const id of ids) yield { method: "notifications/cancelled", params: JSON.stringify({ requestId: id, reason: "not answered in time" }) };
    if (ctx.signal.aborted) throw toGatewayError(ctx.signal.reason);
    return null;
  }
  const responses: JsonObject = {};
  for (const [at, { key, request }] of asked.entries()) {
    const response = responseOf(request, answers[at], abandon !== undefined);
    if (response !== null) responses[key] = response;
    else refusals.push(refusalOf(request, answers[at]));
  }
  return refusals.length === 0 ? responses : null;
}

/**
 * A legacy upstream that waits for its answers hears the client's error as it is. For the others there is no way to hand it on: of an
 * elicitation it is a cancellation (mcp elicitation, actions), of the rest the end of the call.
 */
function responseOf({ method }: InputRequest, answer: Answer | undefined, takesErrors: boolean): JsonObject | null {
  const value: JsonValue = answer?.result ? JSON.parse(answer.result) : null;
  if (isObject(value)) return value;
  const error: JsonValue = answer?.error ? JSON.parse(answer.error) : null;
  if (!isObject(error) || typeof error["code"] !== "number") return null;
  if (takesErrors) return { [CLIENT_ERROR]: error };
  return method === "elicitation/create" ? { action: "cancel" } : null;
}

function refusalOf({ method }: InputRequest, answer: Answer | undefined): string {
  const message = answer?.error ? memberOf(answer.error, "message") : null;
  const said: JsonValue = message === null ? null : JSON.parse(message);
  return typeof said === "string" ? `${method}: ${said.slice(0, MAX_SAID_CHARS)}` : method;
}

function unanswered(call: Call, refusals: readonly string[]): Outcome {
  if (refusals.length > 0) return failure(call, `the client refused what this call asked it (${refusals.join("; ")})`);
  return failure(call, "the client did not answer what this call asked it");
}

/** A tool's failure is a result that the model can read; the other methods have errors only. */
function failure(call: Call, text: string): Outcome {
  if (call.method !== "tools/call") throw new GatewayError("cancelled", text);
  return { type: "complete", isError: true, result: JSON.stringify({ content: [{ type: "text", text }], isError: true }) };
}
