import { log } from "../lib/log.ts";

const BACKOFF_MS = 1_000;
const MOST_BACKOFF_MS = 60_000;

/** One of those whom an object tells by alarm what was changed. Each is told, fails and is tried again by itself: it holds up no other. */
export class Receiver {
  readonly #who: { receiver: string; workspace: string | undefined };
  readonly #due: () => number | null;
  readonly #tell: (now: number) => Promise<void>;
  #failures = 0;
  /** Unix ms before which it is not tried again. */
  #notBefore = 0;
  #busy = false;

  /**
   * `who` is for the log. `due`: Unix ms from which there is something to tell; null: nothing. `tell` gets the time that it is due at or after; when it
   * fails it is called again, after 1 s, 2 s, … a minute.
   */
  constructor(who: { receiver: string; workspace: string | undefined }, due: () => number | null, tell: (now: number) => Promise<void>) {
    this.#who = who;
    this.#due = due;
    this.#tell = tell;
  }

  /** Unix ms at which to tell; null: nothing is left. While it is being told: in a minute, in case the object is lost meanwhile. */
  due(now: number): number | null {
    if (this.#busy) return now + MOST_BACKOFF_MS;
    const due = this.#due();
    return due === null ? null : Math.max(due, this.#notBefore);
  }

  /** There is news: it is worth trying at once. */
  hurry(): void {
    this.#notBefore = 0;
  }

  /** Tells, if that is due and is not being done. Does not fail. */
  async tell(now: number): Promise<void> {
    const due = this.due(now);
    if (due === null || due > now) return;
    this.#busy = true;
    try {
      await this.#tell(now);
      this.#failures = 0;
    } catch (error) {
      this.#notBefore = now + Math.min(MOST_BACKOFF_MS, BACKOFF_MS * 2 ** this.#failures++);
      log("error", "a change could not be told yet", { ...this.#who, error });
    } finally {
      this.#busy = false;
    }
  }
}
