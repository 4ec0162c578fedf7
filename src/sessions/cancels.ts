/** How long a cancel waits for its call, which makes itself known only after a second. */
const WAIT_MS = 5_000;
/** Of a client that cancels more than that at once, the oldest are forgotten: cancelling is a courtesy (MCP 2025-11-25, cancellation). */
const MAX_WAITING = 2_000;

/** Cancels that came before their call made itself known. In memory: what an eviction loses ends by its own deadline. */
export class Cancels {
  /** Call → Unix ms until which its cancel waits. Oldest first. */
  readonly #waiting = new Map<string, number>();

  put(call: string, now: number): void {
    this.#waiting.delete(call);
    this.#waiting.set(call, now + WAIT_MS);
    for (const [oldest, until] of this.#waiting) {
      if (until > now && this.#waiting.size <= MAX_WAITING) break;
      this.#waiting.delete(oldest);
    }
  }

  /** Whether the call was cancelled; told once. */
  take(call: string, now: number): boolean {
    const until = this.#waiting.get(call);
    this.#waiting.delete(call);
    return until !== undefined && until > now;
  }
}
