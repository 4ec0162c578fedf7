import { scopeOf } from "../access/scopes.ts";
import { endpointExists } from "../gateway/endpoint.ts";
import { openCall } from "../gateway/context.ts";
import { type Around, handle } from "../gateway/handle.ts";
import type { CallSignal, Client } from "../gateway/signal.ts";
import { Standing } from "../gateway/standing.ts";
import { bareCall, type Call, type Reply } from "../model/call.ts";
import type { CatalogVersion } from "../model/catalog.ts";
import type { CallContext, Platform, RequestContext, SessionHandle } from "../model/context.ts";
import { GatewayError, toGatewayError } from "../model/error.ts";
import { hasScope } from "../model/identity.ts";
import type { JsonText } from "../model/json.ts";
import { lowered } from "../model/limits.ts";
import { acceptsOf } from "../protocol/accepts.ts";
import type { Codec, Incoming } from "../protocol/codec.ts";
import { type ClientProfile, profileOf } from "../protocol/profiles.ts";
import { type AnswerType, type Exchange as WireExchange, lastMessage, respond } from "../protocol/respond.ts";
import { isResumable, StreamKeeper } from "../sessions/keeping.ts";
import { withSessionLevel } from "../sessions/level.ts";
import type { Position } from "../sessions/position.ts";
import { resumed } from "../sessions/resume.ts";
import { withRounds } from "../sessions/rounds.ts";
import { Running } from "../sessions/running.ts";
import type { Place } from "./place.ts";
import { refuseScope } from "./refusals.ts";
import { keepShapes } from "./shapes.ts";

interface Facts {
  request: RequestContext;
  version: CatalogVersion;
  toolset: string | null;
  /** See `Route`. */
  framed: boolean;
  place: Place;
  client: Client;
  accept: string | null;
  authorization: string | null;
  /** Unix ms: when the request came in, and when its caller was known. */
  started: number;
  authenticated: number;
  revalidate(): Promise<boolean>;
}

interface Manner {
  session: SessionHandle | null;
  /** Modern: the lost connection is the cancellation. Legacy: it is none. */
  disconnectCancels: boolean;
  /** A stream that no request opened: see `protocol/respond`. */
  unasked?: boolean;
}

/** One HTTP request whose caller is known: runs the calls in it. */
export class Exchange {
  readonly facts: Facts;

  constructor(facts: Facts) {
    this.facts = facts;
  }

