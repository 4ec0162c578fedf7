import { DurableObject } from "cloudflare:workers";
import type { UpstreamSessionApi, UpstreamSessionFailure, UpstreamSessionSpec, UpstreamSessionState } from "../model/context.ts";
import { platformOf, type Env } from "../platform.ts";
import type { Notice, Wanted } from "../targets/mcp/listening.ts";
import { Drift } from "./drift.ts";
import { type KeptSession, keptSessionOf, SessionKeeper } from "./keeper.ts";
import { UpstreamWatch, type WatchedUpstream } from "./watch.ts";

/** Who listens on one WebSocket, and to what; kept with the socket. */
interface Listener {
  upstream: WatchedUpstream;
  wanted: Wanted;
}

const NOTHING: Wanted = { lists: false, uris: [] };
const IDLE_MS = 10 * 60_000;

/**
 * One legacy session with an upstream, shared by all isolates of one workspace, principal, capabilities and credential version:
 * that is what its name is an HMAC of. Ends itself at the upstream, and its storage, after ten idle minutes. While somebody listens it also
 * holds the upstream's own stream, of whichever era: one, however many listen, for what all of them want together.
 */
export class UpstreamSession extends DurableObject<Env> implements UpstreamSessionApi {
  readonly #keeper: SessionKeeper;
  readonly #watch: UpstreamWatch;
  readonly #now: () => number;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const platform = platformOf(env);
    this.#now = platform.now;
    this.#keeper = new SessionKeeper(platform, {
      read: () => this.#read(),
      write: (session) => this.#write(session),
      clear: () => this.#prepare().exec("delete from session"),
    });
    const drift = new Drift(platform);
    this.#watch = new UpstreamWatch(platform, this.#keeper, (notice, upstream) => {
      if (notice.type === "lists") ctx.waitUntil(drift.noticed(upstream));
      else this.#tell(notice);
    });
  }

  async open(spec: UpstreamSessionSpec, stale: string | null): Promise<{ ok: true; state: UpstreamSessionState } | UpstreamSessionFailure> {
    return this.#keeper.open(spec, stale);
  }

  /**
   * Somebody listens. Query: `upstream`, a `WatchedUpstream` as JSON. The socket then says what it wants (`Wanted`), as often as that changes,
   * and gets the URI of each updated resource; changed lists are looked into here.
   */
  override async fetch(request: Request): Promise<Response> {
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return new Response(null, { status: 500 });
    const upstream: WatchedUpstream = JSON.parse(new URL(request.url).searchParams.get("upstream") ?? "");
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment({ upstream, wanted: NOTHING } satisfies Listener);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(socket: WebSocket, text: string): void {
    const { upstream }: Listener = socket.deserializeAttachment();
    socket.serializeAttachment({ upstream, wanted: JSON.parse(text) });
    this.#follow(upstream);
  }

  override webSocketClose(socket: WebSocket): void {
    const { upstream }: Listener = socket.deserializeAttachment();
    socket.serializeAttachment({ upstream, wanted: NOTHING } satisfies Listener);
    socket.close(1000);
    this.#follow(upstream);
  }

  override async alarm(): Promise<void> {
    const usedAt = this.#keeper.usedAt;
    const due = (usedAt ?? 0) + IDLE_MS;
    if (this.#watch.active) return this.ctx.storage.setAlarm(this.#now() + IDLE_MS);
    if (usedAt !== null && this.#now() < due) return this.ctx.storage.setAlarm(due);
    await this.#keeper.end();
    // A call may have opened a new one meanwhile; that one has set its own alarm.
    if (this.#keeper.usedAt === null) await this.ctx.storage.deleteAll();
  }

  /** One upstream stream for the union of what all want. */
  #follow(upstream: WatchedUpstream): void {
    const wanted = this.ctx.getWebSockets().map((socket): Wanted => Object(socket.deserializeAttachment()).wanted);
    const uris = [...new Set(wanted.flatMap((one) => one.uris))].sort();
    this.ctx.waitUntil(this.#watch.want(upstream, { lists: wanted.some(({ lists }) => lists), uris }));
  }

  #tell({ uri }: Extract<Notice, { type: "resource" }>): void {
    for (const socket of this.ctx.getWebSockets()) {
      const { wanted }: Listener = socket.deserializeAttachment();
      if (wanted.uris.includes(uri)) socket.send(uri);
    }
  }

  #read(): KeptSession | null {
    const [row] = this.#prepare().exec("select kept from session").toArray();
    return typeof row?.kept === "string" ? keptSessionOf(row.kept) : null;
  }

  #write(session: KeptSession): void {
    this.#prepare().exec("insert into session values (1, ?) on conflict do update set kept = excluded.kept", JSON.stringify(session));
    void this.#wake(session.usedAt + IDLE_MS);
  }

  /** Tables go with `deleteAll`, the object may live on. */
  #prepare(): SqlStorage {
    const { sql } = this.ctx.storage;
    sql.exec("create table if not exists session (one integer primary key check (one = 1), kept text not null)");
    return sql;
  }

  /** A write each time would cost as much as the session: the alarm looks for itself whether it came too early. */
  async #wake(at: number): Promise<void> {
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(at);
  }
}
