import { stop, type Timer } from "../lib/clock.ts";
import { GatewayError } from "../model/error.ts";

/** How long a legacy call goes on after its client's connection is lost: there a disconnect is no cancellation. */
const LEGACY_GRACE_MS = 25_000;

/** Who waits for the call: a request, whose signal costs something to look at. */
export interface Client {
  readonly signal: AbortSignal;
}

/**
 * The one abort signal of a call, made on first use. Signals and timers are among the dearest things on the hot
 * path, and a call that never waits for the outside needs neither.
 */
export class CallSignal {
  readonly #client: Client | null;
  readonly #disconnectCancels: boolean;
  readonly #deadline: number;
  readonly #now: () => number;
  #controller: AbortController | null = null;
  #reason: GatewayError | null = null;
  #timer: Timer | null = null;
  /** Runs when somebody first asks for the signal, or to be told: only then is there something to end. */
  onArm: (() => void) | null = null;
  #listens = false;
  #released = false;
  #listeners: Set<(reason: unknown) => void> | null = null;

  constructor(options: { client: Client | null; disconnectCancels: boolean; deadline: number; now: () => number }) {
    this.#client = options.client;
    this.#disconnectCancels = options.disconnectCancels;
    this.#deadline = options.deadline;
    this.#now = options.now;
  }

  get signal(): AbortSignal {
    return (this.#controller ?? this.#arm()).signal;
  }

  abort(reason: GatewayError): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.release();
    this.#controller?.abort(reason);
    for (const listener of this.#listeners ?? []) listener(reason);
  }

  /** Null also for a call whose client has left unseen: to look at the client is what costs. */
  cutBy(): GatewayError | null {
    return this.#reason;
  }

  /** Hears of the end, at once when it was already; not of the deadline, which needs a timer that the listener has anyway. */
  onCut(listener: (reason: unknown) => void): () => void {
    this.#listen();
    if (this.#reason) listener(this.#reason);
    else (this.#listeners ??= new Set()).add(listener);
    return () => this.#listeners?.delete(listener);
  }

  /** The call has ended: from now on nothing ends it. Its listener stays with the client's signal, for taking it away costs as much as putting it there. */
  release(): void {
    stop(this.#timer);
    this.#released = true;
  }

  #arm(): AbortController {
    const controller = new AbortController();
    this.#controller = controller;
    this.#listen();
    if (this.#reason) controller.abort(this.#reason);
    // A timer that is there is that of a legacy call whose client has left, which ends sooner.
    else this.#timer ??= setTimeout(() => this.abort(new GatewayError("timeout", "the call reached its deadline")), Math.max(0, this.#deadline - this.#now()));
    return controller;
  }

  #listen(): void {
    if (this.#listens) return;
    this.#listens = true;
    this.onArm?.();
    if (this.#client?.signal.aborted) this.left();
    else this.#client?.signal.addEventListener("abort", () => this.left());
  }

  /** The client is gone: the end of a modern call, the start of a legacy one's last seconds. */
  left(): void {
    if (this.#released) return;
    const reason = new GatewayError("cancelled", "the client disconnected");
    if (this.#disconnectCancels) return this.abort(reason);
    stop(this.#timer);
    this.#timer = setTimeout(() => this.abort(reason), LEGACY_GRACE_MS);
  }
}
