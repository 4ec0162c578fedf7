import { within } from "../lib/clock.ts";
import { randomToken } from "../lib/ids.ts";
import { log } from "../lib/log.ts";
import type { SessionApi } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import { callStream, eventId } from "./position.ts";
import { noteText } from "./replay.ts";

/** A stream starts without event ids when its session's object does not answer by then. */
const OPEN_MS = 2_000;
/** What is longer is not handed over: the object would not keep it. */
const MAX_CHARS = 1024 * 1024;

/**
 * Hands what a call's stream says to the session's object, which keeps it for a client that comes back. The object being lost changes nothing for the
 * call: its stream only cannot be had again.
 */
export class Recorder {
  readonly #stream: string;
  readonly #line: WebSocket;
  #seq = 0;

  private constructor(stream: string, line: WebSocket) {
    this.#stream = stream;
    this.#line = line;
  }

  /** `request`: id of the call's request as written. Null: the stream has no event ids. */
  static async open(session: Pick<SessionApi, "fetch">, request: JsonText): Promise<Recorder | null> {
    const stream = callStream(randomToken(16), request);
    if (stream === null) return null;
    try {
      const opening = session.fetch(new Request(`https://session/log?stream=${stream}`, { headers: { upgrade: "websocket" } }));
      const opened = await within(OPEN_MS, opening);
      if (opened === "late" || !opened.webSocket) return null;
      opened.webSocket.accept();
      return new Recorder(stream, opened.webSocket);
    } catch (error) {
      log("warn", "a stream is not kept", { error });
      return null;
    }
  }

  /** Event id of what was said last; of the beginning at first. */
  get position(): string {
    return eventId(this.#stream, this.#seq);
  }

  /** Keeps a message; gives its event id. */
  note(message: JsonText, last: boolean): string {
    this.#seq++;
    if (this.#line.readyState === WebSocket.OPEN) this.#line.send(noteText([this.#seq, message.length > MAX_CHARS ? null : message, last]));
    return this.position;
  }

  close(): void {
    this.#line.close(1000);
  }
}
