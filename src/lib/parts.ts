import type { JsonText } from "../model/json.ts";

/** A row holds 2 MiB; in UTF-16 units, of which one is at most three bytes. */
const PART_UNITS = 512 * 1024;

/** One text in an object's storage that may be longer than a row, so it lies there in parts, in a table of its own. */
export class PartedText {
  readonly #storage: DurableObjectStorage;
  readonly #table: string;

  constructor(storage: DurableObjectStorage, table: string) {
    this.#storage = storage;
    this.#table = table;
  }

  /** Null: nothing was written. Looking makes no table: an object that nobody wrote to is to leave nothing behind. */
  read(): JsonText | null {
    const { sql } = this.#storage;
    if (sql.exec("select 1 from sqlite_master where name = ?", this.#table).toArray().length === 0) return null;
    const rows = sql.exec(`select text from ${this.#table} order by n`).toArray();
    return rows.length === 0 ? null : rows.map(({ text }) => String(text)).join("");
  }

  /** Null takes it away. */
  write(text: JsonText | null): void {
    this.#storage.transactionSync(() => {
      const { sql } = this.#storage;
      sql.exec(`create table if not exists ${this.#table} (n integer primary key, text text not null)`);
      sql.exec(`delete from ${this.#table}`);
      partsOf(text ?? "").forEach((part, n) => sql.exec(`insert into ${this.#table} values (?, ?)`, n, part));
    });
  }
}

/** Never cut between the two units of one character: half of one is not kept. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = at + PART_UNITS;
    const cut = isLowSurrogate(text.charCodeAt(end)) ? end + 1 : end;
    parts.push(text.slice(at, cut));
    at = cut;
  }
  return parts;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
