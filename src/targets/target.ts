import type { Call, Reply } from "../model/call.ts";
import type { Target } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { invokeAgent } from "./agent.ts";
import { invokeBuiltin } from "./builtin.ts";
import { invokeMcp } from "./mcp/invoke.ts";

/** Sends the call where it goes. `call.params` names things as the client does; the target carries its own name for them. */
export function invoke(target: Target, call: Call, ctx: CallContext, snapshot: Snapshot): Reply {
  ctx.target = target.kind === "mcp" ? `mcp ${target.upstream}` : target.kind;
  switch (target.kind) {
    case "agent":
      return invokeAgent(target, call, ctx);
    case "mcp":
      return invokeMcp(target, call, ctx, snapshot);
    case "builtin":
      return invokeBuiltin(target, call, ctx);
  }
}
