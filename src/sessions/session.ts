import { DurableObject } from "cloudflare:workers";
import { LOG_LEVELS, type LogLevel } from "../model/call.ts";
import type { SessionApi } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import type { Answer } from "./line.ts";
import type { Env } from "../platform.ts";

const STREAM = "stream";

/**
 * The state of one legacy session that needs some: its log level and its resource subscriptions. Comes into being
 * with the first of them, ends with the session id's own expiry, by alarm.
 */
export class Session extends DurableObject<Env> implements SessionApi {
  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.storage.sql.exec(`
      create table if not exists level (one integer primary key check (one = 1), name text not null);
      create table if not exists subscription (uri text primary key);
    `);
  }

  /** `until`: Unix ms at which the session id expires. */
  async setLevel(level: LogLevel, until: number): Promise<void> {
    this.ctx.storage.sql.exec("insert into level values (1, ?) on conflict do update set name = excluded.name", level);
    await this.#keepUntil(until);
  }

  /** Null: the client never set one. */
  async level(): Promise<LogLevel | null> {
    const [row] = this.ctx.storage.sql.exec("select name from level").toArray();
    return LOG_LEVELS.find((level) => level === row?.name) ?? null;
  }

  async subscribe(uri: string, until: number): Promise<void> {
    this.ctx.storage.sql.exec("insert into subscription values (?) on conflict do nothing", uri);
    await this.#keepUntil(until);
  }

  async unsubscribe(uri: string): Promise<void> {
    this.ctx.storage.sql.exec("delete from subscription where uri = ?", uri);
  }

  /** The line of a call that asks: it sends the ids of its open questions, and gets their answers. At `/stream` the line of an HTTP+SSE stream. */
  override async fetch(request: Request): Promise<Response> {
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return new Response(null, { status: 500 });
    this.ctx.acceptWebSocket(server, new URL(request.url).pathname === "/stream" ? [STREAM] : []);
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

  async deliver(message: JsonText): Promise<boolean> {
    const [stream] = this.ctx.getWebSockets(STREAM);
    stream?.send(message);
    return stream !== undefined;
  }

  async end(): Promise<void> {
    await this.ctx.storage.deleteAll();
  }

  override async alarm(): Promise<void> {
    await this.ctx.storage.deleteAll();
  }

  async #keepUntil(until: number): Promise<void> {
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(until);
  }
}

function asksFor(line: WebSocket, id: string): boolean {
  const ids: unknown = line.deserializeAttachment();
  return Array.isArray(ids) && ids.includes(id);
}
