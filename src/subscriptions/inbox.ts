import { wait } from "../lib/clock.ts";
import type { Change } from "../model/change.ts";

/** Changes that come within this time are told together, each once: one publish or one busy upstream is many of them. */
const WINDOW_MS = 50;

/** Changes on their way to one listener, gathered while it is busy or the window lasts. */
export class Inbox {
  #waiting: Change[] = [];
  #closed = false;
  #wake: (() => void) | null = null;

  put(changes: Change[]): void {
    this.#waiting.push(...changes);
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** What has arrived, without repetitions, waiting for at least one; null once closed and empty. */
  async take(): Promise<Change[] | null> {
    while (this.#waiting.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (!this.#closed) await wait(WINDOW_MS);
    const changes = new Map(this.#waiting.map((change) => [JSON.stringify(change), change]));
    this.#waiting = [];
    return changes.size > 0 ? [...changes.values()] : null;
  }
}
