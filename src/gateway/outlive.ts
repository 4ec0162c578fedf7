import { findTool } from "../catalog/find.ts";
import { chunks } from "../lib/egress.ts";
import { randomToken } from "../lib/ids.ts";
import { linesOf } from "../lib/lines.ts";
import { heard } from "../lib/told.ts";
import type { Call, Outcome, Reply } from "../model/call.ts";
import type { ToolEntry } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { ownerOf } from "../model/identity.ts";
import { isObject, type JsonObject } from "../model/json.ts";
import { declaresTasks, TASKS, tasksNeeded } from "../protocol/capabilities.ts";
import { isModern } from "../protocol/revisions.ts";
import { abandonRun, runPlace } from "../runs/resume.ts";
import { taskId } from "../tasks/id.ts";
import { isQuick, notePace } from "../tasks/quick.ts";
import type { TaskLine, TaskStart } from "../tasks/start.ts";
import { taskText } from "../tasks/view.ts";
import { handleOutcome, isWaiter, WAIT_FOR_RUN } from "../tasks/wait.ts";
import { lostCall } from "../targets/mcp/leg.ts";
import { dispatched } from "./dispatch.ts";

/** A call that may outlive its request, and as what it would. */
export interface Outliving {
  as: "task" | "handle";
  /** From when on. */
  afterMs: number;
}

/** What is left of a client's patience when it gets a handle, and how long it is let wait for one at least. */
const SPARE_MS = 5_000;
const LEAST_MS = 1_000;

/** An idempotency key is good for as long, and leads to the task. */
const KEYED_TTL_MS = 24 * 60 * 60_000;

/**
 * Whether a call may go on without its request, which has to be known before it begins: as a task for a client that declared them; a run of an
 * agent also as a handle, where the caller is offered `wait_for_run`. An upstream that has tasks itself decides for itself.
 * Throws -32021 for a builtin that runs as a task only.
 */
export function outlives(entry: ToolEntry, call: Call, ctx: CallContext, snapshot: Snapshot): Outliving | null {
  if (ctx.depth > 0) return null;
  const { target } = entry;
  const declared = isModern(ctx.revision) && declaresTasks(call);
  const { taskAfterMs, handleAfterMs } = snapshot.limits;
  switch (target.kind) {
    case "builtin":
      return declared ? builtinTask(target.name, call, ctx) : refuseRequired(target.name, ctx);
    case "mcp":
      return declared && !hasTasks(snapshot.upstreams.get(target.upstream)?.capabilities) ? { as: "task", afterMs: taskAfterMs } : null;
    case "agent":
      if (declared) return { as: "task", afterMs: taskAfterMs };
      return isWaiter(findTool(ctx, snapshot, WAIT_FOR_RUN)) ? { as: "handle", afterMs: inTime(handleAfterMs, ctx) } : null;
  }
}

/**
 * Runs such a call: in an object from its first byte, or here if its tool has been quick of late. Leaving it before it became a task ends it; afterwards
 * it is the object's. Never sends it again: when the object is lost the outcome is unknown.
 */
export async function* runAsTask(outliving: Outliving, entry: ToolEntry, call: Call, ctx: CallContext, snapshot: Snapshot): Reply {
  const tool = `${ctx.workspace.id} ${entry.name}`;
  const { platform } = ctx;
  const begun = platform.now();
  const soon = () => platform.now() - begun < snapshot.limits.taskAfterMs;
  let isTask = false;
  try {
    if (outliving.afterMs > 0 && isQuick(tool)) return yield* dispatched(call, ctx, snapshot, entry);
    const outcome = yield* inObject(outliving, entry, call, ctx, snapshot);
    isTask = outcome.type === "task";
    return outcome;
  } finally {
    notePace(tool, soon() && !isTask);
  }
}

