import type { TaskView } from "../model/context.ts";
import type { JsonText, JsonValue } from "../model/json.ts";

/** A task without what came of it, as it is announced and as part of every answer about it (ext-tasks, Task). */
export function taskText(id: string, view: TaskView): JsonText {
  const { status, statusMessage, createdAt, updatedAt, ttlMs, pollMs } = view;
  return JSON.stringify({
    taskId: id,
    status,
    ...(statusMessage !== null && { statusMessage }),
    createdAt: new Date(createdAt).toISOString(),
    lastUpdatedAt: new Date(updatedAt).toISOString(),
    ttlMs,
    pollIntervalMs: pollMs,
  });
}

/** The same with what its status brings: what is asked, the result, or the error, both as written (ext-tasks, DetailedTask). */
export function detailedText(id: string, view: TaskView): JsonText {
  const members: string[] = [];
  if (view.status === "input_required") members.push(`"inputRequests":${JSON.stringify(view.inputRequests)}`);
  if (view.status === "completed") members.push(`"result":${view.result ?? "{}"}`);
  if (view.status === "failed") members.push(`"error":${view.error ?? "{}"}`);
  return [taskText(id, view).slice(0, -1), ...members].join(",") + "}";
}

/** Ours, or that of an upstream. */
export function isOver({ status }: { status: JsonValue }): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}
