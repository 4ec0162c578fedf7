import { wait } from "../lib/clock.ts";
import { reach } from "../lib/reach.ts";
import type { SessionApi } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";

/** Close code of our own (RFC 6455 7.4.2): the session is over, and what runs in it ends too. */
export const SESSION_ENDED = 4404;

const CONNECT_MS = 5_000;
const PAUSE_MS = 100;
/** With growing pauses six seconds in all. */
const TRIES = 6;

interface Ends {
  heard(text: string): void;
  /** The line is lost for good; `sessionEnded`: because its session is over. */
  lost(sessionEnded: boolean): void;
}

/**
 * A WebSocket from a running call to its Session object, opened anew when the object was restarted: a call does not end because the
 * object behind it does.
 */
export class Tie {
  readonly #session: () => Pick<SessionApi, "fetch">;
  readonly #path: string;
  readonly #ends: Ends;
  #socket: WebSocket | null = null;
  /** What the object has to know, also after a restart. */
  #standing: string | null = null;
  #closed = false;

  constructor(session: () => Pick<SessionApi, "fetch">, path: string, ends: Ends) {
    this.#session = session;
    this.#path = path;
    this.#ends = ends;
  }

  /** Errors: `unavailable`. */
  async open(): Promise<void> {
    const request = () => new Request(`https://session${this.#path}`, { headers: { upgrade: "websocket" } });
    const { webSocket } = await reach(() => this.#session().fetch(request()), CONNECT_MS);
    if (!webSocket) throw new GatewayError("unavailable", "the session cannot be reached now", { retryAfter: 5 });
    webSocket.addEventListener("message", ({ data }) => void (typeof data === "string" && this.#ends.heard(data)));
    webSocket.addEventListener("close", ({ code }) => void this.#broke(code));
    webSocket.accept();
    if (this.#closed) return webSocket.close(1000);
    this.#socket = webSocket;
    if (this.#standing !== null) webSocket.send(this.#standing);
  }

  /** Tells the object, now and whenever the line is opened anew; takes the place of what was told before. */
  stand(text: string): void {
    this.#standing = text;
    this.#socket?.send(text);
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close(1000);
  }

  async #broke(code: number): Promise<void> {
    this.#socket = null;
    for (let attempt = 0; attempt < TRIES && code !== SESSION_ENDED; attempt++) {
      await wait(PAUSE_MS * 2 ** attempt);
      if (this.#closed) return;
      const opened = await this.open().then(() => true, () => false);
      if (opened) return;
    }
    if (!this.#closed) this.#ends.lost(code === SESSION_ENDED);
  }
}