async function* inObject({ as, afterMs }: Outliving, entry: ToolEntry, call: Call, ctx: CallContext, snapshot: Snapshot): Reply {
  const object = `task:${randomToken(16)}`;
  const stop = new AbortController();
  const { signal } = ctx;
  const left = () => stop.abort();
  signal.addEventListener("abort", left);
  if (signal.aborted) left();
  try {
    const body = JSON.stringify(startOf(afterMs, entry, call, ctx, snapshot));
    const response = await ctx.platform.task(object).fetch(new Request("https://task/call", { method: "POST", body, signal: stop.signal }));
    for await (const line of linesOf<TaskLine>(chunks(response))) {
      if (line.type === "outcome") return abandonable(line.outcome, ctx);
      if (line.type === "failed") throw heard(line.error);
      if (line.type === "task") return await announced(as, object, entry, ctx, line.view);
      yield line.notification;
    }
    throw lostCall();
  } catch (thrown) {
    if (signal.aborted) throw signal.reason;
    throw thrown instanceof GatewayError ? thrown : lostCall(thrown);
  } finally {
    signal.removeEventListener("abort", left);
    stop.abort();
  }
}

/** The object's own way to tell what waits that nobody will answer stayed there. A run can be told from here. */
function abandonable(outcome: Outcome, ctx: CallContext): Outcome {
  if (outcome.type !== "input_required") return outcome;
  const place = runPlace(outcome.requestState ?? null);
  return place ? { ...outcome, abandon: () => abandonRun(place, ctx) } : outcome;
}

async function announced(as: Outliving["as"], object: string, entry: ToolEntry, ctx: CallContext, view: Parameters<typeof taskText>[1]): Promise<Outcome> {
  const id = await taskId(ctx, { object });
  return as === "task" ? { type: "task", task: taskText(id, view) } : handleOutcome(id, entry);
}

function startOf(afterMs: number, entry: ToolEntry, call: Call, ctx: CallContext, snapshot: Snapshot): TaskStart {
  const { workspace, principal, requestId, origin, revision, toolset, session, canAsk, callId } = ctx;
  const { taskRunMs, taskTtlMs, taskPollMs } = snapshot.limits;
  const { headerParam: _, ...plain } = call;
  return {
    version: 1,
    owner: ownerOf(ctx),
    workspace,
    principal,
    requestId,
    origin,
    limits: ctx.limits,
    hops: ctx.hops ?? 0,
    authorization: ctx.authorization ?? null,
    revision,
    toolset,
    catalog: { number: ctx.version.number, hash: snapshot.hash },
    session,
    canAsk,
    callId,
    entry,
    // The object has the task: what it calls need not make another one.
    call: { ...plain, capabilities: withoutTasks(call) },
    afterMs,
    runMs: taskRunMs,
    ttlMs: call.idempotencyKey === null ? taskTtlMs : KEYED_TTL_MS,
    pollMs: taskPollMs,
  };
}

/** A client that gives up early has its handle before. */
function inTime(afterMs: number, { deadline, platform }: CallContext): number {
  return Math.min(afterMs, Math.max(LEAST_MS, deadline - platform.now() - SPARE_MS));
}

function builtinTask(name: string, call: Call, ctx: CallContext): Outliving | null {
  const builtin = ctx.platform.builtins.get(name);
  return builtin?.kind === "tool" && builtin.task?.at(call) ? { as: "task", afterMs: 0 } : null;
}

function refuseRequired(name: string, ctx: CallContext): null {
  const builtin = ctx.platform.builtins.get(name);
  if (builtin?.kind === "tool" && builtin.task?.required) throw tasksNeeded("this tool runs as a task only");
  return null;
}

function hasTasks(capabilities: JsonObject | undefined): boolean {
  return isObject(capabilities?.["extensions"]) && capabilities["extensions"][TASKS] !== undefined;
}

function withoutTasks({ capabilities }: Call): Call["capabilities"] {
  const { [TASKS]: _, ...extensions } = capabilities.extensions ?? {};
  return { ...capabilities, extensions };
}
