import { wait } from "../lib/clock.ts";
import { editObject, memberOf, Members } from "../lib/json.ts";
import { isObject, type JsonObject, type JsonText, type JsonValue } from "../model/json.ts";
import { encodeHeaderValue } from "../protocol/headers.ts";
import { errorText, INTERNAL_ERROR } from "../protocol/jsonrpc.ts";
import { VERSION_KEY } from "../protocol/meta.ts";
import { METHODS } from "../protocol/methods.ts";
import { SseReader } from "../protocol/sse.ts";

interface Ends {
  /** The request that opened the connection: every message has its credential and its Origin. */
  opening: Request;
  /** Fires when the connection is lost. */
  gone: AbortSignal;
  /** The MCP endpoint, in this isolate. */
  post(request: Request): Promise<Response>;
  /** Takes one JSON-RPC message for the client. */
  emit(message: JsonText): void;
  waitUntil(work: Promise<unknown>): void;
  /** Nothing is being carried any more. */
  rested?(): void;
  /** The client has been told, in `_meta` of the handshake's result, which session is open. */
  greeted?(session: string): void;
}

/** Nothing of the opening request but this: an upgrade is not repeated. */
const PASSED_HEADERS: readonly string[] = ["authorization", "origin", "causeway-hops"];
/** Between the end of the session's own stream and its next one. */
const PAUSE_MS = 1_000;

/** What the carrier has to know of a message. */
interface Letter {
  text: JsonText;
  /** Of a request, as written; null for any other message. */
  id: JsonText | null;
  method: string;
  params: JsonObject;
  /** The revision of a modern message; null: it belongs to the session. */
  modern: string | null;
}

/**
 * What a client says over one long connection, carried to the MCP endpoint message by message as a streamable HTTP client would. So a transport
 * of its own has no rules of its own: access, limits and sessions are those of the endpoint. The session id stays here. What the server says unasked in a
 * legacy session (its GET stream) goes to the client too, from its `notifications/initialized` on. Of a modern request `notifications/cancelled` is the
 * end, as on stdio (MCP 2026-07-28, cancellation): the connection carries others besides.
 */
export class Carrier {
  readonly #ends: Ends;
  readonly #headers: Record<string, string> = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  /** Modern requests under way, by id. */
  readonly #open = new Map<JsonText, AbortController>();
  #carried = 0;
  #listens = false;

  constructor(ends: Ends) {
    this.#ends = ends;
    for (const name of PASSED_HEADERS) {
      const value = ends.opening.headers.get(name);
      if (value !== null) this.#headers[name] = value;
    }
  }

  /** Whether nothing is being carried now. */
  get rests(): boolean {
    return this.#carried === 0;
  }

  /** Goes on with a session whose connection broke. */
  continue(session: string): void {
    this.#headers["mcp-session-id"] = session;
  }

  /** Carries one message, and back what is said to it. Never rejects: a request whose carrying fails is answered with an error. */
  async carry(text: JsonText): Promise<void> {
    const letter = letterOf(text);
    const cancelled = letter.method === "notifications/cancelled" ? this.#open.get(Members.of(text).raw("params", "requestId") ?? "") : undefined;
    if (cancelled) return cancelled.abort();
    this.#begin();
    const own = new AbortController();
    if (letter.modern !== null && letter.id !== null) this.#open.set(letter.id, own);
    try {
      await this.#exchange(letter, own.signal);
      if (letter.method === "notifications/initialized") this.listen();
    } catch {
      if (letter.id !== null && !own.signal.aborted) this.#ends.emit(errorText(letter.id, INTERNAL_ERROR, "internal error"));
    } finally {
      if (letter.id !== null && this.#open.get(letter.id) === own) this.#open.delete(letter.id);
      this.#end();
    }
  }

  /** From now on carries what the session's own stream says, until the connection is lost. */
  listen(): void {
    if (this.#listens || this.#headers["mcp-session-id"] === undefined) return;
    this.#listens = true;
    this.#begin();
    this.#ends.waitUntil(this.#hear().finally(() => this.#end()));
  }

  #begin(): void {
    this.#carried++;
  }

  #end(): void {
    if (--this.#carried === 0) this.#ends.rested?.();
  }

  async #exchange(letter: Letter, cancelled: AbortSignal): Promise<void> {
    const signal = letter.modern === null ? this.#ends.gone : AbortSignal.any([this.#ends.gone, cancelled]);
    const response = await this.#ends.post(new Request(this.#ends.opening.url, { method: "POST", headers: this.#headersOf(letter), body: letter.text, signal }));
    const session = response.headers.get("mcp-session-id");
    if (session !== null) this.#headers["mcp-session-id"] = session;
    const { greeted, emit } = this.#ends;
    for await (const answer of messagesOf(response)) {
      if (cancelled.aborted) continue;
      if (session !== null && greeted) emit(naming(answer, session));
      else emit(letter.id === null ? answer : addressed(answer, letter.id));
    }
    if (session !== null) greeted?.(session);
  }

  /** What modern HTTP repeats in headers is repeated from the message itself. */
  #headersOf({ modern, method, params }: Letter): Record<string, string> {
    if (modern === null) return this.#headers;
    const name = params[METHODS.get(method)?.name ?? ""];
    const { "mcp-session-id": _, ...headers } = this.#headers;
    return { ...headers, "mcp-protocol-version": modern, "mcp-method": method, ...(typeof name === "string" && { "mcp-name": encodeHeaderValue(name) }) };
  }

  async #hear(): Promise<void> {
    const { opening, gone } = this.#ends;
    while (!gone.aborted) {
      try {
        const { "content-type": _, ...headers } = this.#headers;
        const response = await this.#ends.post(new Request(opening.url, { headers: { ...headers, accept: "text/event-stream" }, signal: gone }));
        if (!response.ok) return void (await response.body?.cancel());
        for await (const message of messagesOf(response)) this.#ends.emit(message);
      } catch {
        // Another one is opened, if the connection is still there.
      }
      if (!gone.aborted) await wait(PAUSE_MS);
    }
  }
}

function letterOf(text: JsonText): Letter {
  const value = parsed(text);
  const message = isObject(value) ? value : {};
  const params = isObject(message.params) ? message.params : {};
  const claim = isObject(params._meta) ? params._meta[VERSION_KEY] : undefined;
  const method = typeof message.method === "string" ? message.method : "";
  const isRequest = method !== "" && message.id !== undefined;
  return { text, method, params, id: isRequest ? Members.of(text).raw("id") : null, modern: typeof claim === "string" ? claim : null };
}

function parsed(text: JsonText): JsonValue {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function naming(answer: JsonText, session: string): JsonText {
  const result = memberOf(answer, "result");
  if (result === null) return answer;
  return editObject(answer, { set: { result: editObject(result, { set: { _meta: JSON.stringify({ "causeway/session": session }) } }) } });
}

/** A refusal that came before the message was read has no id; here it would find no reader. */
function addressed(answer: JsonText, id: JsonText): JsonText {
  const own = memberOf(answer, "id");
  return memberOf(answer, "error") !== null && (own === null || own === "null") ? editObject(answer, { set: { id } }) : answer;
}

async function* messagesOf(response: Response): AsyncGenerator<JsonText, void> {
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/event-stream")) {
    const text = await response.text();
    if (text !== "") yield text;
    return;
  }
  const reader = new SseReader(Infinity);
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    // An event without data only says where the stream stands.
    for (const { data } of reader.feed(decoder.decode(chunk, { stream: true }))) if (data !== "") yield data;
  }
}
