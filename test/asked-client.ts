/* A legacy client in a session, that sees every message of a call and answers what it is asked. */

export interface Message {
  id?: string | number;
  method?: string;
  params?: Record<string, unknown>;
  result?: { content: { text: string }[]; isError?: boolean };
  error?: { code: number };
}

export class AskedClient {
  readonly #endpoint: string;
  readonly #answersTo: string;
  readonly #headers: Record<string, string>;

  /** Somebody else who knows the id of its session. */
  as(token: string): AskedClient {
    return new AskedClient(this.#endpoint, this.#answersTo, { ...this.#headers, authorization: `Bearer ${token}` });
  }

  /** The id of its session. */
  get session(): string {
    return this.#headers["mcp-session-id"] ?? "";
  }

  private constructor(endpoint: string, answersTo: string, headers: Record<string, string>) {
    this.#endpoint = endpoint;
    this.#answersTo = answersTo;
    this.#headers = headers;
  }

  /** `answersTo`: origin of the Worker that gets the answers, another one over the same objects. */
  static async open(workspace: { endpoint: string; token: string }, answersTo: string, protocolVersion: string, capabilities: object): Promise<AskedClient> {
    const headers = { "content-type": "application/json", authorization: `Bearer ${workspace.token}`, accept: "application/json, text/event-stream" };
    const params = { protocolVersion, capabilities, clientInfo: { name: "t", version: "1" } };
    const response = await fetch(workspace.endpoint, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }) });
    await response.text();
    return new AskedClient(workspace.endpoint, answersTo + new URL(workspace.endpoint).pathname, { ...headers, "mcp-session-id": response.headers.get("mcp-session-id") ?? "" });
  }

  /** The messages of one call as they come. */
  async *call(name: string, args: object = {}, headers: Record<string, string> = {}): AsyncGenerator<Message, undefined> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name, arguments: args } });
    const response = await fetch(this.#endpoint, { method: "POST", headers: { ...this.#headers, ...headers }, body });
    if (response.headers.get("content-type") === "application/json") return void (yield JSON.parse(await response.text()));
    let buffered = "";
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      buffered += chunk;
      for (let end = buffered.indexOf("\n\n"); end >= 0; end = buffered.indexOf("\n\n")) {
        const data = /^data: (.*)$/m.exec(buffered.slice(0, end))?.[1];
        buffered = buffered.slice(end + 2);
        if (data) yield JSON.parse(data);
      }
    }
    return undefined;
  }

  /** Cancels the call. */
  async cancel(): Promise<void> {
    const body = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7, reason: "enough" } });
    await (await fetch(this.#answersTo, { method: "POST", headers: this.#headers, body })).text();
  }

  /** Ends the session. */
  async end(): Promise<number> {
    const response = await fetch(this.#answersTo, { method: "DELETE", headers: this.#headers });
    await response.text();
    return response.status;
  }

  async answer(id: Message["id"], answer: { result: unknown } | { error: object }): Promise<number> {
    const response = await fetch(this.#answersTo, { method: "POST", headers: this.#headers, body: JSON.stringify({ jsonrpc: "2.0", id, ...answer }) });
    await response.text();
    return response.status;
  }
}

export async function nextMessage(messages: AsyncGenerator<Message, undefined>): Promise<Message> {
  const { value } = await messages.next();
  if (!value) throw new Error("the stream ended");
  return value;
}
