import type { Told } from "../lib/told.ts";
import type { Call, Notification, Outcome } from "../model/call.ts";
import type { CatalogVersion, ToolEntry } from "../model/catalog.ts";
import type { SessionHandle, TaskView } from "../model/context.ts";
import type { Principal, Workspace } from "../model/identity.ts";
import type { Limits } from "../model/limits.ts";

/*
 * What a Worker and the object that runs a call for it tell each other. The request is a TaskStart as JSON, the answer JSON lines:
 * notifications, then one end. After the end `task` the call goes on in the object.
 */

/** One call that policy has let through, with all that its target may ask of its context. */
export interface TaskStart {
  version: 1;
  owner: string;
  workspace: Workspace;
  principal: Principal;
  requestId: string;
  origin: string;
  limits: Limits;
  hops: number;
  authorization: string | null;
  revision: string;
  toolset: string | null;
  /** The version whose snapshot the call was decided on. */
  catalog: CatalogVersion;
  session: SessionHandle | null;
  canAsk: boolean;
  callId: string;
  entry: ToolEntry;
  call: Omit<Call, "headerParam">;
  /** From when on it is a task. */
  afterMs: number;
  runMs: number;
  ttlMs: number;
  pollMs: number;
}

export type TaskLine =
  | { type: "notification"; notification: Notification }
  | { type: "outcome"; outcome: Outcome }
  | { type: "failed"; error: Told }
  /** It is on disk, and outlives the request. */
  | { type: "task"; view: TaskView };
