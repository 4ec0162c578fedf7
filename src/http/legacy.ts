import { forgetCaller } from "../access/authenticate.ts";
import { reach } from "../lib/reach.ts";
import { randomToken } from "../lib/ids.ts";
import { bareCall } from "../model/call.ts";
import type { SessionApi, SessionHandle } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import { acceptsOf } from "../protocol/accepts.ts";
import type { Classified, InitializeRequest, LegacyMessage } from "../protocol/classify.ts";
import type { Codec, Incoming } from "../protocol/codec.ts";
import { BAD_LEGACY_HTTP } from "../protocol/jsonrpc.ts";
import { initializeResult, legacyCodec, negotiate } from "../protocol/legacy.ts";
import { isLegacy } from "../protocol/revisions.ts";
import { isResumable } from "../sessions/keeping.ts";
import { positionOf } from "../sessions/position.ts";
import { callKey } from "../sessions/running.ts";
import { mintSession, type SessionClaims } from "../sessions/token.ts";
import type { Exchange } from "./exchange.ts";
import { refuse } from "./refusals.ts";

/** A session id is good for a day, or as long as the credential it was made with. */
const SESSION_MS = 24 * 60 * 60_000;
/** What a request without session and version header speaks (MCP 2025-06-18, protocol version header). */
const UNSTATED_REVISION = "2025-03-26";

/** The handshake. The session id carries what was agreed, so no store is asked on later requests. */
export async function initialize(exchange: Exchange, id: JsonText, request: InitializeRequest): Promise<Response> {
  const { platform, workspace, principal } = exchange.facts.request;
  const { capabilities, clientInfo } = request;
  const revision = negotiate(request.revision);
  const claims: SessionClaims = {
    id: randomToken(16),
    workspace: workspace.id,
    principal: principal.id,
    revision,
    capabilities,
    clientInfo,
    expiresAt: Math.min(platform.now() + SESSION_MS, principal.expiresAt ?? Infinity),
  };
  const response = await exchange.run({ id, call: bareCall("initialize", {}, { capabilities, clientInfo }) }, handshakeCodec(revision), { session: handleOf(claims), disconnectCancels: false });
  if (response.ok) response.headers.set("mcp-session-id", await mintSession(platform.config.masterKey, claims));
  return response;
}

/** Writes what `server/discover` found as the answer to `initialize`. */
function handshakeCodec(revision: string): Codec {
  const outcome: Codec["outcome"] = (id, _call, found) => {
    const { capabilities, instructions } = found.type === "complete" ? JSON.parse(found.result) : {};
    return initializeResult(id, { revision, capabilities, instructions: instructions ?? null });
  };
  return { ...legacyCodec(revision), outcome };
}

type LegacyBody = Extract<Classified, { kind: "legacy" }>;

/** Requests, notifications and responses of a legacy client; an array of them is a batch of 2025-03-26. */
export async function legacy(exchange: Exchange, body: LegacyBody, session: SessionClaims | null): Promise<Response> {
  const codec = legacyCodec(session?.revision ?? body.revision ?? UNSTATED_REVISION);
  const manner = { session: session && handleOf(session), disconnectCancels: false };
  const [first] = body.messages;
  if (!body.batch && first?.kind === "request") return exchange.run(declared(first.incoming, session), codec, manner);
  const requests = body.messages.flatMap((message) => (message.kind === "request" ? [declared(message.incoming, session)] : []));
  const invalid = body.messages.flatMap((message) => (message.kind === "invalid" ? [message.body] : []));
  if (session) await Promise.all(body.messages.flatMap((message) => [answered(exchange, session, message), cancelled(exchange, session, message)]));
  if (requests.length + invalid.length === 0) return new Response(null, { status: 202 });
  if (!body.batch) return new Response(invalid.join(), { headers: { "content-type": "application/json" } });
  const answers = await exchange.runBatch(requests, codec, manner);
  if (answers instanceof Response) return answers;
  return new Response(`[${[...invalid, ...answers].join(",")}]`, { headers: exchange.headers("application/json") });
}

