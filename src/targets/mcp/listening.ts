import { cuttable } from "../../lib/abort.ts";
import { discard } from "../../lib/egress.ts";
import type { UpstreamSessionState } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import type { JsonText } from "../../model/json.ts";
import { isObject } from "../../model/json.ts";
import { type Channel, foreign, openChannel } from "./channel.ts";
import { statusError } from "./errors.ts";
import { sessionHeaders } from "./handshake.ts";
import { type Link, sendOver } from "./link.ts";
import { isOurs, parsed, readMessage, unbatched } from "./message.ts";
import { declineRequest, type Question } from "./question.ts";
import { plainRequest } from "./request.ts";
import { type StreamPosition, textsOf } from "./stream.ts";
import { Watch } from "./watch.ts";

/** What somebody wants to hear of an upstream; `uris` are the upstream's own. */
export interface Wanted {
  lists: boolean;
  uris: string[];
}

/** What an upstream tells on its own account. */
export type Notice = { type: "lists" } | { type: "resource"; uri: string };

export interface Ears {
  /** The upstream's answer has begun: from now on nothing is missed. */
  opened(): void | Promise<void>;
  heard(notice: Notice): void;
  /** What the upstream asks on the stream; absent: nobody can be asked. */
  asked?(question: Question): void;
}

/** `refused`: the upstream has no such stream (405 and the like); `lost`: it does not know the session any more. */
export type StreamEnd = "ended" | "refused" | "lost";

/**
 * `subscriptions/listen` at a modern upstream until it ends or the signal fires. Errors: those of `send`, outages by their
 * status, `timeout` when the link's `totalMs` or `idleMs` is over.
 */
export async function listenModern(link: Link, revision: string, wanted: Wanted, signal: AbortSignal, ears: Ears): Promise<StreamEnd> {
  const lists = wanted.lists && { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
  const resources = wanted.uris.length > 0 && { resourceSubscriptions: wanted.uris };
  const { id, headers, body } = plainRequest("subscriptions/listen", { notifications: { ...lists, ...resources } }, revision);
  return follow(link, { method: "POST", headers, body }, signal, async (texts) => {
    await ears.opened();
    for await (const text of texts) {
      const message = readMessage(text);
      if (message.kind === "notification") tell(message.method, message.params, ears);
      else if (message.kind === "error" && isOurs(message.id, id)) return "refused";
      else if (message.kind === "result" && isOurs(message.id, id)) return "ended";
    }
    return "ended";
  });
}

/** The GET stream of a session with a legacy upstream, taken up at `position` if the last one left an event id (MCP 2025-11-25, resumability). */
export async function listenLegacy(link: Link, state: UpstreamSessionState, position: StreamPosition, signal: AbortSignal, ears: Ears): Promise<StreamEnd> {
  const headers: Record<string, string> = { accept: "text/event-stream", ...sessionHeaders(state) };
  if (position.lastEventId !== null) headers["last-event-id"] = position.lastEventId;
  const read = async (texts: AsyncGenerator<JsonText, void>): Promise<StreamEnd> => {
    await ears.opened();
    for await (const text of texts) for (const message of unbatched(text, state.revision)) await hear(message, link, state, ears);
    return "ended";
  };
  return follow(link, { method: "GET", headers }, signal, read, position);
}

/**
 * The same of an upstream that speaks HTTP+SSE, over a connection of its own. `begun`: it is open, with this link and state for what is posted meanwhile.
 */
export async function listenChannel(link: Link, signal: AbortSignal, ears: Ears, begun: (channel: Channel) => Promise<void>): Promise<StreamEnd> {
  const watch = new Watch(link, cuttable(signal), { until: link.now() + link.limits.totalMs });
  try {
    const channel = await openChannel(link, {}, watch).catch(foreign);
    if (channel instanceof GatewayError) return "refused";
    await begun(channel);
    for await (const text of channel.texts) await hear(text, channel.link, channel.state, ears);
    return "ended";
  } finally {
    watch.close();
  }
}

async function hear(text: JsonText, link: Link, state: UpstreamSessionState, ears: Ears): Promise<void> {
  const message = readMessage(text);
  if (message.kind === "notification") tell(message.method, message.params, ears);
  else if (message.kind === "request" && ears.asked) ears.asked(message);
  // A question that belongs to no call has nobody to answer it.
  else if (message.kind === "request") await declineRequest(link, state, message);
}

type Request = { method: "GET" | "POST"; headers: Record<string, string>; body?: string };

async function follow(
  link: Link,
  request: Request,
  signal: AbortSignal,
  read: (texts: AsyncGenerator<JsonText, void>) => Promise<StreamEnd>,
  position?: StreamPosition,
): Promise<StreamEnd> {
  const watch = new Watch(link, cuttable(signal), { until: link.now() + link.limits.totalMs });
  try {
    const response = await sendOver(link, { ...request, signal: watch.signal });
    if (response.status === 200) return await read(textsOf(response, link, watch, position));
    await discard(response);
    const { status } = response;
    const failed = status === 401 || status === 403 ? null : statusError(response, link.now());
    if (failed) throw failed;
    return status === 404 && position ? "lost" : "refused";
  } finally {
    watch.close();
  }
}

function tell(method: string, params: JsonText | null, ears: Ears): void {
  if (LISTS.includes(method)) return ears.heard({ type: "lists" });
  if (method !== "notifications/resources/updated") return;
  const value = parsed(params);
  if (isObject(value) && typeof value.uri === "string") ears.heard({ type: "resource", uri: value.uri });
}

const LISTS: readonly string[] = ["notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed"];
