import { fromBase64Url, toBase64Url } from "../lib/crypto.ts";
import type { JsonText } from "../model/json.ts";
import { randomToken } from "../lib/ids.ts";

/*
 * The event ids of a session's streams (MCP 2025-11-25, resumability): `g.{name}.{number}` on its own stream, `c.{name}.{request id}.{number}` on that
 * of a call. They give nobody a right. Those of calls name places within the session's own object; of its own stream nothing is kept, because a client that
 * comes back to it is told that everything may have changed.
 */

/** Where a stream stood. */
export interface Position {
  stream: string;
  seq: number;
  /** Of a call, the id of its request as the client wrote it; null: the session's own stream. */
  request: JsonText | null;
}

/** A request id that is longer would make the longer event ids. */
const MAX_ID_CHARS = 64;
const CALL = /^(c\.[\w-]{16,32}\.([\w-]{1,172}))\.(\d{1,9})$/;
/** Without a name: given by the version before. */
const OWN = /^(g(?:\.[\w-]{8})?)\.(\d{1,9})$/;
const NAME_BYTES = 6;

/** The event ids of one GET stream, which are those of no other. */
export class Numbering {
  readonly #stream = `g.${randomToken(NAME_BYTES)}`;
  #seq = 0;

  /** Id of what was said last; of the beginning at first. */
  get position(): string {
    return eventId(this.#stream, this.#seq);
  }

  next(): string {
    this.#seq++;
    return this.position;
  }
}

export function eventId(stream: string, seq: number): string {
  return `${stream}.${seq}`;
}

/** The stream of one call; null for a request id that does not fit. */
export function callStream(name: string, request: JsonText): string | null {
  return request.length > MAX_ID_CHARS ? null : `c.${name}.${toBase64Url(new TextEncoder().encode(request))}`;
}

/** Reads a `Last-Event-ID`; null for one that is not ours. */
export function positionOf(id: string | null): Position | null {
  if (id === null) return null;
  const [, own, number] = OWN.exec(id) ?? [];
  if (own !== undefined) return { stream: own, seq: Number(number), request: null };
  const [, stream, encoded, seq] = CALL.exec(id) ?? [];
  const request = encoded === undefined ? null : requestIn(encoded);
  return stream === undefined || request === null ? null : { stream, seq: Number(seq), request };
}

/** A request id is a string or a number; what else comes is nobody's. */
function requestIn(encoded: string): JsonText | null {
  const bytes = fromBase64Url(encoded);
  if (bytes === null) return null;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    return typeof value === "string" || typeof value === "number" ? text : null;
  } catch {
    return null;
  }
}
