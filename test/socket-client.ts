import { Agent, request, type ClientRequest, type IncomingMessage } from "node:http";
import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";

const MODERN = "2026-07-28";
const LEGACY = "2025-11-25";
/** The last revision that has batches. */
const BATCHING = "2025-03-26";
const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientInfo": { name: "socket-client", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

export interface SendOptions {
  id?: JsonValue;
  accept?: string;
  progressToken?: JsonValue;
  /** Goes as a W3C traceparent and comes back in the audit record. */
  trace?: string;
}

export interface Answer {
  status: number;
  type: string;
  headers: IncomingMessage["headers"];
  /** Every message, notifications and the response. */
  messages: JsonObject[];
  /** The last one. */
  message: JsonObject;
  result: JsonObject;
}

/** A client of one endpoint on kept connections, that can leave at any moment. */
export class SocketClient {
  readonly #agent: Agent;
  readonly #endpoint: string;
  readonly #token: string;

  constructor({ endpoint, token }: { endpoint: string; token: string }, connections = 16) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    this.#endpoint = endpoint;
    this.#token = token;
  }

  /** One modern request. */
  modern(method: string, params: JsonObject = {}, options: SendOptions = {}): Sent {
    const { progressToken } = options;
    const own = isObject(params._meta) ? params._meta : {};
    const _meta = { ...ENVELOPE, ...own, ...(progressToken === undefined ? {} : { progressToken }) };
    const named = params.name ?? params.uri ?? params.taskId;
    const headers = { "mcp-protocol-version": MODERN, "mcp-method": method, ...(typeof named === "string" ? { "mcp-name": headerValue(named) } : {}) };
    return this.#send(message(method, { ...params, _meta }, options), headers, options);
  }

  /** One legacy request without a session. */
  legacy(method: string, params: JsonObject = {}, options: SendOptions = {}): Sent {
    const { progressToken } = options;
    const asking = progressToken === undefined ? params : { ...params, _meta: { progressToken } };
    return this.#send(message(method, asking, options), { "mcp-protocol-version": LEGACY }, options);
  }

  /** A batch of legacy requests; their ids are their places. */
  batch(requests: { method: string; params: JsonObject }[], options: SendOptions = {}): Sent {
    return this.#send(requests.map(({ method, params }, id) => message(method, params, { id })), { "mcp-protocol-version": BATCHING }, options);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(messages: JsonValue, own: Record<string, string>, { accept, trace }: SendOptions): Sent {
    const body = JSON.stringify(messages);
    const outgoing = request(this.#endpoint, {
      method: "POST",
      agent: this.#agent,
      headers: {
        authorization: `Bearer ${this.#token}`,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        accept: accept ?? "application/json, text/event-stream",
        ...own,
        ...(trace ? { traceparent: trace } : {}),
      },
    });
    const sent = new Sent(outgoing);
    outgoing.end(body);
    return sent;
  }
}

/** One request on its way. */
export class Sent {
  readonly #outgoing: ClientRequest;
  /** The answer's head; its body is not read before someone asks for it. */
  readonly head: Promise<IncomingMessage>;
  /** The request has been handed to the network. */
  readonly flushed: Promise<void>;

  constructor(outgoing: ClientRequest) {
    this.#outgoing = outgoing;
    this.flushed = new Promise((resolve) => outgoing.once("finish", resolve));
    this.head = new Promise((resolve, reject) => {
      outgoing.once("response", resolve);
      outgoing.on("error", reject);
    });
    this.head.catch(() => undefined);
  }

  /** Closes the connection, whatever is under way on it. */
  leave(): void {
    this.#outgoing.destroy();
  }

  /** The body as it comes. */
  async *text(): AsyncGenerator<string, void> {
    const incoming = await this.head;
    incoming.setEncoding("utf8");
    for await (const chunk of incoming) yield String(chunk);
  }

  /** Messages as they come. */
  async *messages(): AsyncGenerator<JsonObject, void> {
    const streamed = (await this.head).headers["content-type"] === "text/event-stream";
    let pending = "";
    for await (const chunk of this.text()) {
      pending += chunk;
      for (let end = pending.indexOf("\n\n"); streamed && end >= 0; end = pending.indexOf("\n\n")) {
        const data = dataOf(pending.slice(0, end));
        pending = pending.slice(end + 2);
        if (data !== "") yield parsed(data);
      }
    }
    if (!streamed && pending !== "") yield parsed(pending);
  }

  /** The whole answer. */
  async answer(): Promise<Answer> {
    const { statusCode = 0, headers } = await this.head;
    const messages: JsonObject[] = [];
    for await (const message of this.messages()) messages.push(message);
    const message = messages.at(-1) ?? {};
    return { status: statusCode, type: headers["content-type"] ?? "", headers, messages, message, result: isObject(message.result) ? message.result : {} };
  }
}

/** The next value of a stream; throws when it has ended. */
export async function next<T>(stream: AsyncGenerator<T, void>): Promise<T> {
  const step = await stream.next();
  if (step.done) throw new Error("the stream has ended");
  return step.value;
}

/** A traceparent of its own for each number. */
export function traceOf(number: number): string {
  return `00-${(number + 1).toString(16).padStart(32, "0")}-00f067aa0ba902b7-01`;
}

function message(method: string, params: JsonObject, { id = 1 }: SendOptions): JsonObject {
  return { jsonrpc: "2.0", id, method, params };
}

/** MCP 2026-07-28, value encoding of headers. */
function headerValue(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : `=?base64?${Buffer.from(text).toString("base64")}?=`;
}

function dataOf(event: string): string {
  return event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
}

function parsed(text: string): JsonObject {
  const value: JsonValue = JSON.parse(text);
  if (!isObject(value)) throw new Error(`not a message: ${text}`);
  return value;
}
