import { LOG_LEVELS, type LogLevel } from "../model/call.ts";

/** More resources than this in one session are a mistake, and have to fit the Hub's socket attachment (16 KiB). */
const MAX_URIS = 100;
const MAX_URI_CHARS = 12_000;

/**
 * What a legacy session keeps on disk: its log level and its resource subscriptions. The tables are made with the first of them,
 * so an object that only passes messages on stores nothing and leaves nothing behind.
 */
export class KeptState {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  setLevel(level: LogLevel): void {
    this.#prepare().exec("insert into level values (1, ?) on conflict do update set name = excluded.name", level);
  }

  /** Null: the client never set one. */
  level(): LogLevel | null {
    if (!this.#exists()) return null;
    const [row] = this.#sql.exec("select name from level").toArray();
    return LOG_LEVELS.find((level) => level === row?.name) ?? null;
  }

  /** False when the session has as many as it may have. */
  subscribe(uri: string): boolean {
    const others = this.uris().filter((kept) => kept !== uri);
    if (others.length >= MAX_URIS || others.join("").length + uri.length > MAX_URI_CHARS) return false;
    this.#prepare().exec("insert into subscription values (?) on conflict do nothing", uri);
    return true;
  }

  unsubscribe(uri: string): void {
    if (this.#exists()) this.#sql.exec("delete from subscription where uri = ?", uri);
  }

  uris(): string[] {
    if (!this.#exists()) return [];
    return this.#sql.exec("select uri from subscription order by uri").toArray().map(({ uri }) => String(uri));
  }

  /** Unix ms at which the session id expires, and this with it; null: nothing is kept. What an older version kept is due. */
  until(): number | null {
    if (!this.#exists()) return null;
    if (this.#sql.exec("select 1 from sqlite_master where name = 'expiry'").toArray().length === 0) return 0;
    const [row] = this.#sql.exec("select at from expiry").toArray();
    return typeof row?.at === "number" ? row.at : 0;
  }

  keepUntil(at: number): void {
    this.#prepare().exec("insert into expiry values (1, ?) on conflict do update set at = excluded.at", at);
  }

  /** Tables go with `deleteAll`, the object may live on. */
  #exists(): boolean {
    return this.#sql.exec("select 1 from sqlite_master where name = 'subscription'").toArray().length > 0;
  }

  #prepare(): SqlStorage {
    this.#sql.exec(`
      create table if not exists level (one integer primary key check (one = 1), name text not null);
      create table if not exists subscription (uri text primary key);
      create table if not exists expiry (one integer primary key check (one = 1), at integer not null);
    `);
    return this.#sql;
  }
}
