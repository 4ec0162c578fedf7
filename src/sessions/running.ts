import { sha256 } from "../lib/crypto.ts";
import { stop, type Timer } from "../lib/clock.ts";
import { log } from "../lib/log.ts";
import type { SessionApi } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import { Tie } from "./tie.ts";

/** A call that takes no longer than this cannot be cancelled, and touches no object. */
const REGISTER_MS = 1_000;

/**
 * A legacy call that `notifications/cancelled` or the end of its session may end, in whichever isolate that arrives: still running after a second it opens
 * a line to the Session object, which passes the cancel on. A session's cancels reach its own calls only, since the object is
 * the session's.
 */
export class Running {
  readonly #session: () => Pick<SessionApi, "fetch">;
  readonly #id: JsonText;
  readonly #cancel: () => void;
  #timer: Timer | null = null;
  #tie: Tie | null = null;
  #ended = false;

  /** `cancel` is called at most as often as the client says so, and not after `end`. */
  constructor(session: () => Pick<SessionApi, "fetch">, id: JsonText, cancel: () => void) {
    this.#session = session;
    this.#id = id;
    this.#cancel = cancel;
  }

  begin(): void {
    if (!this.#ended) this.#timer ??= setTimeout(() => void this.#register(), REGISTER_MS);
  }

  end(): void {
    this.#ended = true;
    stop(this.#timer);
    this.#tie?.close();
  }

  /** Without its object a call runs on: it only cannot be cancelled. */
  async #register(): Promise<void> {
    try {
      const cancel = () => this.#ended || this.#cancel();
      this.#tie = new Tie(this.#session, `/running?id=${await callKey(this.#id)}`, { heard: cancel, lost: (sessionEnded) => sessionEnded && cancel() });
      await this.#tie.open();
      if (this.#ended) this.#tie.close();
    } catch (error) {
      log("warn", "a call could not be made known to its session", { error });
    }
  }
}

/** What a request id is called between Worker and object: short, whatever the client chose; as written, so `1` is not `"1"`. */
export function callKey(id: JsonText): Promise<string> {
  return sha256(id);
}
