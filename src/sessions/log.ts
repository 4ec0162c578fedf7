import type { JsonText } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";

/** One message of a stream, under its number there. */
export interface Logged {
  seq: number;
  text: JsonText;
  /** The stream ended with it. */
  last: boolean;
}

type Bounds = Pick<Limits, "replayEvents" | "replayBytes" | "replayMs">;

/** A client may have heard what has not arrived here yet; so much of it is no sign of a number that was made up. */
const AHEAD = 100;

/**
 * What a session's streams said of late, for a client whose connection broke: bounded over all streams together by number, bytes and age, the oldest
 * go first. A message that is larger than the bound is not kept, and nothing before it can be resumed from. The tables are made with
 * the first stream.
 */
export class ReplayLog {
  readonly #sql: SqlStorage;
  readonly #bounds: Bounds;
  readonly #now: () => number;
  /** Of all rows; null: not counted since the object woke up. */
  #held: { events: number; bytes: number } | null = null;

  constructor(sql: SqlStorage, bounds: Bounds, now: () => number) {
    this.#sql = sql;
    this.#bounds = bounds;
    this.#now = now;
  }

  /** Makes the stream known; one that is known stays as it is. */
  begin(stream: string): void {
    this.#prepare().exec("insert into stream values (?, 1, 0, ?) on conflict do nothing", stream, this.#now());
  }

  /** The next free number of the stream; 1 for one that is not known. */
  next(stream: string): number {
    return this.#stream(stream)?.next ?? 1;
  }

  /** Keeps a message; null: it was too large for its sender to hand over. One under a number that was given already changes nothing. */
  append(stream: string, seq: number, text: JsonText | null, last = false): void {
    this.begin(stream);
    const kept = this.#count();
    const bytes = text === null ? Infinity : new TextEncoder().encode(text).length;
    const taken = this.next(stream) > seq;
    if (taken) return;
    this.#sql.exec("update stream set next = ?, at = ? where name = ?", seq + 1, this.#now(), stream);
    if (text === null || bytes > this.#bounds.replayBytes) return this.#cut(stream, seq);
    this.#sql.exec("insert into logged (stream, seq, at, bytes, last, message) values (?, ?, ?, ?, ?, ?)", stream, seq, this.#now(), bytes, last ? 1 : 0, text);
    kept.events++;
    kept.bytes += bytes;
    this.prune();
  }

  /** What the stream said after a number; null when some of that is not kept, or the stream is not known. */
  since(stream: string, after: number): Logged[] | null {
    const known = this.#stream(stream);
    if (!known || after < known.floor || after > known.next + AHEAD) return null;
    const rows = this.#sql.exec("select seq, message, last from logged where stream = ? and seq > ? order by seq", stream, after).toArray();
    return rows.map(({ seq, message, last }) => ({ seq: Number(seq), text: String(message), last: last === 1 }));
  }

  /** Whether its end is kept. */
  hasEnd(stream: string): boolean {
    return this.#exists() && this.#sql.exec("select 1 from logged where stream = ? and last = 1", stream).toArray().length > 0;
  }

  /** Drops what is too old or too much. */
  prune(): void {
    if (!this.#exists()) return;
    const { replayEvents, replayBytes, replayMs } = this.#bounds;
    const kept = this.#count();
    const oldest = this.#now() - replayMs;
    for (;;) {
      const [row] = this.#sql.exec("select n, stream, seq, at, bytes from logged order by n limit 1").toArray();
      if (!row || (Number(row.at) > oldest && kept.events <= replayEvents && kept.bytes <= replayBytes)) break;
      this.#cut(String(row.stream), Number(row.seq));
    }
    this.#sql.exec("delete from stream where at <= ? and name not in (select stream from logged)", oldest);
  }

  /** Unix ms after which nothing is left; null: nothing is kept. */
  until(): number | null {
    if (!this.#exists()) return null;
    const [row] = this.#sql.exec("select max(at) as at from stream").toArray();
    return typeof row?.at === "number" ? row.at + this.#bounds.replayMs : null;
  }

  /** Nothing up to this number can be had again. */
  #cut(stream: string, seq: number): void {
    const gone = this.#sql.exec("delete from logged where stream = ? and seq <= ? returning bytes", stream, seq).toArray();
    this.#sql.exec("update stream set floor = max(floor, ?) where name = ?", seq, stream);
    const kept = this.#count();
    kept.events -= gone.length;
    kept.bytes -= gone.reduce((sum, { bytes }) => sum + Number(bytes), 0);
  }

  #stream(name: string): { next: number; floor: number } | null {
    if (!this.#exists()) return null;
    const [row] = this.#sql.exec("select next, floor from stream where name = ?", name).toArray();
    return row ? { next: Number(row.next), floor: Number(row.floor) } : null;
  }

  #count(): { events: number; bytes: number } {
    if (this.#held && this.#exists()) return this.#held;
    const [row] = this.#prepare().exec("select count(*) as events, coalesce(sum(bytes), 0) as bytes from logged").toArray();
    return (this.#held = { events: Number(row?.events), bytes: Number(row?.bytes) });
  }

  /** Tables go with `deleteAll`, the object may live on. */
  #exists(): boolean {
    return this.#sql.exec("select 1 from sqlite_master where name = 'logged'").toArray().length > 0;
  }

  #prepare(): SqlStorage {
    if (this.#exists()) return this.#sql;
    this.#held = null;
    this.#sql.exec(`
      create table stream (name text primary key, next integer not null, floor integer not null, at integer not null);
      create table logged (
        n integer primary key autoincrement, stream text not null, seq integer not null, at integer not null,
        bytes integer not null, last integer not null, message text not null, unique (stream, seq)
      );
    `);
    return this.#sql;
  }
}
