import { findPrompt, findTemplate } from "../catalog/find.ts";
import { currentSnapshot } from "../catalog/freshness.ts";
import type { Call, Reply } from "../model/call.ts";
import type { Target } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { isObject, type JsonObject } from "../model/json.ts";
import { invoke } from "../targets/target.ts";

/** `completion/complete` goes to whoever offers the prompt or the resource template. */
export async function* complete(call: Call, ctx: CallContext): Reply {
  const snapshot = await currentSnapshot(ctx);
  const { ref, argument } = call.params;
  if (!isObject(ref)) throw new GatewayError("invalid", "ref must be an object");
  if (!isObject(argument) || typeof argument["name"] !== "string" || typeof argument["value"] !== "string") {
    throw new GatewayError("invalid", "argument must have a name and a value, both strings");
  }
  return yield* invoke(targetOf(ref, ctx, snapshot), call, ctx, snapshot);
}

function targetOf(ref: JsonObject, ctx: CallContext, snapshot: Snapshot): Target {
  const { type, name, uri } = ref;
  if (type === "ref/prompt" && typeof name === "string") {
    const entry = findPrompt(ctx, snapshot, name);
    if (!entry) throw new GatewayError("not_found", `unknown prompt: ${name}`, { data: { name } });
    return entry.target;
  }
  if (type === "ref/resource" && typeof uri === "string") {
    const entry = findTemplate(ctx, snapshot, uri);
    if (!entry) throw new GatewayError("not_found", "unknown resource template", { data: { uri } });
    return entry.target;
  }
  throw new GatewayError("invalid", "ref must be a ref/prompt with a name or a ref/resource with a uri");
}
