import type { CallRecord } from "../model/audit.ts";
import type { Call } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";

type Recorded = Pick<Call, "method" | "params" | "clientInfo" | "trace">;

/** The call's record as it is before the call has ended. */
export function recordOf(call: Recorded, ctx: CallContext): CallRecord {
  return {
    type: "call",
    id: ctx.callId,
    workspace: ctx.workspace.id,
    at: ctx.platform.now(),
    durationMs: 0,
    principal: ctx.principal.id,
    principalName: ctx.principal.name,
    method: call.method,
    name: nameOf(call),
    target: null,
    revision: ctx.revision,
    client: call.clientInfo?.name.slice(0, 100) ?? null,
    end: "cancelled",
    error: null,
    requestId: ctx.requestId,
    trace: call.trace.traceparent,
    parent: ctx.parent,
  };
}

function nameOf({ params }: Recorded): string | null {
  const name = params["name"] ?? params["uri"];
  return typeof name === "string" ? name.slice(0, 2_048) : null;
}
