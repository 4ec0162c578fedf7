import { LOG_LEVELS, type Call, type Outcome, type Reply } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { freshSnapshot } from "../catalog/freshness.ts";
import { tellsUpdates } from "../subscriptions/upstreams.ts";

/*
 * The legacy methods that change a session. Without a session id there is nothing to remember: they are answered,
 * as clients expect, and change nothing.
 */

const EMPTY: Outcome = { type: "complete", result: "{}" };

export async function* ping(): Reply {
  return EMPTY;
}

export async function* setLevel(call: Call, ctx: CallContext): Reply {
  const level = LOG_LEVELS.find((known) => known === call.params["level"]);
  if (!level) throw new GatewayError("invalid", `level must be one of ${LOG_LEVELS.join(", ")}`);
  if (ctx.session) await ctx.platform.session(ctx.session.id).setLevel(level, ctx.session.expiresAt);
  return EMPTY;
}

export async function* subscribe(call: Call, ctx: CallContext): Reply {
  if (!tellsUpdates(ctx, await freshSnapshot(ctx), uriOf(call, ctx))) throw new GatewayError("unsupported", "the upstream of this resource does not tell of updates");
  const kept = ctx.session === null || (await ctx.platform.session(ctx.session.id).subscribe(uriOf(call, ctx), ctx.session.expiresAt));
  if (!kept) throw new GatewayError("limited", "the session has as many resource subscriptions as it may have");
  return EMPTY;
}

export async function* unsubscribe(call: Call, ctx: CallContext): Reply {
  if (ctx.session) await ctx.platform.session(ctx.session.id).unsubscribe(uriOf(call, ctx));
  return EMPTY;
}

function uriOf(call: Call, ctx: CallContext): string {
  const uri = call.params["uri"];
  if (typeof uri !== "string" || uri.length > ctx.limits.uriChars) {
    throw new GatewayError("invalid", `uri must be a string of at most ${ctx.limits.uriChars} characters`);
  }
  return uri;
}
