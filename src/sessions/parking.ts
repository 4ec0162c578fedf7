import { lineText } from "../lib/lines.ts";
import type { LegAnswer, LegEnd, LegLine, LegStart } from "../targets/mcp/leg.ts";
import { ParkedCall } from "./parked.ts";

/** The place of one call in the object that is named for it: `/call` begins it, `/answer` goes on, `/abandon` ends it unanswered. */
export class Parking {
  readonly #now: () => number;
  readonly #keepAlive: () => void;
  #call: ParkedCall | null = null;
  #over: Promise<void> = Promise.resolve();

  /** `keepAlive`: from now on the object has to live, with no request in it, until `over`. */
  constructor(now: () => number, keepAlive: () => void) {
    this.#now = now;
    this.#keepAlive = keepAlive;
  }

  /** Resolves when nothing runs or waits here any more; 11 minutes at most. */
  get over(): Promise<void> {
    return this.#over;
  }

  async fetch(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case "/call":
        return this.#begin(await request.json());
      case "/answer":
        return this.#answer(await request.json());
      default:
        await this.#call?.abandon();
        return new Response(null, { status: 204 });
    }
  }

  /** There is never a second call under this name. */
  #begin(start: LegStart): Response {
    if (this.#call) return ended({ type: "refused" });
    const call = new ParkedCall(start, this.#now, this.#keepAlive);
    this.#call = call;
    const leg = call.first();
    this.#over = call.run().finally(() => (this.#call = null));
    return new Response(leg);
  }

  #answer(answer: LegAnswer): Response {
    if (!this.#call) return ended({ type: "lost" });
    const leg = this.#call.answer(answer);
    return leg ? new Response(leg) : ended({ type: "refused" });
  }
}

function ended(end: LegEnd): Response {
  return new Response(lineText<LegLine>(end));
}
