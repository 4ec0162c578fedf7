import { log } from "../../lib/log.ts";
import type { Call } from "../../model/call.ts";
import type { Target } from "../../model/catalog.ts";
import type { CallContext } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { gatewayItself } from "../../model/identity.ts";
import type { JsonObject } from "../../model/json.ts";
import { METHODS } from "../../protocol/methods.ts";
import { mayAsk, noteAsked, noteQuiet, Surprise } from "./asks.ts";
import type { Attempting } from "./attempt.ts";
import { type ChannelTry, tryLeg } from "./channel-call.ts";
import { type LegacyTry, TASK_RESULT } from "./legacy.ts";
import { runParked } from "./parked.ts";

/** What is called, and what is known of its asking. */
export interface Asking {
  target: Extract<Target, { kind: "mcp" }>;
  /** The number of the catalog version that says the tool never asks; null: it may. */
  never: number | null;
}

/**
 * `askable`: what the client can be asked; `capabilities`: all that the upstream was told of it.
 *
 * Where a call runs is decided before it starts, because an open stream cannot change hands: in an object when its tool may ask and
 * the client can be asked, else here. A question that comes here all the same is refused, and the tool's next call runs in an object.
 */
export async function* askingAttempt(call: Call, ctx: CallContext, leg: LegacyTry | ChannelTry, { target, never }: Asking, askable: JsonObject, capabilities: JsonObject): Attempting {
  const isResult = call.method === TASK_RESULT;
  if (Object.keys(askable).length === 0 || !(isResult || METHODS.get(call.method)?.mrtr)) return yield* tryLeg(call, ctx, leg);
  // The result of a task is that of the call that made it.
  const owner = ownerOf(target, { method: isResult ? "tools/call" : call.method }, ctx);
  // What was learnt against a version is forgotten with it: whoever says `never` again is believed again.
  const known = never === null ? owner : `${owner} ${never}`;
  if (!mayAsk(known, never !== null)) {
    const asker = new Surprise();
    const attempt = yield* tryLeg(call, ctx, { ...leg, asker });
    if (!asker.asked) return attempt;
    noteAsked(owner);
    noteAsked(known);
    if (never !== null) ctx.waitUntil(corrected(target, ctx));
    throw new GatewayError("upstream", "the upstream asked something that it was not expected to ask, and was refused; call again to be asked", { data: { reason: "asked" } });
  }
  const attempt = yield* runParked(call, ctx, leg, owner, capabilities);
  if (attempt.type === "end" && attempt.outcome.type === "input_required") noteAsked(known);
  else if (attempt.type === "end") noteQuiet(known);
  return attempt;
}

/** Whose call it is and what it calls: a parked call goes on for no other. */
export function ownerOf(target: Asking["target"], call: Pick<Call, "method">, ctx: CallContext): string {
  return JSON.stringify([ctx.workspace.id, ctx.principal.id, target.upstream, call.method, target.name]);
}

/** The catalog learns that the tool may ask, for every isolate and for good. */
async function corrected({ upstream, name }: Asking["target"], ctx: CallContext): Promise<void> {
  const { platform, workspace, requestId, origin, limits, waitUntil } = ctx;
  try {
    // With the SQL it needs, so that no call evaluates that which does not come here.
    const { noteAsking } = await import("../../catalog/tools.ts");
    await noteAsking({ platform, workspace, principal: gatewayItself(workspace.id), requestId, origin, limits, waitUntil }, upstream, name);
  } catch (error) {
    log("warn", "a tool that asks could not be marked so", { workspace: workspace.id, upstream, tool: name, error });
  }
}