/**
 * `GET`: the stream of a session for what belongs to no call (MCP 2025-11-25, listening for messages). Within, it is what a modern client
 * gets from `subscriptions/listen`. With `Last-Event-ID` the stream of a call goes on where the client has it, and the session's own begins with what the
 * client may have missed. An event id that is not ours opens it anew.
 */
export async function openStream(exchange: Exchange, version: string | null, session: SessionClaims, lastEventId: string | null, subscribes?: boolean): Promise<Response> {
  if (!acceptsOf(exchange.facts.accept).sse) return refuse(406, "Not Acceptable: the answer is text/event-stream", BAD_LEGACY_HTTP);
  if (version !== null && !isLegacy(version)) return refuse(400, "Bad Request: unsupported protocol version", BAD_LEGACY_HTTP);
  const { capabilities, clientInfo } = session;
  const isKept = isResumable(session.revision) && !exchange.facts.framed;
  const position = isKept ? positionOf(lastEventId) : null;
  if (position && position.request !== null) return exchange.resume({ ...position, request: position.request }, legacyCodec(session.revision), handleOf(session));
  const call = bareCall("subscriptions/listen", isKept ? { resumes: position !== null } : {}, { capabilities, clientInfo });
  return exchange.run({ id: "null", call }, streamCodec(session.revision), { session: { ...handleOf(session), subscribes: session.isOld ?? subscribes }, disconnectCancels: true, unasked: true });
}

/** A stream that cannot be opened is not opened with 200. */
function streamCodec(revision: string): Codec {
  const codec = legacyCodec(revision);
  const error: Codec["error"] = (id, thrown, requestId) => ({ ...codec.error(id, thrown, requestId), status: thrown.wire.http });
  return { ...codec, error };
}

/** The answer to a question of a call that may run in another isolate; one that nobody waits for is dropped. */
async function answered(exchange: Exchange, session: SessionClaims, message: LegacyMessage): Promise<void> {
  if (message.kind !== "response") return;
  const id: unknown = JSON.parse(message.id);
  if (typeof id !== "string") return;
  const answer = { id, result: message.result, error: message.error };
  await atSession(exchange, session, (object) => object.answer(answer));
}

/** The call may run in another isolate, or not yet be known as running: the session's object finds it (MCP 2025-11-25, cancellation). */
async function cancelled(exchange: Exchange, session: SessionClaims, message: LegacyMessage): Promise<void> {
  if (message.kind !== "notification" || message.method !== "notifications/cancelled" || message.requestId === null) return;
  const call = await callKey(message.requestId);
  await atSession(exchange, session, (object) => object.cancel(call));
}

/** `DELETE`: the Authority remembers the end, so the id is refused everywhere within 5 s; its state goes. */
export async function endSession(exchange: Exchange, session: SessionClaims | null): Promise<Response> {
  if (session === null) return refuse(400, "Mcp-Session-Id is missing", -32000);
  const { request, authorization } = exchange.facts;
  const { platform, workspace } = request;
  await reach(() => platform.authority(workspace.id).endSession(session.id, session.expiresAt), request.limits.connectMs);
  await Promise.all([
    atSession(exchange, session, (object) => object.end()),
    reach(() => platform.hub(workspace.id).close(session.id), request.limits.connectMs),
  ]);
  forgetCaller(request.workspace.slug, authorization, session.id);
  return new Response(null, { status: 200 });
}

/** What is told to a session's object, which may hear it twice. Errors: `unavailable`. */
function atSession<T>({ facts }: Exchange, { id }: SessionClaims, tell: (object: SessionApi) => Promise<T>): Promise<T> {
  return reach(() => tell(facts.request.platform.session(id)), facts.request.limits.connectMs);
}

/** What the client can answer was said once, at the handshake. */
function declared({ id, call }: Incoming, session: SessionClaims | null): Incoming {
  if (session === null) return { id, call };
  return { id, call: { ...call, capabilities: session.capabilities, clientInfo: session.clientInfo } };
}

function handleOf({ id, expiresAt }: SessionClaims): SessionHandle {
  return { id, expiresAt };
}
