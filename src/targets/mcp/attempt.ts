import type { Notification, Outcome } from "../../model/call.ts";
import { LOG_LEVELS } from "../../model/call.ts";
import { GatewayError } from "../../model/error.ts";
import type { JsonText } from "../../model/json.ts";
import { editObject, memberOf } from "../../lib/json.ts";
import { isOurs, parsed } from "./message.ts";

/**
 * One try at a call. `again`: the upstream did not run it, and `why` says what to mend before it is sent once more;
 * `error` is what the caller learns when that does not help. `connection`: it may have run. `meant`: how the call ended if it turns out
 * that nothing was to be mended.
 */
export type Attempt =
  | { type: "end"; outcome: Outcome }
  | { type: "again"; why: "era" | "session" | "headers" | "tasks" | "connection"; error: GatewayError; meant?: Outcome };

/** Notifications while a call runs, and how the try ended. */
export type Attempting = AsyncGenerator<Notification, Attempt, void>;

export function end(outcome: Outcome): Attempt {
  return { type: "end", outcome };
}

/** A failed `send` as an attempt: only what never got an answer can be tried again. */
export function unreached(thrown: unknown): Attempt {
  if (thrown instanceof GatewayError && thrown.data?.reason === "unreachable") return { type: "again", why: "connection", error: thrown };
  throw thrown;
}

/** A notification of this call as the gateway passes it on; null for what belongs to another request or to none. */
export function passedOn(method: string, params: JsonText | null, progressToken: string | null): Notification | null {
  if (params === null) return null;
  if (method === "notifications/progress") {
    if (progressToken === null || !isOurs(memberOf(params, "progressToken"), progressToken)) return null;
    return { method, params: editObject(params, { drop: ["progressToken"] }) };
  }
  if (method !== "notifications/message") return null;
  const named = parsed(memberOf(params, "level"));
  const level = LOG_LEVELS.find((known) => known === named);
  return level === undefined ? null : { method, params, level };
}
