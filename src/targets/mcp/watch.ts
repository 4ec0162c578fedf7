import { GatewayError } from "../../model/error.ts";
import type { Cuttable } from "../../lib/abort.ts";
import { stop, type Timer, within } from "../../lib/clock.ts";
import type { Link } from "./link.ts";

export interface WatchOptions {
  /** Unix ms at which the exchange ends, whatever comes in. */
  until: number;
  /** Runs when the exchange is cut short, before its request is closed; waited for at most a second. Never rejects. */
  onCancel?: () => Promise<void>;
}

const CANCEL_NOTICE_MS = 1_000;

/**
 * Ends one exchange with an upstream: when the call is cut, when the first byte or the next event is late, at the deadline.
 * One controller and one timer, which is moved only when it fires: signals and timers are dear on the hot path.
 */
export class Watch {
  readonly #controller = new AbortController();
  readonly #options: WatchOptions;
  readonly #link: Link;
  #limit: number;
  #since: number;
  #answered = false;
  #timer: Timer | null = null;
  #over = false;
  #until: number;
  /** Questions of the upstream that someone has yet to answer, and what was left of the time when the first came. */
  #held = 0;
  #left = 0;
  #forget = (): void => {};

  constructor(link: Link, outer: Cuttable, options: WatchOptions) {
    this.#link = link;
    this.#options = options;
    this.#limit = link.limits.firstByteMs;
    this.#since = link.now();
    this.#until = options.until;
    this.#forget = outer.onCut(this.#cancel);
    this.#arm();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The answer has begun: from now on the time between events counts. */
  answered(): void {
    this.#answered = true;
    this.#limit = this.#link.limits.idleMs;
    this.active();
    // The timer only ever moves later by itself.
    if (this.#limit < this.#link.limits.firstByteMs) this.#arm();
  }

  /** Something that means something came in; comments do not. */
  active(): void {
    this.#since = this.#link.now();
  }

  /** The upstream waits for us: until as many calls of `go` no time counts. */
  hold(): void {
    if (this.#held++ > 0) return;
    this.#left = this.#until - this.#link.now();
    stop(this.#timer);
  }

  go(): void {
    if (--this.#held > 0) return;
    this.#until = this.#link.now() + this.#left;
    this.active();
    this.#arm();
  }

  /** The exchange is over: lets go of timer and listener. What is still unread, its reader gives up. */
  close(): void {
    this.#over = true;
    stop(this.#timer);
    this.#forget();
  }

  #due(): number {
    return Math.min(this.#since + this.#limit, this.#until);
  }

  #arm(): void {
    if (this.#over || this.#held > 0) return;
    stop(this.#timer);
    this.#timer = setTimeout(this.#check, Math.max(0, this.#due() - this.#link.now()));
  }

  readonly #check = (): void => {
    if (this.#link.now() < this.#due()) return this.#arm();
    void this.#finish(new GatewayError("timeout", this.#lateness(), { data: { reason: this.#answered ? "idle" : "first_byte" } }));
  };

  #lateness(): string {
    if (this.#link.now() >= this.#until) return "the upstream did not finish within the time the call has";
    if (this.#answered) return `the upstream sent nothing for ${this.#limit} ms`;
    return `the upstream did not answer within ${this.#limit} ms`;
  }

  readonly #cancel = (reason: unknown): void => {
    if (this.#timer) return void this.#finish(reason);
    // Before it began: there is nothing to tell the upstream.
    this.#over = true;
    this.#end(reason);
  };

  async #finish(reason: unknown): Promise<void> {
    if (this.#over) return;
    this.close();
    if (this.#options.onCancel) await within(CANCEL_NOTICE_MS, this.#options.onCancel());
    this.#end(reason);
  }

  #end(reason: unknown): void {
    this.#controller.abort(reason instanceof GatewayError ? reason : new GatewayError("cancelled", "the call was cancelled", { cause: reason }));
  }
}
