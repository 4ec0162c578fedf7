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
 * Whether the caller is still there is looked at no sooner: to end what ends by itself by then would save nothing, and listening to a client
 * is a tenth of what a short call costs (docs/performance.md).
 */
const LOOK_MS = 25;

/**
 * Ends one exchange with an upstream: when the call is cut, within `LOOK_MS` of its start; when the first byte or the next event is late; at the
 * deadline. One controller and one timer, which is moved only when it fires: signals and timers are dear on the hot path.
 */
export class Watch {
  readonly #controller = new AbortController();
  readonly #options: WatchOptions;
  readonly #link: Link;
  readonly #outer: Cuttable;
  #limit: number;
  #since: number;
  #answered = false;
  #listens = false;
  #timer: Timer | null = null;
  #over = false;
  #until: number;
  /** Questions of the upstream that someone has yet to answer, and what was left of the time when the first came. */
  #held = 0;
  #left = 0;
  #forget = (): void => {};

  constructor(link: Link, outer: Cuttable, options: WatchOptions) {
    this.#link = link;
    this.#outer = outer;
    this.#options = options;
    this.#limit = link.limits.firstByteMs;
    this.#since = link.now();
    this.#until = options.until;
    const reason = outer.cutBy();
    // Before it began: there is nothing to tell the upstream.
    this.#over = reason !== null;
    if (this.#over) this.#end(reason);
    else this.#arm();
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
    if (this.#listens && this.#limit < this.#link.limits.firstByteMs) this.#arm();
  }

  /** Something that means something came in; comments do not. */
  active(): void {
    this.#since = this.#link.now();
  }

  /** The upstream waits for us: until as many calls of `go` no time counts. */
  hold(): void {
    if (this.#held++ > 0) return;
    this.#listen();
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
    const left = Math.max(0, this.#due() - this.#link.now());
    this.#timer = setTimeout(this.#check, this.#listens ? left : Math.min(left, LOOK_MS));
  }

  #listen(): void {
    if (this.#listens) return;
    this.#listens = true;
    this.#forget = this.#outer.onCut((reason) => void this.#finish(reason));
  }

  readonly #check = (): void => {
    this.#listen();
    if (this.#link.now() < this.#due()) return this.#arm();
    void this.#finish(new GatewayError("timeout", this.#lateness(), { data: { reason: this.#answered ? "idle" : "first_byte" } }));
  };

  #lateness(): string {
    if (this.#link.now() >= this.#until) return "the upstream did not finish within the time the call has";
    if (this.#answered) return `the upstream sent nothing for ${this.#limit} ms`;
    return `the upstream did not answer within ${this.#limit} ms`;
  }

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
