import { batchOf } from "../audit/batch.ts";
import { newId } from "../lib/ids.ts";
import type { ChangeRecord } from "../model/audit.ts";
import { FRESH_MS } from "../model/catalog.ts";
import type { ListChange } from "../model/change.ts";
import type { Actor, AuditBatch } from "../model/context.ts";

type Row = {
  seq: number;
  id: string;
  at: number;
  principal: string;
  principal_name: string;
  action: string;
  subject: string;
  request_id: string;
};

/** Records a message carries: of at most 1.3 kB each, so well under the 128 kB of a queue message. */
const BATCH = 50;
const NAME_CHARS = 200;

/**
 * What a change still has to tell others: its audit record, the principals whose streams end, the lists that changed. Written in the change's own
 * transaction, sent by the alarm, and taken out once the receiver has it: at least once, so receivers drop a record id they know.
 */
export class Outbox {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(at: number, action: string, subject: string, actor: Actor): void {
    this.#sql.exec(
      "insert into change (id, at, principal, principal_name, action, subject, request_id) values (?, ?, ?, ?, ?, ?, ?)",
      newId("aud"),
      at,
      actor.principal.slice(0, NAME_CHARS),
      actor.name.slice(0, NAME_CHARS),
      action,
      subject.slice(0, NAME_CHARS),
      actor.requestId.slice(0, NAME_CHARS),
    );
  }

  addClosing(principal: string): void {
    this.#sql.exec("insert or ignore into closing (principal) values (?)", principal);
  }

  /** Due when no list is stale any more. What is overdue waits for it, as it says the same: so only the moves of the last second are kept. */
  addAnnouncement(at: number, changes: readonly ListChange[]): void {
    for (const { type } of changes) {
      this.#sql.exec("delete from announcement where type = ? and due <= ?", type, at);
      this.#sql.exec("insert or ignore into announcement (type, due) values (?, ?)", type, at + FRESH_MS);
    }
  }

  hasRecords(): boolean {
    return this.#sql.exec("select 1 from change limit 1").toArray().length > 0;
  }

  hasClosings(): boolean {
    return this.#sql.exec("select 1 from closing limit 1").toArray().length > 0;
  }

  /** Unix ms; null: nothing is to be announced. */
  announcementDue(): number | null {
    return this.#sql.exec<{ due: number | null }>("select min(due) as due from announcement").one().due;
  }

  /** Sends every record, oldest first. */
  async drain(workspace: string, send: (batch: AuditBatch) => Promise<unknown>): Promise<void> {
    for (;;) {
      const rows = this.#sql.exec<Row>("select * from change order by seq limit ?", BATCH).toArray();
      const last = rows.at(-1);
      if (!last) return;
      await send(batchOf(rows.map((row) => JSON.stringify(recordOf(row, workspace)))));
      this.#sql.exec("delete from change where seq <= ?", last.seq);
    }
  }

  /** Has the streams of each principal that lost its right ended. */
  async close(close: (principal: string) => Promise<void>): Promise<void> {
    for (const { principal } of this.#sql.exec<{ principal: string }>("select principal from closing").toArray()) {
      await close(principal);
      this.#sql.exec("delete from closing where principal = ?", principal);
    }
  }

  /** Announces what is due by `now`. */
  async announce(now: number, announce: (changes: ListChange[]) => Promise<void>): Promise<void> {
    await announce(this.#sql.exec<ListChange>("select distinct type from announcement where due <= ?", now).toArray());
    this.#sql.exec("delete from announcement where due <= ?", now);
  }
}

function recordOf(row: Row, workspace: string): ChangeRecord {
  return {
    type: "change",
    id: row.id,
    workspace,
    at: row.at,
    principal: row.principal,
    principalName: row.principal_name,
    action: row.action,
    subject: row.subject,
    requestId: row.request_id,
  };
}
