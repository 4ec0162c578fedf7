import { PartedText } from "../lib/parts.ts";
import type { TaskView } from "../model/context.ts";

interface Kept {
  version: 1;
  owner: string;
  view: TaskView;
}

/** One task on disk, with what came of it. */
export class TaskRecord {
  readonly #storage: DurableObjectStorage;
  readonly #text: PartedText;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#text = new PartedText(storage, "part");
  }

  /** Null: none was announced here, or it has expired. */
  read(): { owner: string; view: TaskView } | null {
    const text = this.#text.read();
    if (text === null) return null;
    const { owner, view }: Kept = JSON.parse(text);
    return { owner, view };
  }

  write(owner: string, view: TaskView): void {
    this.#text.write(JSON.stringify({ version: 1, owner, view } satisfies Kept));
  }

  /** Resolves when what was written is on disk. */
  durable(): Promise<void> {
    return this.#storage.sync();
  }
}
