/** How long what came too early waits: a call makes itself known after a second, and again within a few when its line broke. */
const WAIT_MS = 5_000;

/** What came before the call that it is for made itself known. In memory: what a restart loses ends by its own deadline. */
export class Early<T> {
  readonly #most: number;
  /** Key → what came, and Unix ms until which it waits. Oldest first. */
  readonly #waiting = new Map<string, { value: T; until: number }>();

  /** `most`: of more than that the oldest are forgotten. */
  constructor(most: number) {
    this.#most = most;
  }

  put(key: string, value: T, now: number): void {
    this.#waiting.delete(key);
    this.#waiting.set(key, { value, until: now + WAIT_MS });
    for (const [oldest, { until }] of this.#waiting) {
      if (until > now && this.#waiting.size <= this.#most) break;
      this.#waiting.delete(oldest);
    }
  }

  /** What came for it; told once. */
  take(key: string, now: number): T | null {
    const early = this.#waiting.get(key);
    this.#waiting.delete(key);
    return early && early.until > now ? early.value : null;
  }
}
