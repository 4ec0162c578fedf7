import { keep } from "../audit/buffer.ts";
import { observe } from "../audit/observe.ts";
import type { CallRecord } from "../model/audit.ts";
import type { Call, Reply } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { passOn } from "./extensions.ts";
import { METHODS } from "./methods.ts";

/** How a call is run when once is not enough: `run` may be called again with the answers to what it asked. */
export type Around = (run: (call: Call) => Reply) => Reply;

export interface Manner {
  around?: Around;
  /** Runs when the reply has ended, however it did. */
  ended?(): void;
}

/** An accepted call, from its method to its reply; exactly one audit record leaves it, however it ends and however often it runs. */
export function handle(call: Call, ctx: CallContext, manner: Manner = {}): Reply {
  const { audit, now } = ctx.platform;
  const record = accepted(call, ctx);
  const reply = manner.around ? manner.around((again) => dispatch(again, ctx)) : dispatch(call, ctx);
  return observe(reply, (end, error) => {
    record.target = ctx.target;
    record.durationMs = now() - record.at;
    record.end = end;
    record.error = error;
    const kept = keep(audit, record, now);
    if (kept) ctx.waitUntil(kept);
    manner.ended?.();
  });
}

function dispatch(call: Call, ctx: CallContext): Reply {
  return (METHODS.get(call.method) ?? passOn)(call, ctx);
}

/** The call's record as it is before the call has ended. */
function accepted(call: Call, ctx: CallContext): CallRecord {
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

function nameOf({ params }: Call): string | null {
  const name = params["name"] ?? params["uri"];
  return typeof name === "string" ? name.slice(0, 2_048) : null;
}
