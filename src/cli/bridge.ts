import { setTimeout as sleep } from "node:timers/promises";
import { editObject, memberOf } from "../lib/json.ts";
import { isObject, type JsonText, type JsonValue } from "../model/json.ts";
import { errorText, HEADER_MISMATCH, INTERNAL_ERROR, PARSE_ERROR } from "../protocol/jsonrpc.ts";
import { SseReader } from "../protocol/sse.ts";
import { type Line, lineOf, ToolFacts } from "./line.ts";

interface Ends {
  endpoint: string;
  token: string | null;
  /** One message for the client, without its line end. */
  out(line: string): void;
  /** For the person who reads the log. */
  err(line: string): void;
}

interface Session {
  id: string;
  revision: string;
}

const BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 10_000;
/** How long a message waits for a gateway that cannot be reached. */
const PATIENCE_MS = 60_000;
const GOODBYE_MS = 1_000;
/** Sockets that were never open: nothing was sent. */
const UNSENT = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"];

/** What came of one POST: it is done, or the message is to be sent once more. */
type Sent = "done" | { again: "unreachable" | "session" | "headers"; sent: boolean };

/**
 * JSON-RPC lines of one client, either era, carried to an MCP endpoint by streamable HTTP and back. Messages pass as they are written. A gateway that is
 * away is tried again with growing pauses; a tool call that may have been sent is not, unless its tool only reads or is idempotent. A legacy session that ended is opened anew, unseen by the client.
 */
export class Bridge {
  readonly #ends: Ends;
  readonly #tools = new ToolFacts();
  readonly #closing = new AbortController();
  /** Modern requests in flight by id: closing one is its cancellation. */
  readonly #open = new Map<JsonText, AbortController>();
  #handshake: Line | null = null;
  #session: Session | null = null;
  #greeting: Promise<unknown> | null = null;

  constructor(ends: Ends) {
    this.#ends = ends;
  }

  /** Takes one line; resolves when everything that follows from it was written. Never rejects. */
  async take(text: string): Promise<void> {
    if (text.trim() === "") return;
    const line = lineOf(text.trim());
    if (line === null) return this.#ends.out(errorText(null, PARSE_ERROR, "not JSON"));
    const cancelled = line.cancels === null ? undefined : this.#open.get(line.cancels);
    if (cancelled) return cancelled.abort();
    if (line.method === "initialize" && !line.modern) {
      this.#handshake = line;
      this.#session = null;
      this.#greeting = this.#deliver(line);
      await this.#greeting;
    } else {
      await this.#greeting;
      await this.#deliver(line);
    }
  }

