import type { Notification, Reply } from "../model/call.ts";
import type { Change } from "../model/change.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { Filter } from "./filter.ts";

/**
 * `subscriptions/listen` as a reply that does not end by itself: the acknowledgement with the honoured subset, then
 * the changes that the Hub carries, until the client leaves, the stream is old (`ctx.deadline`; a complete outcome: the
 * client opens another), or the right behind it is lost. The codec puts the subscription's id on each message.
 */
export async function* listen(filter: Filter, ctx: CallContext): Reply {
  const inbox = new Inbox();
  const socket = await connect(filter, ctx);
  socket.addEventListener("message", (event) => {
    if (typeof event.data === "string") inbox.put(changesIn(event.data));
  });
  socket.addEventListener("close", () => inbox.close());
  ctx.signal.addEventListener("abort", () => inbox.close());
  // The client may have left while the Hub was asked.
  if (ctx.signal.aborted) inbox.close();
  const expiry = setTimeout(() => inbox.close(), Math.min(ctx.deadline, ctx.principal.expiresAt ?? Infinity) - ctx.platform.now());
  const recheck = setInterval(() => void stillAllowed(ctx).then((allowed) => allowed || inbox.close()), RECHECK_MS);
  try {
    yield acknowledgement(filter);
    for (let changes = await inbox.take(); changes !== null; changes = await inbox.take()) {
      for (const change of changes) yield notificationOf(change);
    }
    return { type: "complete", result: "{}" };
  } finally {
    clearTimeout(expiry);
    clearInterval(recheck);
    socket.close(1000);
  }
}

/** A backstop: the Authority tells the Hub to close the streams of a lost right at once. */
const RECHECK_MS = 5 * 60_000;

async function stillAllowed(ctx: CallContext): Promise<boolean> {
  try {
    return await ctx.revalidate();
  } catch {
    return true; // The Authority is out of reach: nothing is known to be lost.
  }
}

async function connect(filter: Filter, ctx: CallContext): Promise<WebSocket> {
  const query = new URLSearchParams({ principal: ctx.principal.id, filter: JSON.stringify(filter) });
  const request = new Request(`https://hub/listen?${query}`, { headers: { upgrade: "websocket" } });
  const response = await ctx.platform.hub(ctx.workspace.id).fetch(request);
  if (!response.webSocket) throw new GatewayError("unavailable", "subscriptions are not available now", { retryAfter: 5 });
  response.webSocket.accept();
  return response.webSocket;
}

function acknowledgement(filter: Filter): Notification {
  const honoured = {
    ...(filter.tools && { toolsListChanged: true }),
    ...(filter.prompts && { promptsListChanged: true }),
    ...(filter.resources && { resourcesListChanged: true }),
    ...(filter.uris.length > 0 && { resourceSubscriptions: filter.uris }),
  };
  return { method: "notifications/subscriptions/acknowledged", params: JSON.stringify({ notifications: honoured }) };
}

function notificationOf(change: Change): Notification {
  if (change.type === "resource") return { method: "notifications/resources/updated", params: JSON.stringify({ uri: change.uri }) };
  return { method: `notifications/${change.type}/list_changed`, params: "{}" };
}

function changesIn(message: string): Change[] {
  const changes: Change[] = JSON.parse(message);
  return changes;
}

/** Changes that arrived while the reader was busy. */
class Inbox {
  #waiting: Change[] = [];
  #closed = false;
  #wake: (() => void) | null = null;

  put(changes: Change[]): void {
    this.#waiting.push(...changes);
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** What has arrived, waiting for at least one; null once closed and empty. */
  async take(): Promise<Change[] | null> {
    while (this.#waiting.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const changes = this.#waiting;
    this.#waiting = [];
    return changes.length > 0 ? changes : null;
  }
}
