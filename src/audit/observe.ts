import type { AuditEnd } from "../model/audit.ts";
import type { Outcome, Reply } from "../model/call.ts";
import { type ErrorCode, toGatewayError } from "../model/error.ts";

/**
 * Wraps the reply of an accepted call so that its end is told exactly once, however it ends: completed, failed, or given
 * up by its reader (`return` on the generator, which runs only the `finally`).
 */
export async function* observe(reply: Reply, ended: (end: AuditEnd, error: ErrorCode | null) => void): Reply {
  let end: AuditEnd = "cancelled";
  let error: ErrorCode | null = "cancelled";
  try {
    const outcome = yield* reply;
    end = endOf(outcome);
    error = null;
    return outcome;
  } catch (thrown) {
    error = toGatewayError(thrown).code;
    end = error === "cancelled" ? "cancelled" : "failed";
    throw thrown;
  } finally {
    ended(end, error);
  }
}

/** How a call ended, in the words of its record. */
export function endOf(outcome: Outcome): AuditEnd {
  if (outcome.type !== "complete") return outcome.type;
  return outcome.isError ? "error_result" : "complete";
}
