import { editObject, memberOf, Members } from "../lib/json.ts";
import { type JsonText, isObject, type JsonValue } from "../model/json.ts";
import { errorText, INTERNAL_ERROR } from "../protocol/jsonrpc.ts";
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
}

/** Between the end of a listening stream and the next: one that cannot stay open is not asked for without end. */
const LISTEN_PAUSE_MS = 1_000;

/** Nothing of the opening request but this: an upgrade is not repeated. */
const PASSED_HEADERS: readonly string[] = ["authorization", "origin", "causeway-hops"];

/**
 * What a legacy client says over one long connection, carried to the MCP endpoint message by message as a streamable HTTP client would. So a transport
 * of its own has no rules of its own: access, limits and sessions are those of the endpoint. The session id stays here, and so does the session's GET
 * stream: what the client is told unasked comes over the connection it has.
 */
export class Carrier {
  readonly #ends: Ends;
  #listening = false;
  readonly #headers: Record<string, string> = { "content-type": "application/json", accept: "application/json, text/event-stream" };

  constructor(ends: Ends) {
    this.#ends = ends;
    for (const name of PASSED_HEADERS) {
      const value = ends.opening.headers.get(name);
      if (value !== null) this.#headers[name] = value;
    }
  }

  /** Carries one message, and back what is said to it. Never rejects: a request whose carrying fails is answered with an error. */
  async carry(message: JsonText): Promise<void> {
    const { method, id } = askedIn(message);
    try {
      const response = await this.#ends.post(new Request(this.#ends.opening.url, { method: "POST", headers: this.#headers, body: message, signal: this.#ends.gone }));
      const session = response.headers.get("mcp-session-id");
      if (session !== null) this.#headers["mcp-session-id"] = session;
      for await (const answer of messagesOf(response)) this.#ends.emit(id === null ? answer : addressed(answer, id));
      if (method === "notifications/initialized") await this.#listen();
    } catch {
      if (id !== null) this.#ends.emit(errorText(id, INTERNAL_ERROR, "internal error"));
    }
  }

  /** The client is ready to be told (MCP 2024-11-05, initialization). A stream that ends of age is opened again, one that is refused is not. */
  async #listen(): Promise<void> {
    const { gone, opening, post, emit } = this.#ends;
    if (this.#listening || !("mcp-session-id" in this.#headers)) return;
    this.#listening = true;
    while (!gone.aborted) {
      const response = await post(new Request(opening.url, { headers: this.#headers, signal: gone }));
      if (!response.ok) return void (await response.body?.cancel());
      for await (const message of messagesOf(response)) emit(message);
      await passed(LISTEN_PAUSE_MS, gone);
    }
  }
}

/** What a message asks, and the id of a request as written; nulls for what is no such message. */
function askedIn(message: JsonText): { method: string | null; id: JsonText | null } {
  let value: JsonValue;
  try {
    value = JSON.parse(message);
  } catch {
    return { method: null, id: null };
  }
  if (!isObject(value) || typeof value.method !== "string") return { method: null, id: null };
  return { method: value.method, id: value.id === undefined ? null : Members.of(message).raw("id") };
}

/** Resolves after `ms`, or when the signal fires. */
function passed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
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
    for (const { data } of reader.feed(decoder.decode(chunk, { stream: true }))) yield data;
  }
}
