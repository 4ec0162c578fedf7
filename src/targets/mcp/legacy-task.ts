import { bareCall, type Call } from "../../model/call.ts";
import type { CallContext } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonText } from "../../model/json.ts";
import { type Asking, askingAttempt } from "./asking.ts";
import type { Attempting } from "./attempt.ts";
import { type LegacyTry, TASK_RESULT, tryLegacy } from "./legacy.ts";
import { parsed } from "./message.ts";

/** Whether tools can be called as tasks in a session (MCP 2025-11-25, tasks, capabilities). */
export function hasTasks({ tasks }: JsonObject): boolean {
  const requests = isObject(tasks) ? tasks.requests : null;
  return isObject(requests) && isObject(requests.tools) && requests.tools.call !== undefined;
}

/**
 * One call of a tool that runs as a task only at a legacy upstream (MCP 2025-11-25, tasks): made, and driven to its end. Its questions come while the
 * result is waited for, so that request is one that may ask. Once the task is made the call is never sent again. `taskMs`: how long the upstream is to keep it.
 */
export async function* taskAttempt(call: Call, ctx: CallContext, leg: LegacyTry, taskMs: number, asking: Asking, askable: JsonObject, capabilities: JsonObject): Attempting {
  const created = yield* tryLegacy(call, ctx, { ...leg, taskMs });
  const id = created.type === "end" && created.outcome.type === "complete" ? taskIdIn(created.outcome.result) : null;
  if (id === null) return created;
  // The answer to this request comes when the task is over.
  const left = Math.max(0, leg.until - leg.link.now());
  const patient = { ...leg, name: id, link: { ...leg.link, limits: { ...leg.link.limits, firstByteMs: left, idleMs: left } } };
  const result = bareCall(TASK_RESULT, {}, { capabilities: call.capabilities, logLevel: call.logLevel, trace: call.trace });
  const ended = yield* askingAttempt(result, ctx, patient, asking, askable, capabilities);
  if (ended.type === "end") return ended;
  throw new GatewayError("upstream", "the upstream's task was lost: whether it took effect is unknown. It was not sent again.", { cause: ended.error, data: { reason: "outcome_unknown" } });
}

/** Null: it has answered at once, as a call. */
function taskIdIn(result: JsonText): string | null {
  const value = parsed(result);
  const id = isObject(value) && isObject(value.task) ? value.task.taskId : null;
  return typeof id === "string" ? id : null;
}
