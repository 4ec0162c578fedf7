import { cuttable } from "../lib/abort.ts";
import { newId } from "../lib/ids.ts";
import { bareCall, type Call, type Reply } from "../model/call.ts";
import type { CatalogVersion } from "../model/catalog.ts";
import type { CallContext, NestedOptions, Platform, RequestContext, RequestGate, SessionHandle } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { Principal, Workspace } from "../model/identity.ts";
import type { JsonObject } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";
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
  keepStream?: CallContext["keepStream"];
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
export function openCall(scope: CallScope, method: string, lastsMs = lifeOf(method, scope.request.limits)): OpenCall {
  const { platform } = scope.request;
  const deadline = platform.now() + lastsMs;
  const signal = new CallSignal({ client: scope.client, disconnectCancels: scope.disconnectCancels, deadline, now: platform.now });
  return { ctx: new LiveCall(scope, { signal, deadline, depth: 0, parent: null, canAsk: scope.canAsk }), signal };
}

function lifeOf(method: string, { streamAgeMs, totalMs }: Limits): number {
  return method === "subscriptions/listen" ? streamAgeMs : totalMs;
}

interface Place {
  signal: Pick<CallContext, "signal" | "cutBy" | "onCut">;
  deadline: number;
  depth: number;
  parent: string | null;
  canAsk: boolean;
}

/** A class, because a call has one each: members that are copied from an object to the next cost more than what most of them are asked for. */
class LiveCall implements CallContext {
  readonly platform: Platform;
  readonly workspace: Workspace;
  readonly principal: Principal;
  readonly requestId: string;
  readonly origin: string;
  readonly limits: Limits;
  readonly askedAt: number | undefined;
  readonly authorization: string | null;
  readonly hops: number | undefined;
  readonly gate: RequestGate | undefined;
  readonly waitUntil: (work: Promise<unknown>) => void;
  readonly callId = newId("call");
  readonly parent: string | null;
  target: string | null = null;
  readonly revision: string;
  readonly toolset: string | null;
  version: CatalogVersion;
  readonly session: SessionHandle | null;
  readonly canAsk: boolean;
  readonly keepStream: ((atOnce: boolean) => void) | null;
  readonly deadline: number;
  readonly depth: number;
  readonly revalidate: () => Promise<boolean>;
  readonly #scope: CallScope;
  readonly #signal: Place["signal"];

  constructor(scope: CallScope, place: Place) {
    const { request } = scope;
    this.platform = request.platform;
    this.workspace = request.workspace;
    this.principal = request.principal;
    this.requestId = request.requestId;
    this.origin = request.origin;
    this.limits = request.limits;
    this.askedAt = request.askedAt;
    this.authorization = request.authorization ?? null;
    this.hops = request.hops;
    this.gate = request.gate;
    this.waitUntil = request.waitUntil;
    this.parent = place.parent;
    this.revision = scope.revision;
    this.toolset = scope.toolset;
    this.version = scope.version;
    this.session = scope.session;
    this.canAsk = place.canAsk;
    this.keepStream = place.depth === 0 ? (scope.keepStream ?? null) : null;
    this.deadline = place.deadline;
    this.depth = place.depth;
    this.revalidate = scope.revalidate;
    this.#scope = scope;
    this.#signal = place.signal;
  }

  get signal(): AbortSignal {
    return this.#signal.signal;
  }

  cutBy(): unknown {
    return this.#signal.cutBy();
  }

  onCut(listener: (reason: unknown) => void): () => void {
    return this.#signal.onCut(listener);
  }

  callTool(name: string, args: JsonObject, options?: NestedOptions): Reply {
    return nested(this.#scope, this, name, args, options);
  }
}

/** A call made for another one: same caller, same catalog, same deadline; policy and audit of its own. */
function nested(scope: CallScope, parent: CallContext, name: string, args: JsonObject, options: NestedOptions = {}) {
  if (parent.depth + 1 > parent.limits.callDepth) {
    throw new GatewayError("limited", `calls nest deeper than ${parent.limits.callDepth} (limit callDepth)`);
  }
  const signal = options.signal ? cuttable(options.signal) : parent;
  // What it asks is for the flow that made it to put to the client, which not every flow can.
  const canAsk = parent.canAsk && options.capabilities !== undefined;
  const ctx = new LiveCall(scope, { signal, deadline: parent.deadline, depth: parent.depth + 1, parent: parent.callId, canAsk });
  options.accepted?.(ctx.callId);
  return handle(callOf(name, args, options), ctx);
}

function callOf(name: string, args: JsonObject, { idempotencyKey, trace, capabilities = {}, inputResponses = null, requestState = null }: NestedOptions): Call {
  const meta = idempotencyKey ? JSON.stringify({ "causeway/idempotencyKey": idempotencyKey }) : null;
  return bareCall("tools/call", { name, arguments: args }, { raw: { arguments: JSON.stringify(args), meta }, capabilities, inputResponses, requestState, ...(trace && { trace }) });
}
