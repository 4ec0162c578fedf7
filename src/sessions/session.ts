import { DurableObject } from "cloudflare:workers";
import { LOG_LEVELS, type LogLevel } from "../model/call.ts";
import type { SessionApi } from "../model/context.ts";
import type { Env } from "../platform.ts";

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
