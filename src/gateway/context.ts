import { cutBy } from "../lib/abort.ts";
import { newId } from "../lib/ids.ts";
import { bareCall, type Call } from "../model/call.ts";
import type { CatalogVersion } from "../model/catalog.ts";
import type { CallContext, NestedOptions, RequestContext, SessionHandle } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonObject } from "../model/json.ts";
import { handle } from "./handle.ts";
import { CallSignal, type Client } from "./signal.ts";

export interface CallScope {
  request: RequestContext;
  revision: string;
  toolset: string | null;
  version: CatalogVersion;
  session: SessionHandle | null;
  /** The connection of the client; null for calls without one. */
  client: Client | null;
  disconnectCancels: boolean;
  canAsk: boolean;
  revalidate(): Promise<boolean>;
}

export interface OpenCall {
  ctx: CallContext;
  signal: CallSignal;
}

/**
 * The context of one call that came in from a client. Release the signal when the call has ended. A listener does not come to an end as calls do:
 * it may last as long as a stream.
 */
export function openCall(scope: CallScope, method: string): OpenCall {
  const { platform, limits } = scope.request;
  const deadline = platform.now() + (method === "subscriptions/listen" ? limits.streamAgeMs : limits.totalMs);
  const signal = new CallSignal({ client: scope.client, disconnectCancels: scope.disconnectCancels, deadline, now: platform.now });
  return { ctx: contextOf(scope, { signal, deadline, depth: 0, parent: null }), signal };
}

interface Place {
  signal: Pick<CallContext, "signal" | "onCut">;
  deadline: number;
  depth: number;
  parent: string | null;
}

function contextOf(scope: CallScope, place: Place): CallContext {
  const ctx: CallContext = {
    ...scope.request,
    callId: newId("call"),
    parent: place.parent,
    target: null,
    revision: scope.revision,
    toolset: scope.toolset,
    version: scope.version,
    session: scope.session,
    // What a nested call asks is for the flow that made it to answer.
    canAsk: scope.canAsk && place.depth === 0,
    deadline: place.deadline,
    depth: place.depth,
    get signal() {
      return place.signal.signal;
    },
    onCut: (listener) => place.signal.onCut(listener),
    revalidate: scope.revalidate,
    callTool: (name, args, options) => nested(scope, ctx, name, args, options),
  };
  return ctx;
}

/** A call made for another one: same caller, same catalog, same deadline; policy and audit of its own. */
function nested(scope: CallScope, parent: CallContext, name: string, args: JsonObject, options: NestedOptions = {}) {
  if (parent.depth + 1 > parent.limits.callDepth) {
    throw new GatewayError("limited", `calls nest deeper than ${parent.limits.callDepth} (limit callDepth)`);
  }
  const signal = options.signal ? { signal: options.signal, onCut: cutBy(options.signal) } : parent;
  const ctx = contextOf(scope, { signal, deadline: parent.deadline, depth: parent.depth + 1, parent: parent.callId });
  options.accepted?.(ctx.callId);
  return handle(callOf(name, args, options.idempotencyKey), ctx);
}

function callOf(name: string, args: JsonObject, idempotencyKey: string | undefined): Call {
  const meta = idempotencyKey ? JSON.stringify({ "causeway/idempotencyKey": idempotencyKey }) : null;
  return bareCall("tools/call", { name, arguments: args }, { raw: { arguments: JSON.stringify(args), meta } });
}
