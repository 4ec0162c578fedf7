import { GatewayError } from "../model/error.ts";
import type { JsonText } from "../model/json.ts";

/** A comment: keeps intermediaries from closing an idle stream, invisible to the client. */
export const KEEP_ALIVE = ": keep-alive\n\n";

/**
 * One JSON-RPC message as a server-sent event. `id` makes it resumable. A line break in the text can only be white space of
 * JSON, and the reader puts it back.
 */
export function frame(message: JsonText, id?: string): string {
  const data = message.includes("\n") || message.includes("\r") ? message.replace(/\r\n|\r|\n/g, "\ndata: ") : message;
  return id === undefined ? `event: message\ndata: ${data}\n\n` : `event: message\nid: ${id}\ndata: ${data}\n\n`;
}

/** An event that says nothing but where the stream stands, and after how many ms to come back when it breaks (MCP 2025-11-25, SSE polling). */
export function primer(id: string, retryMs: number): string {
  return `id: ${id}\nretry: ${retryMs}\ndata: \n\n`;
}

export interface SseEvent {
  /** `message` unless the stream names another. */
  event: string;
  /** Empty for the priming event of a resumable stream. */
  data: string;
  /** The last event id that the stream has named so far. */
  id: string | null;
  /** Reconnection delay in ms that the stream has named so far. */
  retry: number | null;
}

/**
 * Incremental reader of an event stream (WHATWG HTML, server-sent events). `maxEventChars` bounds what one event may hold,
 * in UTF-16 units: beyond it `feed` throws `upstream_invalid`. What follows the last blank line is not an event.
 */
export class SseReader {
  /** The last event id and delay named so far, also by blocks without data. */
  id: string | null = null;
  retry: number | null = null;

  readonly #maxEventChars: number;
  #line = "";
  #event = "";
  #data: string[] = [];
  #size = 0;
  #started = false;
  #afterReturn = false;

  constructor(maxEventChars: number) {
    this.#maxEventChars = maxEventChars;
  }

  /** The events that this piece of the stream completes. */
  feed(text: string): SseEvent[] {
    const events: SseEvent[] = [];
    let from = 0;
    if (!this.#started && text !== "") {
      this.#started = true;
      if (text.startsWith("\ufeff")) from = 1;
    }
    if (this.#afterReturn && text !== "") {
      this.#afterReturn = false;
      if (text.startsWith("\n", from)) from++;
    }
    let carriage = text.indexOf("\r", from);
    let newline = text.indexOf("\n", from);
    while (carriage >= 0 || newline >= 0) {
      const end = carriage >= 0 && (newline < 0 || carriage < newline) ? carriage : newline;
      this.#grow(end - from);
      this.#endLine(this.#line + text.slice(from, end), events);
      this.#line = "";
      from = end + 1;
      if (end === carriage && from === text.length) this.#afterReturn = true;
      else if (end === carriage && newline === from) from++;
      if (carriage >= 0 && carriage < from) carriage = text.indexOf("\r", from);
      if (newline >= 0 && newline < from) newline = text.indexOf("\n", from);
    }
    this.#grow(text.length - from);
    this.#line += text.slice(from);
    return events;
  }

  #grow(chars: number): void {
    this.#size += chars;
    if (this.#size > this.#maxEventChars) throw new GatewayError("upstream_invalid", `an event of the upstream is larger than eventBytes (${this.#maxEventChars})`);
  }

  #endLine(line: string, events: SseEvent[]): void {
    if (line === "") return this.#dispatch(events);
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line.startsWith(" ", colon + 1) ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
    if (field === "") this.#size -= line.length;
  }

  #dispatch(events: SseEvent[]): void {
    if (this.#data.length > 0) events.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.id, retry: this.retry });
    this.#event = "";
    this.#data = [];
    this.#size = 0;
  }
}
