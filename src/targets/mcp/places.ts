import { randomToken } from "../../lib/ids.ts";

/** As many calls as one workspace may have under way. */
const MOST_FREE = 64;
const MOST_WORKSPACES = 1_000;

/** Named cache: workspace → objects in which its calls ran and asked nothing, the last one last. To make an object costs more than all else of such a call. */
const free = new Map<string, string[]>();

/** The name of an object in which no call of any workspace runs or waits: one that has served this workspace, else a new one. */
export function takePlace(workspace: string): string {
  return free.get(workspace)?.pop() ?? `call:${randomToken(16)}`;
}

/** The call in it is over and left nothing behind: no state that a client holds names this object. */
export function leavePlace(workspace: string, object: string): void {
  const places = free.get(workspace) ?? [];
  if (places.length < MOST_FREE) places.push(object);
  const oldest = free.has(workspace) || free.size < MOST_WORKSPACES ? undefined : free.keys().next().value;
  if (oldest !== undefined) free.delete(oldest);
  free.set(workspace, places);
}
