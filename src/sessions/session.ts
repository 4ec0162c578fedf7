import { DurableObject } from "cloudflare:workers";
import { LOG_LEVELS, type LogLevel } from "../model/call.ts";
import type { SessionApi } from "../model/context.ts";
import type { Answer } from "./line.ts";
import { type Env, platformOf } from "../platform.ts";
import { Parking } from "./parking.ts";

/**
 * The state of one legacy session that needs some: its log level and its resource subscriptions. Comes into being
 * with the first of them, ends with the session id's own expiry, by alarm. Under a name of its own it is the place
 * where one call runs that may ask in the middle, of whichever era its client is.
 */
export class Session extends DurableObject<Env> implements SessionApi {
  readonly #now = platformOf(this.env).now;
  readonly #parking = new Parking(this.#now, () => void this.ctx.storage.setAlarm(this.#now()));

  /** `until`: Unix ms at which the session id expires. */
  async setLevel(level: LogLevel, until: number): Promise<void> {
    this.#sql().exec("insert into level values (1, ?) on conflict do update set name = excluded.name", level);
    await this.#keepUntil(until);
  }

  /** Null: the client never set one. */
  async level(): Promise<LogLevel | null> {
    const [row] = this.#sql().exec("select name from level").toArray();
    return LOG_LEVELS.find((level) => level === row?.name) ?? null;
  }

  async subscribe(uri: string, until: number): Promise<void> {
    this.#sql().exec("insert into subscription values (?) on conflict do nothing", uri);
    await this.#keepUntil(until);
  }

  async unsubscribe(uri: string): Promise<void> {
    this.#sql().exec("delete from subscription where uri = ?", uri);
  }

  override async fetch(request: Request): Promise<Response> {
    return new URL(request.url).pathname === "/line" ? this.#line() : this.#parking.fetch(request);
  }

  /** The line of a call that asks: it sends the ids of its open questions, and gets their answers. */
  #line(): Response {
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return new Response(null, { status: 500 });
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(line: WebSocket, ids: string): void {
    line.serializeAttachment(JSON.parse(ids));
  }

  override webSocketClose(line: WebSocket): void {
    line.close(1000);
  }

  async answer(answer: Answer): Promise<boolean> {
    const line = this.ctx.getWebSockets().find((open) => asksFor(open, answer.id));
    line?.send(JSON.stringify(answer));
    return line !== undefined;
  }

  async end(): Promise<void> {
    await this.ctx.storage.deleteAll();
  }

  /**
   * A session's end; or a call has begun to wait. Without a request an object is evicted after a minute or two, whatever it
   * awaits, so this event lasts as long as the call (15 minutes are allowed). Run again after an eviction it finds nothing, and tidies up.
   */
  override async alarm(): Promise<void> {
    await this.#parking.over;
    await this.ctx.storage.deleteAll();
  }

  /** Tables go with `deleteAll`, the object may live on. */
  #sql(): SqlStorage {
    const { sql } = this.ctx.storage;
    sql.exec(`
      create table if not exists level (one integer primary key check (one = 1), name text not null);
      create table if not exists subscription (uri text primary key);
    `);
    return sql;
  }

  async #keepUntil(until: number): Promise<void> {
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(until);
  }
}

function asksFor(line: WebSocket, id: string): boolean {
  const ids: unknown = line.deserializeAttachment();
  return Array.isArray(ids) && ids.includes(id);
}
