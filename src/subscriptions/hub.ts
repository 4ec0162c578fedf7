import { DurableObject } from "cloudflare:workers";
import type { Change } from "../model/change.ts";
import type { HubApi } from "../model/context.ts";
import { type Env, platformOf } from "../platform.ts";
import { type Filter, wants } from "./filter.ts";
import { KNOWS_LINES } from "./line.ts";
import type { News, Opened } from "./news.ts";

/** Who listens on one WebSocket; kept with the socket, so it survives hibernation. */
interface Listener {
  principal: string;
  filter: Filter;
}

/** Tag of the lines that isolates hold; no principal is called that. */
const LINE = "a line";

/**
 * The fan-out of a workspace's changes. Each isolate with listeners holds a hibernating WebSocket, over which it is told everything (`News`), so idle
 * listeners keep nothing in memory here. A WebSocket connection of a client has one of its own. Knows no rights: the Worker asks for them.
 */
export class Hub extends DurableObject<Env> implements HubApi {
  readonly #now: () => number;
  #turn = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#now = platformOf(env).now;
  }

  /**
   * WebSocket upgrades from our own Worker. `/line`: an isolate's. `/listen?principal=&filter=`: one listener's, closed with its right; `filter` as JSON.
   */
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return new Response(null, { status: 500 });
    if (pathname === "/line") {
      this.ctx.acceptWebSocket(server, [LINE]);
      return new Response(null, { status: 101, webSocket: client, headers: { [KNOWS_LINES]: "1" } });
    }
    const principal = searchParams.get("principal") ?? "";
    this.ctx.acceptWebSocket(server, [tagOf(principal)]);
    server.serializeAttachment({ principal, filter: JSON.parse(searchParams.get("filter") ?? "{}") });
    return new Response(null, { status: 101, webSocket: client });
  }

  /** On a line: what was `Opened`. From a listener, of a Worker of the version before: its filter from now on. */
  override webSocketMessage(socket: WebSocket, text: string): void {
    const listener: Listener | null = socket.deserializeAttachment();
    if (listener) socket.serializeAttachment({ principal: listener.principal, filter: JSON.parse(text) });
    else this.#opened(JSON.parse(text));
  }

  /** A line is told everything, a listener what it asked for: a JSON array of changes. */
  async announce(changes: Change[]): Promise<void> {
    if (changes.length > 0) this.#tell({ type: "changes", changes });
    for (const socket of this.ctx.getWebSockets()) {
      const listener: Listener | null = socket.deserializeAttachment();
      const wanted = listener ? changes.filter((change) => wants(listener.filter, change)) : [];
      if (wanted.length > 0) socket.send(JSON.stringify(wanted));
    }
  }

  async close(whose: string): Promise<void> {
    this.#tell({ type: "close", whose });
    for (const socket of this.ctx.getWebSockets(tagOf(whose))) socket.close(4401, "right lost");
  }

  async subscribed(session: string): Promise<void> {
    this.#tell({ type: "subscribed", session });
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  #opened({ session, stream }: Opened): void {
    // The clock goes on while the object sleeps and forgets.
    this.#turn = Math.max(this.#turn + 1, this.#now());
    this.#tell({ type: "opened", session, stream, turn: this.#turn });
  }

  #tell(news: News): void {
    const text = JSON.stringify(news);
    for (const line of this.ctx.getWebSockets(LINE)) line.send(text);
  }
}

/** Tags are at most 256 characters. */
function tagOf(principal: string): string {
  return principal.slice(0, 256);
}