  /** False for a toolset that is not there, or that this credential may not use: the same answer. */
  endpointExists(): Promise<boolean> | boolean {
    const { toolset, request } = this.facts;
    if (request.principal.toolset !== null && request.principal.toolset !== toolset) return false;
    return toolset === null || endpointExists(this.#open({ method: "", clientInfo: null }, "", { session: null, disconnectCancels: false }, false, null).ctx, toolset);
  }

  run(incoming: Incoming, codec: Codec, manner: Manner): Promise<Response> | Response {
    const canAsk = codec.era === "modern" || (manner.session !== null && acceptsOf(this.facts.accept).sse);
    return this.#refusal(incoming.call) ?? respond(this.#wire(incoming, codec, manner, canAsk));
  }

  /** Calls of a batch (2025-03-26) run at once; the answer is the array of their responses. */
  async runBatch(batch: Incoming[], codec: Codec, manner: Manner): Promise<JsonText[] | Response> {
    for (const incoming of batch) {
      const refusal = this.#refusal(incoming.call);
      if (refusal) return refusal;
    }
    return Promise.all(batch.map((incoming) => lastMessage(this.#wire(incoming, codec, manner, false))));
  }

  /** The stream of a call of this session, from where the client has it. What cannot be had any more ends in an error under the request's id. */
  resume(position: Position & { request: JsonText }, codec: Codec, session: SessionHandle): Promise<Response> {
    const { request } = this.facts;
    const { ctx, signal } = this.#open({ method: "", clientInfo: null }, codec.revision, { session, disconnectCancels: true }, false, null);
    const said: Codec["notification"] = (_incoming, { params }) => params;
    const lost = (thrown: unknown) => codec.error(position.request, toGatewayError(thrown), request.requestId).message;
    return respond({
      incoming: { id: position.request, call: bareCall("", {}) },
      codec: { ...codec, notification: said },
      reply: orError(resumed(position, session.id, ctx), lost, () => signal.release()),
      accepts: { json: false, sse: true },
      requestId: request.requestId,
      limits: request.limits,
      abandon: () => signal.left(),
      disconnectCancels: true,
      unasked: true,
      // It looks after itself.
      lasting: () => undefined,
      waitUntil: request.waitUntil,
      headers: (type) => this.headers(type),
    });
  }

  headers(type: AnswerType): Record<string, string> {
    const { started, authenticated, request } = this.facts;
    const auth = `auth;dur=${authenticated - started}`;
    // A stream begins before its call has ended.
    const timing = type === "application/json" ? `${auth}, target;dur=${request.platform.now() - authenticated}` : auth;
    return { "content-type": type, "server-timing": timing, "causeway-request-id": request.requestId };
  }

  #refusal(call: Call): Response | null {
    const scope = scopeOf(call.method);
    return hasScope(this.facts.request.principal, scope) ? null : refuseScope(this.facts.place, scope);
  }

  #wire(incoming: Incoming, codec: Codec, manner: Manner, canAsk: boolean): WireExchange {
    const { request, accept, framed } = this.facts;
    const { session, unasked = false } = manner;
    const resumable = session !== null && canAsk && !framed && !unasked && codec.era === "legacy" && isResumable(codec.revision);
    const keeper = resumable ? new StreamKeeper(() => request.platform.session(session.id), incoming.id, codec.revision) : null;
    const { ctx, signal } = this.#open(incoming.call, codec.revision, manner, canAsk, keeper && keeper.want);
    const around: Around | undefined = session && canAsk && !unasked ? (run) => withRounds(incoming.call, ctx, session, run) : undefined;
    // What no request opened, no request cancels.
    const running = session && !unasked && incoming.call.method !== "initialize" ? cancellable(incoming, session, request.platform, signal) : null;
    const standing = new Standing(this.facts.revalidate, (reason) => signal.abort(reason));
    const ended = () => {
      standing.end();
      running?.end();
      signal.release();
    };
    const reply = handle(incoming.call, ctx, around ? { around, ended } : { ended });
    const wire: WireExchange = {
      incoming,
      codec,
      reply: codec.era === "modern" ? reply : withSessionLevel(reply, request.platform, ctx.session),
      accepts: acceptsOf(accept),
      requestId: request.requestId,
      limits: request.limits,
      abandon: () => signal.left(),
      disconnectCancels: manner.disconnectCancels,
      keeper,
      // A listener looks after itself.
      lasting: () => void (incoming.call.method === "subscriptions/listen" || standing.watch()),
      unasked,
      waitUntil: request.waitUntil,
      headers: (type) => this.headers(type),
    };
    keepShapes("exchange", wire);
    return wire;
  }

  #open({ method, clientInfo }: Pick<Call, "method" | "clientInfo">, revision: string, manner: Manner, canAsk: boolean, keepStream: CallContext["keepStream"]) {
    const { version, toolset, client, revalidate } = this.facts;
    const request = patient(this.facts.request, profileOf(clientInfo));
    return openCall({ request, revision, toolset, version, client, revalidate, canAsk, keepStream, ...manner }, method);
  }
}

/** A client that gives up after a fixed time is answered before: an error that says so is more than a broken request. */
function patient(request: RequestContext, { patienceMs }: ClientProfile): RequestContext {
  return patienceMs === undefined ? request : { ...request, limits: lowered(request.limits, { totalMs: patienceMs - ANSWER_MS }) };
}

/** What an answer may take on its way. */
const ANSWER_MS = 3_000;

/** From now on the session's `notifications/cancelled` reaches the call, once it has run for a second. */
function cancellable({ id }: Incoming, session: SessionHandle, platform: Platform, signal: CallSignal): Running {
  const running = new Running(
    () => platform.session(session.id),
    id,
    () => signal.abort(new GatewayError("cancelled", "the client cancelled the call")),
  );
  signal.onArm = () => running.begin();
  return running;
}

/** A stream of texts that fails ends with one more. */
async function* orError(reply: Reply, text: (thrown: unknown) => JsonText, ended: () => void): Reply {
  try {
    return yield* reply;
  } catch (thrown) {
    yield { method: "", params: text(thrown) };
    return { type: "complete", result: "{}" };
  } finally {
    ended();
  }
}
