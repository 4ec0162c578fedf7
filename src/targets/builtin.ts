import type { Call, Reply } from "../model/call.ts";
import type { Builtin, CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { isObject } from "../model/json.ts";

/** Runs what the gateway itself implements. Completion is the builtin's own list of values, filtered by nothing. */
export function invokeBuiltin(target: { name: string }, call: Call, ctx: CallContext): Reply {
  const builtin = ctx.platform.builtins.get(target.name);
  if (!builtin) throw new GatewayError("unavailable", "this gateway does not have it any more");
  if (call.method === "completion/complete") return completed(builtin, call);
  return builtin.invoke(call, ctx);
}

/** At most 100 values (MCP 2026-07-28, completion). */
const MAX_VALUES = 100;

async function* completed(builtin: Builtin, call: Call): Reply {
  const argument = call.params["argument"];
  const asked = isObject(argument) ? argument : {};
  const { name, value } = asked;
  const complete = "complete" in builtin ? builtin.complete : undefined;
  const values = complete && typeof name === "string" ? complete(name, typeof value === "string" ? value : "") : [];
  const completion = { values: values.slice(0, MAX_VALUES), total: values.length, hasMore: values.length > MAX_VALUES };
  return { type: "complete", result: JSON.stringify({ completion }) };
}
