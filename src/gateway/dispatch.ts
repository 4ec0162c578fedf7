import { movedUris } from "../catalog/moved.ts";
import { validateOutput } from "../catalog/validate.ts";
import { memberOf } from "../lib/json.ts";
import type { Call, Reply } from "../model/call.ts";
import type { ToolEntry } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { invoke } from "../targets/target.ts";
import { errorResult } from "./failure.ts";
import { linkedAs } from "./uris.ts";

/** Sends a tool call that was let through to its target, and checks what comes back, where that is wanted. */
export function dispatched(call: Call, ctx: CallContext, snapshot: Snapshot, entry: ToolEntry): Reply {
  const reply = invoke(entry.target, call, ctx, snapshot);
  const moved = movedUris(ctx, snapshot, entry.target);
  const linked = moved.size > 0 ? relinked(reply, moved) : reply;
  return entry.checkOutput ? fitting(linked, ctx, snapshot, entry) : linked;
}

async function* relinked(reply: Reply, moved: ReadonlyMap<string, string>): Reply {
  return linkedAs(yield* reply, moved);
}

/** The reply, unless its result does not fit the tool's output schema. */
async function* fitting(reply: Reply, ctx: CallContext, snapshot: Snapshot, entry: ToolEntry): Reply {
  const outcome = yield* reply;
  if (outcome.type !== "complete" || outcome.isError) return outcome;
  const structured = memberOf(outcome.result, "structuredContent");
  const problems = await validateOutput(ctx.platform, snapshot, entry, structured);
  if (problems.length === 0) return outcome;
  const text = `${entry.name} answered with a result that does not fit its output schema:\n${problems.map((problem) => `- ${problem}`).join("\n")}`;
  return errorResult(text, ctx, new GatewayError("upstream_invalid", "invalid output", { data: { problems } }));
}
