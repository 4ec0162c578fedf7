import { open, seal } from "../lib/crypto.ts";
import type { RequestContext } from "../model/context.ts";

/** Where a task is: in an object of ours, or at the upstream that made it. */
export type TaskPlace = { object: string } | { upstream: string; task: string };

const PURPOSE = "task/v1";

type Caller = Pick<RequestContext, "platform" | "workspace" | "principal">;

/**
 * The id of a task as its client knows it: its place, encrypted and bound to workspace and principal. So it cannot be guessed, no object is
 * ever named by what a client sent, and of another principal's task there is nothing to see.
 */
export function taskId({ platform, workspace, principal }: Caller, place: TaskPlace): Promise<string> {
  const plain = "object" in place ? place.object : JSON.stringify([place.upstream, place.task]);
  return seal(platform.config.masterKey, PURPOSE, workspace.id, principal.id, plain);
}

/** Where this caller's task is; null for what is no task id, or somebody else's. */
export async function taskPlace({ platform, workspace, principal }: Caller, id: string): Promise<TaskPlace | null> {
  const plain = await open(platform.config.masterKey, PURPOSE, workspace.id, principal.id, id);
  if (plain === null) return null;
  if (!plain.startsWith("[")) return { object: plain };
  const [upstream, task] = JSON.parse(plain);
  return { upstream, task };
}