  /** Gives up what is under way, and ends the session. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#session === null) return;
    const request = { method: "DELETE", headers: this.#headers({ "mcp-session-id": this.#session.id }), signal: AbortSignal.timeout(GOODBYE_MS) };
    await fetch(this.#ends.endpoint, request).then((response) => response.body?.cancel(), ignore);
  }

  async #deliver(line: Line): Promise<void> {
    const own = new AbortController();
    if (line.modern && line.id !== null) this.#open.set(line.id, own);
    const signal = AbortSignal.any([own.signal, this.#closing.signal]);
    try {
      await this.#persist(line, signal);
    } catch (thrown) {
      if (!signal.aborted) this.#fail(line, `internal error: ${String(thrown)}`);
    } finally {
      if (line.id !== null) this.#open.delete(line.id);
    }
  }

  async #persist(line: Line, signal: AbortSignal): Promise<void> {
    const giveUp = Date.now() + PATIENCE_MS;
    const mended = new Set<string>();
    for (let pause = BACKOFF_MS; ; pause = Math.min(pause * 2, MAX_BACKOFF_MS)) {
      const session = this.#session;
      const sent = await this.#post(line, session, signal, !mended.has("headers"));
      if (sent === "done" || signal.aborted) return;
      if (sent.again === "unreachable") {
        if (sent.sent && !this.#tools.isRepeatable(line)) return this.#fail(line, "the connection to the gateway was lost; whether the call was run is not known");
        if (Date.now() + pause > giveUp) return this.#fail(line, `the gateway cannot be reached at ${new URL(this.#ends.endpoint).origin}`);
        this.#ends.err(`the gateway cannot be reached; trying again in ${pause} ms`);
        await sleep(pause, undefined, { signal });
        continue;
      }
      if (mended.has(sent.again)) return this.#fail(line, "the session has ended");
      mended.add(sent.again);
      if (sent.again === "session") await this.#renew(session);
      else await this.#tools.learn((body, headers) => this.#ask(body, headers, signal), line);
    }
  }

  async #post(line: Line, session: Session | null, signal: AbortSignal, mayLearn: boolean): Promise<Sent> {
    let response: Response;
    try {
      const headers = { ...this.#tools.headersOf(line), ...(line.modern || line === this.#handshake ? {} : sessionHeaders(session)) };
      response = await fetch(this.#ends.endpoint, { method: "POST", headers: this.#headers(headers), body: line.text, signal, redirect: "error" });
    } catch (thrown) {
      return { again: "unreachable", sent: !isUnsent(thrown) };
    }
    if (response.status === 404 && session !== null && !line.modern && line !== this.#handshake) {
      await response.body?.cancel();
      return { again: "session", sent: false };
    }
    try {
      return await this.#hear(line, response, mayLearn);
    } catch {
      return { again: "unreachable", sent: true };
    }
  }

  async #hear(line: Line, response: Response, mayLearn: boolean): Promise<Sent> {
    const refused = response.status >= 400;
    let heard = false;
    for await (const answer of messagesOf(response)) {
      heard = true;
      if (mayLearn && refused && line.modern && line.method === "tools/call" && errorCode(answer) === HEADER_MISMATCH) return { again: "headers", sent: false };
      if (line === this.#handshake) this.#greeted(answer, response);
      if (line.method === "tools/list") this.#tools.note(answer);
      this.#write(line, answer);
    }
    if (refused && !heard) this.#fail(line, `the gateway answers HTTP ${response.status}`);
    return "done";
  }

  /** The session that `initialize` opened, and its stream of what the server says unasked. */
  #greeted(answer: JsonText, response: Response): void {
    const id = response.headers.get("mcp-session-id");
    const revision = revisionOf(answer);
    if (id === null || revision === null) return;
    this.#session = { id, revision };
    void this.#listen(this.#session);
  }

  /** A new session for one that the gateway no longer knows; however many messages find out, one handshake. */
  async #renew(stale: Session | null): Promise<void> {
    const handshake = this.#handshake;
    if (handshake === null || this.#session !== stale) return void (await this.#greeting);
    this.#session = null;
    const greet = async () => {
      const response = await fetch(this.#ends.endpoint, { method: "POST", headers: this.#headers({}), body: handshake.text, signal: this.#closing.signal, redirect: "error" });
      for await (const answer of messagesOf(response)) this.#greeted(answer, response);
      await this.#ask('{"jsonrpc":"2.0","method":"notifications/initialized"}', sessionHeaders(this.#session), this.#closing.signal);
    };
    this.#greeting = greet().catch(() => void (this.#session ??= stale));
    await this.#greeting;
  }

  /** The stream of a legacy session, taken up again where it broke; a gateway without one says so by a status. */
  async #listen(session: Session): Promise<void> {
    const { signal } = this.#closing;
    let last: string | null = null;
    for (let pause = BACKOFF_MS; this.#session === session && !signal.aborted; pause = Math.min(pause * 2, MAX_BACKOFF_MS)) {
      try {
        const resume: Record<string, string> = last === null ? {} : { "last-event-id": last };
        const response = await fetch(this.#ends.endpoint, { headers: this.#headers({ ...sessionHeaders(session), ...resume, accept: "text/event-stream" }), signal, redirect: "error" });
        if (response.status >= 400 && response.status < 500) return void (await response.body?.cancel());
        for await (const message of messagesOf(response, (id) => (last = id))) {
          pause = BACKOFF_MS;
          this.#ends.out(onOneLine(message));
        }
      } catch {
        // Broken, or the gateway is away: the next turn shows.
      }
      await sleep(pause, undefined, { signal, ref: false }).catch(ignore);
    }
  }

  /** One request of our own, answered by a single JSON text; null when it was not. */
  async #ask(body: JsonText, headers: Record<string, string>, signal: AbortSignal): Promise<JsonText | null> {
    const response = await fetch(this.#ends.endpoint, { method: "POST", headers: this.#headers(headers), body, signal, redirect: "error" });
    let last: JsonText | null = null;
    for await (const message of messagesOf(response)) last = message;
    return last;
  }

  #headers(own: Record<string, string>): Record<string, string> {
    const { token } = this.#ends;
    return { "content-type": "application/json", accept: "application/json, text/event-stream", ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...own };
  }

  /** A refusal that came before the message was read has no id. */
  #write(line: Line, answer: JsonText): void {
    const { id } = line;
    const nameless = memberOf(answer, "error") !== null && (memberOf(answer, "id") ?? "null") === "null";
    this.#ends.out(onOneLine(nameless && id !== null ? editObject(answer, { set: { id } }) : answer));
  }

  /** Only a request waits for an answer. */
  #fail(line: Line, message: string): void {
    this.#ends.err(message);
    if (line.id !== null) this.#ends.out(errorText(line.id, INTERNAL_ERROR, message));
  }
}

function sessionHeaders(session: Session | null): Record<string, string> {
  if (session === null) return {};
  return { "mcp-session-id": session.id, ...(session.revision >= "2025-06-18" && { "mcp-protocol-version": session.revision }) };
}

async function* messagesOf(response: Response, position: (id: string) => void = ignore): AsyncGenerator<JsonText, void> {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    const text = await response.text();
    // What stands between us and the gateway may answer in HTML.
    if (text.trimStart().startsWith("{") || text.trimStart().startsWith("[")) yield text;
    return;
  }
  const reader = new SseReader(Infinity);
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    for (const { data, id } of reader.feed(decoder.decode(chunk, { stream: true }))) {
      if (id !== null) position(id);
      if (data !== "") yield data;
    }
  }
}

/** Outside of strings a line break is white space; inside it is escaped. */
function onOneLine(message: JsonText): string {
  return message.replaceAll(/[\r\n]+/g, " ").trim();
}

function errorCode(answer: JsonText): JsonValue | undefined {
  const { error }: { error?: JsonValue } = JSON.parse(answer);
  return isObject(error) ? error.code : undefined;
}

function revisionOf(answer: JsonText): string | null {
  const { result }: { result?: JsonValue } = JSON.parse(answer);
  return isObject(result) && typeof result.protocolVersion === "string" ? result.protocolVersion : null;
}

function isUnsent(thrown: unknown): boolean {
  const cause: unknown = thrown instanceof Error ? thrown.cause : null;
  return typeof cause === "object" && cause !== null && "code" in cause && UNSENT.includes(String(cause.code));
}

function ignore(): void {}
