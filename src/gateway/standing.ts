import { GatewayError } from "../model/error.ts";
import { log } from "../lib/log.ts";

/** With a verdict that is at most five seconds old: a right that was lost ends its call within ten. */
const RECHECK_MS = 4_000;

/** Whether the caller of a running call still has its right. Calls that end at once never ask. */
export class Standing {
  readonly #stands: () => Promise<boolean>;
  readonly #lost: (reason: GatewayError) => void;
  #timer: ReturnType<typeof setInterval> | null = null;
  #ended = false;

  /** `lost` is called once, and not after `end`. */
  constructor(stands: () => Promise<boolean>, lost: (reason: GatewayError) => void) {
    this.#stands = stands;
    this.#lost = lost;
  }

  /** The call lasts: from now on it is looked after. */
  watch(): void {
    if (!this.#ended) this.#timer ??= setInterval(() => void this.#look(), RECHECK_MS);
  }

  end(): void {
    this.#ended = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    try {
      if ((await this.#stands()) || this.#ended) return;
      this.end();
      this.#lost(new GatewayError("cancelled", "the call was ended: its caller has lost access", { data: { reason: "access_lost" } }));
    } catch (error) {
      // Out of reach is not lost.
      log("warn", "whether a running call's caller still has access cannot be told now", { error });
    }
  }
}
