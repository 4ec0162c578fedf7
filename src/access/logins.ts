import type { PendingLogin } from "../model/context.ts";

type Row = { id: string; connection: string; sealed: string; expires_at: number };

/** Logins to upstreams that an authorization server has yet to answer: one a connection, each good once. */
export class Logins {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put({ id, connection, sealed, expiresAt }: PendingLogin, principal: string, now: number): void {
    this.#sql.exec("delete from login where connection = ? or expires_at <= ?", connection, now);
    this.#sql.exec("insert into login (id, connection, principal, sealed, expires_at) values (?, ?, ?, ?, ?)", id, connection, principal, sealed, expiresAt);
  }

  take(id: string, now: number): PendingLogin | null {
    const row = this.#sql.exec<Row>("delete from login where id = ? returning id, connection, sealed, expires_at", id).toArray()[0];
    if (!row || row.expires_at <= now) return null;
    return { id: row.id, connection: row.connection, sealed: row.sealed, expiresAt: row.expires_at };
  }

  removeOf(connection: string): void {
    this.#sql.exec("delete from login where connection = ?", connection);
  }

  /** Of somebody who has lost the right to begin one. */
  removeBegunBy(principal: string): void {
    this.#sql.exec("delete from login where principal = ?", principal);
  }
}
