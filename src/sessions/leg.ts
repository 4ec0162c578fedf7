import { lineText } from "../lib/lines.ts";
import type { Notification } from "../model/call.ts";
import type { LegEnd, LegLine } from "../targets/mcp/leg.ts";

/** How long the end of a leg is given again to who asks with the same answers: a client whose connection broke tries again. */
export const KEPT_MS = 60_000;

type Reader = ReadableStreamDefaultController<Uint8Array>;

/** What one request of the client hears of a call. Who asks again with the same answers reads along, or gets the end. */
export class Leg {
  readonly answers: string;
  readonly #now: () => number;
  readonly #left: () => void;
  readonly #readers = new Set<Reader>();
  readonly #encoder = new TextEncoder();
  #end: { bytes: Uint8Array; at: number } | null = null;

  /** `left`: the last reader has gone before the end. */
  constructor(answers: string, now: () => number, left: () => void) {
    this.answers = answers;
    this.#now = now;
    this.#left = left;
  }

  get isKept(): boolean {
    return this.#end === null || this.#now() - this.#end.at <= KEPT_MS;
  }

  open(): ReadableStream<Uint8Array> {
    let own: Reader | null = null;
    return new ReadableStream<Uint8Array>({
      start: (reader) => {
        own = reader;
        if (this.#end) close(reader, this.#end.bytes);
        else this.#readers.add(reader);
      },
      cancel: () => {
        if (own) this.#readers.delete(own);
        if (this.#readers.size === 0 && !this.#end) this.#left();
      },
    });
  }

  write(notification: Notification): void {
    const bytes = this.#encoder.encode(lineText<LegLine>({ type: "notification", notification }));
    for (const reader of this.#readers) reader.enqueue(bytes);
  }

  finish(end: LegEnd): void {
    const bytes = this.#encoder.encode(lineText<LegLine>(end));
    this.#end = { bytes, at: this.#now() };
    for (const reader of this.#readers) close(reader, bytes);
    this.#readers.clear();
  }
}

function close(reader: Reader, bytes: Uint8Array): void {
  reader.enqueue(bytes);
  reader.close();
}
