import { DurableObject } from "cloudflare:workers";
import type { Change } from "../model/change.ts";
import type { HubApi } from "../model/context.ts";
import type { Env } from "../platform.ts";
import { type Filter, wants } from "./filter.ts";

/** Who listens on one WebSocket; kept with the socket, so it survives hibernation. */
interface Listener {
  principal: string;
  filter: Filter;
}

/**
 * The fan-out of a workspace's changes. Each listener is a hibernating WebSocket from the Worker that holds the
 * client's stream, so an idle listener keeps nothing in memory. Knows no rights: the Worker asks for them.
 */
export class Hub extends DurableObject<Env> implements HubApi {
  /**
   * WebSocket upgrade of one listener. Query: `principal`, and `filter` as JSON; both come from our own Worker.
   */
  override async fetch(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return new Response(null, { status: 500 });
    const principal = searchParams.get("principal") ?? "";
    this.ctx.acceptWebSocket(server, [tagOf(principal)]);
    server.serializeAttachment({ principal, filter: JSON.parse(searchParams.get("filter") ?? "{}") });
    return new Response(null, { status: 101, webSocket: client });
  }

  /** The listener's filter from now on: a legacy session subscribes while its stream is open. */
  override webSocketMessage(socket: WebSocket, filter: string): void {
    const { principal }: Listener = socket.deserializeAttachment();
    socket.serializeAttachment({ principal, filter: JSON.parse(filter) });
  }

  /** Every listener gets what it asked for in one message, a JSON array of changes. */
  async announce(changes: Change[]): Promise<void> {
    for (const socket of this.ctx.getWebSockets()) {
      const listener: Listener = socket.deserializeAttachment();
      const wanted = changes.filter((change) => wants(listener.filter, change));
      if (wanted.length > 0) socket.send(JSON.stringify(wanted));
    }
  }

  async close(principal: string): Promise<void> {
    for (const socket of this.ctx.getWebSockets(tagOf(principal))) socket.close(4401, "right lost");
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }
}

/** Tags are at most 256 characters. */
function tagOf(principal: string): string {
  return principal.slice(0, 256);
}
