import type { Notification } from "../model/call.ts";
import { isPrimed } from "../sessions/keeping.ts";
import { OWN_STREAM } from "../sessions/log.ts";
import { eventId } from "../sessions/position.ts";
import { noteText, type Opening, openingIn } from "../sessions/replay.ts";

/** Where a session's own stream stood, for a client that has it from there. */
export interface Resumption {
  /** What it missed; null: nobody knows. */
  missed: Notification[] | null;
  /** There may have been more. */
  unsure: boolean;
}

/**
 * The line of a session's own stream to its object: brings what the session has subscribed to, and writes down what the stream says, so that the client can
 * have it again. An object of the version before does not.
 */
export class Journal {
  readonly #revision: string | null;
  readonly #subscribed: (uris: string[]) => void;
  readonly #opened = Promise.withResolvers<Opening | null>();
  #line: WebSocket | null = null;
  /** Number of the next event; null: there are none. */
  #position: number | null = null;

  /** `revision`: the client's; null: the stream is not written down. */
  constructor(revision: string | null, subscribed: (uris: string[]) => void) {
    this.#revision = revision;
    this.#subscribed = subscribed;
  }

  attach(line: WebSocket): void {
    this.#line = line;
    line.addEventListener("close", () => this.#opened.resolve(null));
  }

  readonly heard = (text: string): void => {
    const opening = openingIn(text);
    this.#opened.resolve(opening);
    this.#subscribed(opening?.uris ?? JSON.parse(text));
    if (opening && this.#revision !== null) this.#position = opening.position;
  };

  /** Where the stream goes on, with what the client missed; first of all it is told where that is. */
  async *begin(): AsyncGenerator<Notification, Resumption, void> {
    const opening = await this.#opened.promise;
    if (this.#position === null || opening === null) return { missed: [], unsure: false };
    const { position, missed, unsure } = opening;
    if (this.#revision !== null && isPrimed(this.#revision)) yield { method: "", params: "", eventId: eventId(OWN_STREAM, (missed?.[0]?.seq ?? position) - 1) };
    return { missed: missed && missed.map(({ seq, text }) => ({ ...said(text), eventId: eventId(OWN_STREAM, seq) })), unsure };
  }

  /** Writes down what is said next, and under which event id. */
  written({ method, params }: Notification): Notification {
    if (this.#position === null) return { method, params };
    const seq = this.#position++;
    if (this.#line?.readyState === WebSocket.OPEN) this.#line.send(noteText([seq, JSON.stringify([method, params]), false]));
    return { method, params, eventId: eventId(OWN_STREAM, seq) };
  }
}

function said(text: string): Notification {
  const [method, params] = JSON.parse(text);
  return { method, params };
}
