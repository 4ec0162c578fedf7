import { cuttable } from "../../lib/abort.ts";
import { pause } from "../../lib/clock.ts";
import { memberOf, Members } from "../../lib/json.ts";
import { bareCall, type Call, CLIENT_ERROR, type Notification, type Outcome } from "../../model/call.ts";
import type { CallContext } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonText } from "../../model/json.ts";
import { invalidAnswer } from "./errors.ts";
import type { Link } from "./link.ts";
import { parsed } from "./message.ts";
import { tryModern } from "./modern.ts";
import { errorOutcome, inputRequired, resultOutcome } from "./outcome.ts";

/*
 * A modern upstream's task for a client that does not know tasks: asked for until it is over. What it asks becomes an ordinary question, and the
 * retry with the answers goes on with the same task.
 */

export interface Drive {
  call: Call;
  ctx: CallContext;
  link: Link;
  revision: string;
}

/** A task at its upstream, and which of its questions were answered. */
export interface DrivenTask {
  id: string;
  answered: readonly string[];
}

const STATE = "causeway-task:";
const POLL_MS = 1_000;
const LEAST_POLL_MS = 200;
const MOST_POLL_MS = 10_000;
const TRIES = 3;
const CANCEL_MS = 2_000;

/** Null for the state of an upstream's own. */
export function drivenIn(state: string | null): DrivenTask | null {
  if (!state?.startsWith(STATE)) return null;
  const [id, answered] = JSON.parse(state.slice(STATE.length));
  return { id, answered };
}

/** The task that the upstream has just made of the call. */
export function madeTask(task: JsonText): DrivenTask {
  const id = parsed(memberOf(task, "taskId"));
  if (typeof id !== "string") throw invalidAnswer("its task has no id");
  return { id, answered: [] };
}

/** Gives the answers to what the task has asked, if it has, and waits for its end. Leaving it cancels the task, unless it asks something. */
export async function* drive(driving: Drive, { id, answered }: DrivenTask, answers: JsonObject | null): AsyncGenerator<Notification, Outcome, void> {
  const { call, ctx } = driving;
  let isOver = false;
  let said: unknown;
  try {
    if (answers && isRefused(answers)) throw new GatewayError("forbidden", "the client refused what the upstream's task asked it");
    if (answers !== null) await request("tasks/update", driving, id, answers);
    for (let told = 0; ; ) {
      const task = await request("tasks/get", driving, id);
      const outcome = ended(task, driving, id, answered);
      if (outcome) {
        isOver = true;
        return outcome;
      }
      const message = parsed(memberOf(task, "statusMessage"));
      if (typeof message === "string" && message !== said && call.progressToken !== null) yield { method: "notifications/progress", params: JSON.stringify({ progress: ++told, message }) };
      said = message;
      await pause(pollOf(task), ctx.signal);
    }
  } finally {
    if (!isOver) ctx.waitUntil(cancel(driving, id));
  }
}

/** There is no way to hand on a client's error (MCP 2026-07-28, multi round-trip requests). */
function isRefused(answers: JsonObject): boolean {
  return Object.values(answers).some((answer) => isObject(answer) && answer[CLIENT_ERROR] !== undefined);
}

/** Null while there is nothing to do but wait. */
function ended(task: JsonText, driving: Drive, id: string, answered: readonly string[]): Outcome | null {
  const { call, ctx } = driving;
  const status = parsed(memberOf(task, "status"));
  if (status === "working") return null;
  if (status === "input_required") return question(task, driving, id, answered);
  if (status === "cancelled") throw new GatewayError("upstream", "the upstream cancelled the task", { data: { reason: "cancelled" } });
  const result = memberOf(task, "result");
  if (status === "completed" && result?.startsWith("{")) return resultOutcome(result, Members.of(`{"result":${result}}`), call, true);
  const error = memberOf(task, "error");
  const code = parsed(memberOf(error ?? "{}", "code"));
  if (status === "failed" && error !== null && typeof code === "number") return errorOutcome(error, code, call, ctx.revision);
  throw invalidAnswer("the state of its task cannot be read");
}

/** The keys of a task are used once: what was answered may still be shown for a moment (ext-tasks, tasks/update). */
function question(task: JsonText, driving: Drive, id: string, answered: readonly string[]): Outcome | null {
  const { inputRequests } = inputRequired(Members.of(`{"result":${task}}`));
  const open = Object.fromEntries(Object.entries(inputRequests).filter(([key]) => !answered.includes(key)));
  if (Object.keys(open).length === 0) return null;
  const { ctx } = driving;
  const requestState = STATE + JSON.stringify([id, [...answered, ...Object.keys(open)]]);
  return { type: "input_required", inputRequests: open, requestState, abandon: () => ctx.waitUntil(cancel(driving, id)) };
}

/** One request about the task; running it twice does no harm. */
async function request(method: string, { call, ctx, link, revision }: Drive, id: string, inputResponses: JsonObject | null = null): Promise<JsonText> {
  const own = bareCall(method, { taskId: id }, { capabilities: call.capabilities, inputResponses });
  for (let tried = 1; ; tried++) {
    const steps = tryModern(own, ctx, { link, name: id, revision, params: [], until: ctx.deadline, tasks: true });
    let step = await steps.next();
    while (!step.done) step = await steps.next();
    const attempt = step.value;
    if (attempt.type === "end" && attempt.outcome.type === "complete") return attempt.outcome.result;
    if (attempt.type === "end") throw new GatewayError("upstream", "the upstream does not know its task any more: whether the call took effect is unknown. It was not sent again.", { data: { reason: "outcome_unknown" } });
    if (attempt.why !== "connection" || tried === TRIES) throw attempt.error;
    await pause(POLL_MS * tried, ctx.signal);
  }
}

/** Not of the call any more, which may have been cut. */
async function cancel(driving: Drive, id: string): Promise<void> {
  const { ctx } = driving;
  const own: CallContext = { ...ctx, ...cuttable(AbortSignal.timeout(CANCEL_MS)), deadline: ctx.platform.now() + CANCEL_MS };
  await request("tasks/cancel", { ...driving, ctx: own, link: { ...driving.link, gate: undefined } }, id).catch(() => undefined);
}

function pollOf(task: JsonText): number {
  const wanted = parsed(memberOf(task, "pollIntervalMs"));
  return typeof wanted === "number" ? Math.min(Math.max(wanted, LEAST_POLL_MS), MOST_POLL_MS) : POLL_MS;
}
