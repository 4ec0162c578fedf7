import type { JsonText, JsonValue } from "../model/json.ts";
import type { ReplayLog } from "./log.ts";

/** Close codes of our own (RFC 6455 7.4.2): another one took the stream over; what was asked for is not kept any more. */
export const SUPERSEDED = 4409;
export const LOST = 4410;

/** Tag of the sockets behind the session's GET stream; at most one is open. */
const STREAM = "stream";
/** Tag of the lines of WebSocket connections; the newest has the client. */
const SOCKET = "socket";
/** The one stream of all WebSocket connections of a session. */
const SOCKET_STREAM = "w";

/** What a line to a session's object says of a stream: number, message (null: too large to keep), whether it was the last. */
export type Note = [seq: number, text: JsonText | null, last: boolean];

/**
 * The streams of a session that can be had again: who writes one, who reads it again, and what is kept between them. Its lines, by path:
 * `/log?stream=` writes the stream of a call (`Note`s); `/tail?stream=&after=` reads it, from a number on (`Note`s); `/stream` is the session's
 * own stream, which hears what the session has subscribed to, now and whenever that changes, and keeps nothing; `/socket?after=` is a WebSocket connection: what any of them says goes to the newest; with `writes` it has no client any more.
 */
export class Replay {
  readonly #ctx: DurableObjectState;
  readonly #log: ReplayLog;
  readonly #uris: () => string[];
  readonly #kept: () => void;

  /** `uris`: what the session has subscribed to. `kept`: something is kept now, and has to be looked after. */
  constructor(ctx: DurableObjectState, log: ReplayLog, uris: () => string[], kept: () => void) {
    this.#ctx = ctx;
    this.#log = log;
    this.#uris = uris;
    this.#kept = kept;
  }

  /** Takes a line whose path is one of the above. An `after` without a number begins anew. */
  accept({ pathname, searchParams }: URL, line: WebSocket): void {
    const stream = searchParams.get("stream") ?? "";
    const after = searchParams.get("after") ? Number(searchParams.get("after")) : null;
    if (pathname === "/log") this.#write(line, stream);
    else if (pathname === "/tail") this.#tail(line, stream, after ?? 0);
    else if (pathname === "/stream") this.#own(line);
    else this.#connect(line, after, searchParams.has("writes"));
    this.#kept();
  }

  /** Whether the message came on one of these lines. */
  heard(line: WebSocket, text: string): boolean {
    const [tag = ""] = this.#ctx.getTags(line);
    // What comes late on a line that was closed, after the session's end for instance, is not kept.
    if (tag === SOCKET && line.readyState === WebSocket.OPEN) this.#said(text);
    else if (tag === SOCKET) return true;
    // A Worker of the version before writes down what it says.
    else if (tag === STREAM) return true;
    else if (tag.startsWith("log ")) this.#note(line, tag.slice("log ".length), text);
    else return false;
    this.#kept();
    return true;
  }

  /** A line is gone. */
  left(line: WebSocket): void {
    const [tag = ""] = this.#ctx.getTags(line);
    // Without its writer a call's stream has no end any more.
    if (tag.startsWith("log ")) for (const tail of this.#ctx.getWebSockets(tailTag(tag.slice("log ".length)))) tail.close(LOST, "the call was lost");
  }

  /** The session has subscribed to something else. */
  tellUris(): void {
    const streams = this.#ctx.getWebSockets(STREAM);
    if (streams.length === 0) return;
    const uris = JSON.stringify(this.#uris());
    for (const stream of streams) stream.send(uris);
  }

  #write(line: WebSocket, stream: string): void {
    this.#log.begin(stream);
    this.#ctx.acceptWebSocket(line, [logTag(stream)]);
  }

  #tail(line: WebSocket, stream: string, after: number): void {
    for (const older of this.#ctx.getWebSockets(tailTag(stream))) older.close(SUPERSEDED, "another stream took its place");
    const missed = this.#log.since(stream, after);
    this.#ctx.acceptWebSocket(line, [tailTag(stream)]);
    for (const { seq, text, last } of missed ?? []) line.send(noteText([seq, text, last]));
    if (missed && this.#log.hasEnd(stream)) line.close(1000);
    else if (missed === null || this.#ctx.getWebSockets(logTag(stream)).length === 0) line.close(LOST, "not kept any more");
  }

  #own(line: WebSocket): void {
    for (const older of this.#ctx.getWebSockets(STREAM)) older.close(SUPERSEDED, "another stream took its place");
    this.#ctx.acceptWebSocket(line, [STREAM]);
    line.send(JSON.stringify(this.#uris()));
  }

  #connect(line: WebSocket, after: number | null, isWriter: boolean): void {
    if (isWriter) {
      this.#ctx.acceptWebSocket(line, [SOCKET]);
      return line.serializeAttachment(PASSED_ON);
    }
    const missed = after === null ? [] : this.#log.since(SOCKET_STREAM, after);
    this.#ctx.acceptWebSocket(line, [SOCKET]);
    if (missed === null) return line.close(LOST, "not kept any more");
    for (const older of this.#ctx.getWebSockets(SOCKET)) {
      if (older === line || older.deserializeAttachment() === PASSED_ON) continue;
      older.serializeAttachment(PASSED_ON);
      older.send(PASSED_ON);
    }
    this.#log.begin(SOCKET_STREAM);
    for (const { text } of missed) line.send(text);
  }

  #said(text: JsonText): void {
    this.#log.append(SOCKET_STREAM, this.#log.next(SOCKET_STREAM), text);
    const holder = this.#ctx.getWebSockets(SOCKET).find((line) => line.deserializeAttachment() !== PASSED_ON);
    holder?.send(text);
  }

  #note(line: WebSocket, stream: string, text: string): void {
    const note = noteIn(text);
    // One that was taken over has nothing more to say under its own numbers.
    if (!note || line.readyState !== WebSocket.OPEN) return;
    const [seq, message, last] = note;
    this.#log.append(stream, seq, message, last);
    for (const tail of this.#ctx.getWebSockets(tailTag(stream))) {
      tail.send(text);
      if (last) tail.close(1000);
    }
  }
}

/** What a connection's line hears, and has as attachment, when its client is at another one now. */
export const PASSED_ON = "passed on";

/** Tags are at most 256 characters; a stream's name is shorter. */
function logTag(stream: string): string {
  return `log ${stream}`;
}

function tailTag(stream: string): string {
  return `tail ${stream}`;
}

export function noteText(note: Note): string {
  return JSON.stringify(note);
}

export function noteIn(text: string): Note | null {
  const value: JsonValue = JSON.parse(text);
  if (!Array.isArray(value)) return null;
  const [seq, message, last] = value;
  if (typeof seq !== "number" || (typeof message !== "string" && message !== null)) return null;
  return [seq, message ?? null, last === true];
}
