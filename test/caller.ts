import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";

/* A client as bare as possible, for tests that look at every answer there is. */

const MODERN = "2026-07-28";
const ACCEPT = "application/json, text/event-stream";

/** An MCP endpoint and the credential to use there; null: none. */
export interface Place {
  endpoint: string;
  token: string | null;
  /** Default: JSON and event streams. */
  accept?: string;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** The whole body as it came. */
  text: string;
  /** The JSON-RPC response in it; empty when there is none. */
  message: JsonObject;
}

/** One modern request. */
export async function modern(place: Place, method: string, params: JsonObject = {}, id: JsonValue = 1): Promise<Answer> {
  return answerOf(await fetch(place.endpoint, modernRequest(place, method, params, id)));
}

export function callTool(place: Place, name: string, args: JsonObject = {}, id: JsonValue = 1): Promise<Answer> {
  return modern(place, "tools/call", { name, arguments: args }, id);
}

/** Names on the first page of the list. */
export async function toolNames(place: Place): Promise<string[]> {
  return namesIn(await modern(place, "tools/list"));
}

export function namesIn(list: Answer): string[] {
  const { tools } = resultOf(list);
  if (!Array.isArray(tools)) throw new Error(`no list of tools: ${list.status} ${list.text}`);
  return tools.map((tool) => String(isObject(tool) ? tool.name : tool));
}

/** One legacy request; `session`: the id that `openSession` gave. */
export async function legacy(place: Place, method: string, params: JsonObject, session: string | null, id: JsonValue = 1): Promise<Answer> {
  const headers = { ...common(place), "mcp-protocol-version": "2025-11-25", ...(session !== null && { "mcp-session-id": session }) };
  return answerOf(await fetch(place.endpoint, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", id, method, params }) }));
}

export async function openSession(place: Place, protocolVersion = "2025-11-25", capabilities: JsonObject = {}): Promise<string> {
  const params = { protocolVersion, capabilities, clientInfo: { name: "test", version: "1" } };
  const { headers, status, text } = await legacy(place, "initialize", params, null);
  const session = headers.get("mcp-session-id");
  if (session === null) throw new Error(`no session: ${status} ${text}`);
  return session;
}

export function endSession(place: Place, session: string): Promise<Answer> {
  return fetch(place.endpoint, { method: "DELETE", headers: { ...common(place), "mcp-session-id": session } }).then(answerOf);
}

/** What an answer's response carries; empty for an error. */
export function resultOf({ message }: Answer): JsonObject {
  return isObject(message.result) ? message.result : {};
}

export function errorCode({ message }: Answer): JsonValue | undefined {
  return isObject(message.error) ? message.error.code : undefined;
}

/** An open `subscriptions/listen` stream, or the GET stream of a legacy session. */
export class Listener {
  /** Every message so far; all bytes as they came. */
  readonly messages: JsonObject[] = [];
  text = "";
  readonly #stop: AbortController;
  #wake = Promise.withResolvers<void>();
  #endedAt: number | null = null;
  readonly #ended = Promise.withResolvers<number>();

  private constructor(body: ReadableStream<Uint8Array>, stop: AbortController) {
    this.#stop = stop;
    void this.#read(body).catch(this.#ended.reject);
    // Only a test that waits for the end cares for a stream that was cut.
    this.#ended.promise.catch(() => undefined);
  }

  /** Resolves when the acknowledgement is there. */
  static async open(place: Place, notifications: JsonObject = { toolsListChanged: true }, _meta: JsonObject = {}): Promise<Listener> {
    const stop = new AbortController();
    const response = await fetch(place.endpoint, { ...modernRequest(place, "subscriptions/listen", { notifications, _meta }, "listen"), signal: stop.signal });
    if (!response.body || response.status !== 200) throw new Error(`cannot listen: ${response.status} ${await response.text()}`);
    const listener = new Listener(response.body, stop);
    await listener.heard(1);
    return listener;
  }

  /** The stream that answers one request of a session; resolves when its answer has begun. */
  static async call(place: Place, session: string, method: string, params: JsonObject, id: JsonValue = 1): Promise<Listener> {
    const stop = new AbortController();
    const headers = { ...common(place), "mcp-session-id": session };
    const response = await fetch(place.endpoint, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", id, method, params }), signal: stop.signal });
    if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) throw new Error(`no stream: ${response.status} ${await response.text()}`);
    return new Listener(response.body, stop);
  }

  /** The GET stream of a session, or what comes after an event id; resolves when its answer has begun. */
  static async get(place: Place, session: string, lastEventId: string | null = null): Promise<Listener> {
    const stop = new AbortController();
    const response = await getStream(place, { "mcp-session-id": session, ...(lastEventId !== null && { "last-event-id": lastEventId }) }, stop.signal);
    if (!response.body || response.status !== 200) throw new Error(`no stream: ${response.status} ${await response.text()}`);
    return new Listener(response.body, stop);
  }

  /** The id of the last event that came whole; null: there was none. */
  get lastEventId(): string | null {
    const whole = this.text.slice(0, this.text.lastIndexOf("\n\n") + 2);
    return [...whole.matchAll(/^id: (.+)$/gm)].at(-1)?.[1] ?? null;
  }

  /** Resolves with the Unix ms at which the server ended the stream; rejects when it was cut or closed. */
  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  /** Resolves with the first `count` messages, the acknowledgement among them. */
  async heard(count: number): Promise<JsonObject[]> {
    while (this.messages.length < count) {
      if (this.#endedAt !== null) throw new Error(`the stream ended after ${this.messages.length} messages`);
      await this.#wake.promise;
    }
    return this.messages.slice(0, count);
  }

  close(): void {
    this.#stop.abort();
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      this.text += decoder.decode(chunk, { stream: true });
      this.messages.splice(0, Infinity, ...messagesIn(this.text));
      this.#signal();
    }
    this.#endedAt = Date.now();
    this.#ended.resolve(this.#endedAt);
    this.#signal();
  }

  #signal(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

export function getStream(place: Place, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
  return fetch(place.endpoint, { headers: { ...common(place), accept: "text/event-stream", ...headers }, ...(signal && { signal }) });
}

function modernRequest(place: Place, method: string, params: JsonObject, id: JsonValue): { method: string; headers: Record<string, string>; body: string } {
  const subject = params.name ?? params.uri ?? params.taskId;
  const _meta = { "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}, ...(isObject(params._meta) && params._meta) };
  return {
    method: "POST",
    headers: { ...common(place), "mcp-protocol-version": MODERN, "mcp-method": method, ...(typeof subject === "string" && { "mcp-name": subject }) },
    body: JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta } }),
  };
}

function common({ token, accept = ACCEPT }: Place): Record<string, string> {
  return { "content-type": "application/json", accept, ...(token !== null && { authorization: `Bearer ${token}` }) };
}

async function answerOf(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const text = await response.text();
  const streamed = headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const parsed: JsonValue = streamed ? (messagesIn(text).at(-1) ?? null) : headers.get("content-type")?.includes("json") ? JSON.parse(text) : null;
  return { status, headers, text, message: isObject(parsed) ? parsed : {} };
}

/** The messages of an event stream that have come whole. */
function messagesIn(stream: string): JsonObject[] {
  const whole = stream.slice(0, stream.lastIndexOf("\n\n") + 2);
  return [...whole.matchAll(/^data: ?(\S.*)$/gm)].map(([, data = ""]): JsonValue => JSON.parse(data)).filter(isObject);
}
