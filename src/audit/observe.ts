import type { AuditEnd, CallRecord } from "../model/audit.ts";
import type { Outcome, Reply } from "../model/call.ts";
import { toGatewayError } from "../model/error.ts";

export type Accepted = Omit<CallRecord, "durationMs" | "end" | "error">;

/**
 * Wraps the reply of an accepted call so that exactly one record leaves it, however it ends: completed, failed,
 * or given up by its reader (`return` on the generator, which runs only the `finally`).
 */
export async function* observe(reply: Reply, accepted: Accepted, now: () => number, record: (record: CallRecord) => void): Reply {
  let end: AuditEnd = "cancelled";
  let error: CallRecord["error"] = "cancelled";
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
    record({ ...accepted, durationMs: now() - accepted.at, end, error });
  }
}

function endOf(outcome: Outcome): AuditEnd {
  if (outcome.type === "input_required") return "input_required";
  if (outcome.type === "failed") return "failed";
  return outcome.isError ? "error_result" : "complete";
}
