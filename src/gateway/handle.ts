import { keep } from "../audit/buffer.ts";
import { observe } from "../audit/observe.ts";
import { recordOf } from "../audit/record.ts";
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
  const record = recordOf(call, ctx);
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
