import { currentSnapshot, freshSnapshot } from "../catalog/freshness.ts";
import { isOffered, soleUpstream } from "../catalog/offering.ts";
import type { Call, Reply } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { isExtension, onlyReads } from "../protocol/extensions.ts";
import { METHOD_NOT_FOUND } from "../protocol/jsonrpc.ts";
import { unknownMethod } from "../protocol/methods.ts";
import { invoke } from "../targets/target.ts";

/**
 * A method that is not ours: on a one-to-one endpoint an extension's goes to the upstream as it is (Skills, a vendor's own), where policy lets this
 * caller use the upstream for something of that name; everywhere else nobody knows it. Errors: `unsupported`, and those of a call.
 */
export async function* passOn(call: Call, ctx: CallContext): Reply {
  const { method } = call;
  if (ctx.toolset === null || !isExtension(method)) throw unknown(method);
  const current = await currentSnapshot(ctx);
  const snapshot = soleUpstream(ctx, current) === null ? await freshSnapshot(ctx) : current;
  const upstream = soleUpstream(ctx, snapshot);
  if (upstream === null) throw unknown(method);
  const target = { kind: "mcp" as const, upstream, name: method };
  const offered = { target, toolsets: [ctx.toolset], annotations: { readOnlyHint: onlyReads(method) } };
  if (!isOffered(ctx, snapshot, method, offered)) throw unknown(method);
  const outcome = yield* invoke(target, call, ctx, snapshot);
  if (outcome.type === "failed" && outcome.code === METHOD_NOT_FOUND) throw unknown(method);
  if (outcome.type === "input_required") throw new GatewayError("upstream_invalid", `the upstream asks for input, which ${method} cannot`);
  return outcome;
}

function unknown(method: string): GatewayError {
  return new GatewayError("unsupported", unknownMethod(method));
}
