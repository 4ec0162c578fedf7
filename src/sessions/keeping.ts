import type { SessionApi } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import type { Keeper } from "../protocol/respond.ts";
import { Recorder } from "./recorder.ts";

/** The first revision whose streams can be resumed (MCP 2025-03-26, resumability), and the first that knows an event without data. */
const RESUMING = "2025-03-26";
const PRIMING = "2025-11-25";

export function isResumable(revision: string): boolean {
  return revision >= RESUMING;
}

export function isPrimed(revision: string): boolean {
  return revision >= PRIMING;
}

/** Of one call of a legacy client: keeps its stream in the session's object, if the call turns out to be worth it. Touches nothing before. */
export class StreamKeeper implements Keeper {
  readonly primes: boolean;
  isWanted = false;
  isUrgent = false;
  onPrime: (() => void) | null = null;
  readonly #session: () => Pick<SessionApi, "fetch">;
  readonly #request: JsonText;

  /** `request`: the id of the call's request as written. */
  constructor(session: () => Pick<SessionApi, "fetch">, request: JsonText, revision: string) {
    this.#session = session;
    this.#request = request;
    this.primes = isPrimed(revision);
  }

  readonly want = (atOnce: boolean): void => {
    this.isWanted = true;
    if (!atOnce) return;
    this.isUrgent = true;
    this.onPrime?.();
  };

  open(): Promise<Recorder | null> {
    return Recorder.open(this.#session(), this.#request);
  }
}
