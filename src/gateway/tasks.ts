import { currentSnapshot } from "../catalog/freshness.ts";
import { movedUris } from "../catalog/moved.ts";
import { editObject } from "../lib/json.ts";
import { reach } from "../lib/reach.ts";
import { bareCall, type Call, type Outcome, type Reply } from "../model/call.ts";
import type { CallContext, TaskApi } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { ownerOf } from "../model/identity.ts";
import { isObject, type JsonObject, type JsonText } from "../model/json.ts";
import { declaresTasks, tasksNeeded } from "../protocol/capabilities.ts";
import { type FollowedTask, OwnTask, UpstreamTask } from "../subscriptions/tasks.ts";
import { taskPlace, type TaskPlace } from "../tasks/id.ts";
import { detailedText } from "../tasks/view.ts";
import { invoke } from "../targets/target.ts";
import { linkedAs } from "./uris.ts";

/*
 * What a client may do with its tasks (ext-tasks, 2026-07-28). Ours are in objects; those of a modern upstream are its own, and every request goes
 * there. Of a task that is not the caller's there is nothing to see: it is as unknown as one that never was.
 */

const ACKNOWLEDGED: Outcome = { type: "complete", result: "{}" };

type OwnPlace = Extract<TaskPlace, { object: string }>;
type UpstreamPlace = Exclude<TaskPlace, OwnPlace>;

export async function* getTask(call: Call, ctx: CallContext): Reply {
  const place = await placeOf(call, ctx);
  if (!("object" in place)) return yield* relayed(place, call, ctx);
  const view = await asked(place, ctx, (task) => task.look(ownerOf(ctx), 0));
  if (!view) throw unknown();
  return { type: "complete", result: detailedText(idOf(call), view) };
}

export async function* updateTask(call: Call, ctx: CallContext): Reply {
  const place = await placeOf(call, ctx);
  if (!("object" in place)) return yield* relayed(place, call, ctx);
  if (!(await asked(place, ctx, (task) => task.update(ownerOf(ctx), answersOf(call) ?? {})))) throw unknown();
  return ACKNOWLEDGED;
}

export async function* cancelTask(call: Call, ctx: CallContext): Reply {
  const place = await placeOf(call, ctx);
  if (!("object" in place)) return yield* relayed(place, call, ctx);
  if (!(await asked(place, ctx, (task) => task.cancel(ownerOf(ctx))))) throw unknown();
  return ACKNOWLEDGED;
}

/** All that is asked of a task may be asked twice. */
function asked<T>({ object }: OwnPlace, { platform, limits }: CallContext, question: (task: TaskApi) => Promise<T>): Promise<T> {
  return reach(() => question(platform.task(object)), limits.connectMs);
}

/** The tasks that a listener asks for, as far as they can be this caller's. */
export async function followed(ids: string[], call: Call, ctx: CallContext): Promise<FollowedTask[]> {
  if (ids.length > 0) requireTasks(call);
  const placed = await Promise.all(ids.map(async (id) => ({ id, place: await taskPlace(ctx, id) })));
  return placed.flatMap(({ id, place }) => {
    if (place === null) return [];
    return "object" in place ? new OwnTask(id, () => ctx.platform.task(place.object), ownerOf(ctx)) : new UpstreamTask(id, () => lookUp(place, id, call, ctx));
  });
}

async function lookUp(place: UpstreamPlace, id: string, { capabilities }: Call, ctx: CallContext): Promise<JsonText | null> {
  const reply = relayed(place, bareCall("tasks/get", { taskId: id }, { capabilities }), ctx);
  let step = await reply.next();
  while (!step.done) step = await reply.next();
  return step.value.type === "complete" ? step.value.result : null;
}

/** Throws -32021 where the extension was not declared on this very request (ext-tasks, capability negotiation). */
function requireTasks(call: Call): void {
  if (!declaresTasks(call)) throw tasksNeeded("tasks are for clients that declare them");
}

/** The same request to the upstream, by its own id. What it says comes back as written but for the id, and for URIs that the workspace has by another name. */
async function* relayed({ upstream, task }: UpstreamPlace, call: Call, ctx: CallContext): Reply {
  const id = idOf(call);
  const own = bareCall(call.method, { taskId: task }, { capabilities: call.capabilities, trace: call.trace, inputResponses: answersOf(call) });
  const snapshot = await currentSnapshot(ctx);
  const target = { kind: "mcp" as const, upstream, name: task };
  const outcome = yield* invoke(target, own, ctx, snapshot);
  if (outcome.type !== "complete" || call.method !== "tasks/get") return outcome;
  const moved = movedUris(ctx, snapshot, target);
  return { ...outcome, result: editObject(outcome.result, { set: { taskId: JSON.stringify(id), result: (was) => was && relinked(was, moved) } }) };
}

function relinked(result: JsonText, moved: ReadonlyMap<string, string>): JsonText {
  const outcome = linkedAs({ type: "complete", result }, moved);
  return outcome.type === "complete" ? outcome.result : result;
}

async function placeOf(call: Call, ctx: CallContext): Promise<TaskPlace> {
  requireTasks(call);
  const place = await taskPlace(ctx, idOf(call));
  if (!place) throw unknown();
  return place;
}

function idOf({ params }: Call): string {
  return String(params["taskId"]);
}

function answersOf({ method, params }: Call): JsonObject | null {
  const given = params["inputResponses"];
  return method === "tasks/update" && isObject(given) ? given : null;
}

function unknown(): GatewayError {
  return new GatewayError("not_found", "unknown task");
}
