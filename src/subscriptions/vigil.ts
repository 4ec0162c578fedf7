import { stop, type Timer } from "../lib/clock.ts";
import { LOOK_MS } from "./trunk.ts";

/** What let a stream be opened may be five seconds old, and the right lost before the Hub knew of it. */
const FIRST_CHECK_MS = 6_000;
/** Of so many looks at the line one is at the right as well, every five minutes: a backstop, the Authority tells the Hub to close the streams of a lost right at once. */
const RECHECKED = 20;

interface Duties {
  /** At the line, every `LOOK_MS`. */
  look(): void;
  /** At the right behind the stream. */
  check(): void;
  /** Its time is over. */
  over(): void;
}

/** Looks after an open stream, with one timer for everything: an idle stream is little more than its timers (docs/performance.md). */
export class Vigil {
  readonly #now: () => number;
  readonly #until: number;
  readonly #duties: Duties;
  #timer: Timer | null = null;
  #lookAt: number;
  #checkAt = Infinity;
  #looks = 0;

  /** `until`: Unix ms. */
  constructor(now: () => number, until: number, duties: Duties) {
    this.#now = now;
    this.#until = until;
    this.#duties = duties;
    this.#lookAt = now() + LOOK_MS;
    this.#arm();
  }

  /** The right has to be looked at once more, when whoever took it away has surely told. */
  checkSoon(): void {
    this.#checkAt = this.#now() + FIRST_CHECK_MS;
    this.#arm();
  }

  end(): void {
    stop(this.#timer);
  }

  #arm(): void {
    stop(this.#timer);
    const next = Math.min(this.#lookAt, this.#checkAt, this.#until);
    this.#timer = setTimeout(() => this.#ring(), Math.max(0, next - this.#now()));
  }

  #ring(): void {
    const now = this.#now();
    if (now >= this.#until) return this.#duties.over();
    if (now >= this.#lookAt) this.#look(now);
    if (now >= this.#checkAt) {
      this.#checkAt = Infinity;
      this.#duties.check();
    }
    this.#arm();
  }

  #look(now: number): void {
    this.#lookAt = now + LOOK_MS;
    this.#duties.look();
    if (++this.#looks % RECHECKED === 0) this.#checkAt = now;
  }
}
