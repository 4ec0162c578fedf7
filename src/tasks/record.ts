import type { TaskView } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";

/** A row holds 2 MiB; in UTF-16 units, of which one is at most three bytes. */
const PART_UNITS = 512 * 1024;

interface Kept {
  version: 1;
  owner: string;
  view: TaskView;
}

/** One task on disk. What came of it may be longer than a row, so the record lies there in parts. */
export class TaskRecord {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Null: none was announced here, or it has expired. */
  read(): { owner: string; view: TaskView } | null {
    if (!this.#exists()) return null;
    const rows = this.#storage.sql.exec("select text from part order by n").toArray();
    const { owner, view }: Kept = JSON.parse(rows.map(({ text }) => String(text)).join(""));
    return { owner, view };
  }

  write(owner: string, view: TaskView): void {
    const text: JsonText = JSON.stringify({ version: 1, owner, view } satisfies Kept);
    this.#storage.transactionSync(() => {
      const { sql } = this.#storage;
      sql.exec("create table if not exists part (n integer primary key, text text not null)");
      sql.exec("delete from part");
      partsOf(text).forEach((part, n) => sql.exec("insert into part values (?, ?)", n, part));
    });
  }

  /** Resolves when what was written is on disk. */
  durable(): Promise<void> {
    return this.#storage.sync();
  }

  /** Looking makes no table: most calls end before they are tasks, and are to leave nothing behind. */
  #exists(): boolean {
    return this.#storage.sql.exec("select 1 from sqlite_master where name = 'part'").toArray().length > 0;
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
