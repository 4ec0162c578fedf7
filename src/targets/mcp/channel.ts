import { discard } from "../../lib/egress.ts";
import type { UpstreamSessionState } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import type { JsonObject, JsonText } from "../../model/json.ts";
import { LEGACY } from "../../protocol/revisions.ts";
import type { SseEvent } from "../../protocol/sse.ts";
import { invalidAnswer, refusal, statusError } from "./errors.ts";
import { legacyInstead, notify, proposal, sessionHeaders, stateOf } from "./handshake.ts";
import { type Link, originOf, sendOver } from "./link.ts";
import { isOurs, type Message, readMessage, unbatched } from "./message.ts";
import { plainRequest, type UpstreamRequest } from "./request.ts";
import { eventsOf, mediaTypeOf } from "./stream.ts";
import type { Watch } from "./watch.ts";

/** One connection to an upstream that speaks the HTTP+SSE transport (MCP 2024-11-05): it is its own session, and lasts for one call or one listing. */
export interface Channel {
  /** Where to POST; the credential stays at the origin it was made for. */
  link: Link;
  state: UpstreamSessionState;
  /** Everything the upstream says. */
  texts: AsyncGenerator<JsonText, void>;
}

/** The revision that HTTP+SSE belongs to. */
const TRANSPORT = "2024-11-05";
/** Statuses by which a server says that it takes no POST there (MCP 2025-11-25, transports: backwards compatibility). */
const NO_POST: readonly unknown[] = [400, 404, 405];

/** Whether a refused `initialize` leaves the older transport to be tried. */
export function mayBeChannel(refused: { error: { data?: JsonObject | null | undefined }; foreign: boolean }): boolean {
  return refused.foreign && NO_POST.includes(refused.error.data?.status);
}

/** GET, the `endpoint` event, `initialize` and `notifications/initialized`. Errors: as of a call; `upstream_invalid` when this is no such server. */
export async function openChannel(link: Link, capabilities: JsonObject, watch: Watch): Promise<Channel> {
  const response = await sendOver(link, { method: "GET", headers: { accept: "text/event-stream" }, signal: watch.signal });
  if (response.status !== 200 || mediaTypeOf(response) !== "text/event-stream") {
    await discard(response);
    throw (response.status === 200 ? null : (statusError(response, link.now()) ?? refusal(response.status))) ?? invalidAnswer("it is no event stream");
  }
  watch.answered();
  const events = eventsOf(response, link, watch);
  try {
    return await greet(events, link, capabilities, watch.signal);
  } catch (thrown) {
    await events.return();
    throw thrown;
  }
}

async function greet(events: AsyncGenerator<SseEvent, void>, link: Link, capabilities: JsonObject, signal: AbortSignal): Promise<Channel> {
  const endpoint = await endpointIn(events, link.url);
  const texts = messagesIn(events);
  const greeting: Channel = { link: { ...link, url: endpoint }, texts, state: { id: null, revision: "", capabilities: {}, instructions: null } };
  const [newest = ""] = LEGACY;
  const first = await ask(greeting, "initialize", proposal(newest, capabilities), signal);
  const instead = first.kind === "error" ? legacyInstead(newest, first) : null;
  const answer = instead === null ? first : await ask(greeting, "initialize", proposal(instead, capabilities), signal);
  const state = answer.kind === "result" ? stateOf(null, answer.result) : null;
  if (!state) throw invalidAnswer("it refuses to initialize, or does so with a protocol version the gateway does not know");
  const channel = { ...greeting, state };
  await notify(channel.link, state, '{"jsonrpc":"2.0","method":"notifications/initialized"}', signal);
  return channel;
}

/** One request of our own, and its answer; what else is said meanwhile is not heard. */
export async function ask(channel: Channel, method: string, params: JsonObject, signal: AbortSignal): Promise<Extract<Message, { kind: "result" | "error" }>> {
  const request = plainRequest(method, params, null);
  await post(channel, request, signal);
  for (;;) {
    const { done, value } = await channel.texts.next();
    if (done) throw invalidAnswer(`it did not answer ${method}`);
    const message = readMessage(value);
    if ((message.kind === "result" || message.kind === "error") && isOurs(message.id, request.id)) return message;
  }
}

/** POSTs one request; its answer comes on the stream. Errors: what the status says. */
export async function post({ link, state }: Channel, request: UpstreamRequest, signal: AbortSignal): Promise<void> {
  const response = await sendOver(link, { method: "POST", headers: { ...request.headers, ...sessionHeaders(state) }, body: request.body, signal });
  await discard(response);
  if (response.status >= 300) throw statusError(response, link.now()) ?? refusal(response.status);
}

/** A server that is there and does not speak this transport; what else went wrong is no verdict, and is thrown. */
export function foreign(thrown: unknown): GatewayError {
  const status = thrown instanceof GatewayError ? thrown.data?.status : undefined;
  if (thrown instanceof GatewayError && (thrown.code === "upstream_invalid" || NO_POST.includes(status))) return thrown;
  throw thrown;
}

async function endpointIn(events: AsyncGenerator<SseEvent, void>, url: string): Promise<string> {
  const { done, value } = await events.next();
  const endpoint = !done && value.event === "endpoint" && URL.canParse(value.data, url) ? new URL(value.data, url).href : null;
  if (endpoint === null) throw invalidAnswer("its stream does not begin with an endpoint");
  if (originOf(endpoint) !== originOf(url)) throw invalidAnswer("its endpoint is at another origin");
  return endpoint;
}

/** Batches whatever revision is spoken: the transport is older than the one that took them away again. */
async function* messagesIn(events: AsyncGenerator<SseEvent, void>): AsyncGenerator<JsonText, void> {
  for await (const { event, data } of events) if (event === "message" && data !== "") yield* unbatched(data, TRANSPORT);
}
