import { LOG_LEVELS, type Call, type Outcome, type Reply } from "../model/call.ts";
import type { CallContext, SessionApi } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { reach } from "../lib/reach.ts";
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
  await atSession(ctx, (object, until) => object.setLevel(level, until));
  return EMPTY;
}

export async function* subscribe(call: Call, ctx: CallContext): Reply {
  if (!tellsUpdates(ctx, await freshSnapshot(ctx), uriOf(call, ctx))) throw new GatewayError("unsupported", "the upstream of this resource does not tell of updates");
  const uri = uriOf(call, ctx);
  const [isTaken] = await Promise.all([atSession(ctx, (object, until) => object.subscribe(uri, until)), noted(ctx)]);
  if (isTaken === false) throw new GatewayError("limited", "the session has as many resource subscriptions as it may have");
  return EMPTY;
}

export async function* unsubscribe(call: Call, ctx: CallContext): Reply {
  const uri = uriOf(call, ctx);
  await atSession(ctx, (object) => object.unsubscribe(uri));
  return EMPTY;
}

/** What the session's object says; each of these changes comes to the same when it is made twice. Null: there is no session. */
async function atSession<T>({ session, platform }: CallContext, change: (object: SessionApi, until: number) => Promise<T>): Promise<T | null> {
  if (session === null) return null;
  return reach(() => change(platform.session(session.id), session.expiresAt), platform.config.limits.connectMs);
}

/** A stream of the session that opens from now on knows that there is something to ask the object, and then one that is open. */
async function noted({ session, platform, workspace }: CallContext): Promise<void> {
  if (session === null) return;
  const { connectMs } = platform.config.limits;
  await reach(() => platform.authority(workspace.id).noteSubscriber(session.id, session.expiresAt), connectMs);
  await reach(() => platform.hub(workspace.id).subscribed(session.id), connectMs);
}

function uriOf(call: Call, ctx: CallContext): string {
  const uri = call.params["uri"];
  if (typeof uri !== "string" || uri.length > ctx.limits.uriChars) {
    throw new GatewayError("invalid", `uri must be a string of at most ${ctx.limits.uriChars} characters`);
  }
  return uri;
}
