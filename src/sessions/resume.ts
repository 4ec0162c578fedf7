import type { Notification, Outcome } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { lineTo } from "../subscriptions/line.ts";
import { eventId, type Position } from "./position.ts";
import { LOST, type Note, noteIn, SUPERSEDED } from "./replay.ts";

/** A message that goes out as it is: what a client missed of a stream. */
export interface Kept extends Notification {
  method: "";
  eventId: string;
}

/**
 * What the stream of a call said after a position, and says from now on, to its last message. Ends early when another one reads it instead, or the
 * caller may no more. Throws `upstream` when the end cannot be had any more.
 */
export async function* resumed({ stream, seq }: Position, session: string, ctx: CallContext): AsyncGenerator<Kept, Outcome, void> {
  const notes: Note[] = [];
  let closed: number | null = null;
  let wake = () => {};
  const line = await lineTo(() => ctx.platform.session(session), `https://session/tail?stream=${encodeURIComponent(stream)}&after=${seq}`, (text) => {
    const note = noteIn(text);
    if (note) notes.push(note);
    wake();
  });
  const over = (code: number) => {
    closed ??= code;
    wake();
  };
  line.addEventListener("close", ({ code }) => over(code));
  ctx.signal.addEventListener("abort", () => over(SUPERSEDED));
  try {
    for (;;) {
      const note = notes.shift();
      if (note) {
        const [number, text, last] = note;
        if (text === null) throw lost();
        if (!(await ctx.revalidate())) return DONE;
        yield { method: "", params: text, eventId: eventId(stream, number) };
        if (last) return DONE;
      } else if (closed === LOST || closed === BROKEN) throw lost();
      else if (closed !== null) return DONE;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    line.close(1000);
  }
}

/** The object was lost (RFC 6455 7.4.1). */
const BROKEN = 1006;

const DONE: Outcome = Object.freeze({ type: "complete", result: "{}" });

function lost(): GatewayError {
  const message = "the answer to this call is not kept any more: whether it took effect is unknown. It was not sent again.";
  return new GatewayError("upstream", message, { data: { reason: "outcome_unknown" } });
}
