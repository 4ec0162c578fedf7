import type { Notification } from "../model/call.ts";
import type { ProgressReport } from "./task.ts";

/** How far above the last value a report goes that would not rise by itself. */
const SMALL_STEP = 0.001;

/**
 * The notifications of a run on their way to its client. Nodes run in parallel, so their reports are brought into one order in
 * which `progress` always rises (MCP 2026-07-28, progress). Nothing is kept for a client that did not ask.
 */
export class Progress {
  readonly #wanted: boolean;
  readonly #queue: Notification[] = [];
  #last = -Infinity;
  #closed = false;
  #wake: (() => void) | null = null;

  constructor(wanted: boolean) {
    this.#wanted = wanted;
  }

  report({ value, total, message }: ProgressReport): void {
    if (!this.#wanted || this.#closed) return;
    const wanted = value ?? (this.#last === -Infinity ? 1 : this.#last + 1);
    this.#last = wanted > this.#last ? wanted : this.#last + SMALL_STEP;
    const params = { progress: this.#last, ...(total !== null && total >= this.#last && { total }), ...(message !== null && { message }) };
    this.#queue.push({ method: "notifications/progress", params: JSON.stringify(params) });
    this.#call();
  }

  close(): void {
    this.#closed = true;
    this.#call();
  }

  /** The next notification, waiting for it; null at the end. */
  async next(): Promise<Notification | null> {
    for (;;) {
      const first = this.#queue.shift();
      if (first) return first;
      if (this.#closed) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #call(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
