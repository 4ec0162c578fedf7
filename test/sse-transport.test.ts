import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { until } from "./until.ts";

/* HTTP+SSE of 2024-11-05: the stream at one Worker, what is posted at another. */

let gateway: Gateway;
let workspace: TestWorkspace;

beforeAll(async () => {
  gateway = await startGateway({ second: {} });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "conformance" });
  await workspace.api("POST", "/publish");
});
afterAll(() => gateway?.stop());

function address(path: string): URL {
  return new URL(`/w/${workspace.slug}/${path}`, gateway.origin);
}

const bearer = (token = workspace.token) => ({ authorization: `Bearer ${token}` });

describe("the official v1 client over HTTP+SSE", () => {
  let client: Client;
  const said: string[] = [];

  beforeAll(async () => {
    client = new Client({ name: "old", version: "1" }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { username: "u", email: "e@example.com" } }));
    const elsewhere: typeof fetch = (input, init) => {
      const url = String(input instanceof Request ? input.url : input);
      return fetch(init?.method === "POST" ? url.replace(gateway.origin, gateway.secondOrigin) : input, init);
    };
    const transport = new SSEClientTransport(address("sse"), { requestInit: { headers: bearer() }, fetch: elsewhere });
    await client.connect(transport);
    // The client itself drops progress that comes in one piece with the result.
    const hear = transport.onmessage;
    transport.onmessage = (message) => {
      said.push("method" in message ? message.method : "response");
      hear?.(message);
    };
  });
  afterAll(() => client?.close());

  test("lists, calls, reads", async () => {
    expect(client.getServerVersion()).toMatchObject({ name: "causeway" });
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("test_simple_text");
    expect((await client.callTool({ name: "test_simple_text" })).content).toEqual([{ type: "text", text: "This is a simple text response for testing." }]);
    expect((await client.readResource({ uri: "test://static-text" })).contents).toHaveLength(1);
    expect(await client.ping()).toEqual({});
  });

  test("hears progress before the result, and errors as errors", async () => {
    said.length = 0;
    await client.callTool({ name: "test_tool_with_progress" }, undefined, { onprogress: () => undefined });
    expect(said).toEqual(["notifications/progress", "notifications/progress", "notifications/progress", "response"]);
    await expect(client.callTool({ name: "no_such_tool" })).rejects.toMatchObject({ code: -32602 });
  });

  test("is asked in the middle of a call, and its answer finds the call", async () => {
    expect(JSON.stringify(await client.callTool({ name: "test_elicitation", arguments: { message: "Who?" } }))).toContain("e@example.com");
  });

  test("many calls at once are each answered once", async () => {
    const results = await Promise.all(Array.from({ length: 50 }, () => client.callTool({ name: "test_simple_text" })));
    expect(results).toHaveLength(50);
  });
});

test("the official v1 client hears of changed lists", async () => {
  const client = new Client({ name: "old", version: "1" });
  const heard: string[] = [];
  client.setNotificationHandler(ToolListChangedNotificationSchema, ({ method }) => void heard.push(method));
  await client.connect(new SSEClientTransport(address("sse"), { requestInit: { headers: bearer() } }));
  await until(async () => (await client.callTool({ name: "test_trigger_tool_change" }), heard.length > 0));
  await client.close();
});

test("a toolset has a stream of its own, and nothing else on it", async () => {
  await workspace.api("POST", "/toolsets", { slug: "few", tools: ["test_simple_text"] });
  const { token } = Object(await workspace.api("POST", "/tokens", { name: "narrow", scopes: ["mcp:read", "mcp:call"], toolset: "few" }));
  const client = new Client({ name: "old", version: "1" });
  await client.connect(new SSEClientTransport(address("sse/few"), { requestInit: { headers: bearer(token) } }));
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["test_simple_text"]);
  await expect(client.callTool({ name: "test_image_content" })).rejects.toMatchObject({ code: -32602 });
  await client.close();
  const status = async (path: string, as: string) => (await fetch(address(path), { headers: bearer(as) })).status;
  expect([await status("sse", token), await status("sse/nowhere", workspace.token), await status("sse/few", "cwy_wrong")]).toEqual([404, 404, 401]);
});

/** A stream as bare as possible. */
class Stream {
  text = "";
  readonly #stop = new AbortController();

  static async open(token = workspace.token): Promise<Stream> {
    const stream = new Stream();
    const response = await fetch(address("sse"), { headers: { ...bearer(token), accept: "text/event-stream" }, signal: stream.#stop.signal });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    void stream.#read(response).catch(() => undefined);
    await until(() => stream.text.includes("\n\n"));
    return stream;
  }

  get endpoint(): URL {
    const path = /^event: endpoint\ndata: (.*)\n\n/.exec(this.text)?.[1] ?? "";
    return new URL(path, gateway.origin);
  }

  async #read(response: Response): Promise<void> {
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) this.text += chunk;
  }

  close(): void {
    this.#stop.abort();
  }
}

function post(endpoint: URL, body: string, headers: Record<string, string> = bearer()): Promise<Response> {
  return fetch(endpoint, { method: "POST", headers: { "content-type": "application/json", ...headers }, body });
}

const PING = '{"jsonrpc":"2.0","id":0,"method":"ping"}';

describe("what is posted", () => {
  test("is answered on the stream under the id as written", async () => {
    const stream = await Stream.open();
    expect((await post(stream.endpoint, PING)).status).toBe(202);
    await until(() => stream.text.includes('event: message\ndata: {"jsonrpc":"2.0","id":0,"result":{}}\n\n'));
    await post(stream.endpoint, '{"jsonrpc":"2.0","id":"a\\u0062","method":"no/such"}');
    await until(() => /"id":"a\\u0062","error":\{"code":-32601/.test(stream.text));
    stream.close();
  });

  test("without a token, by another principal, to an id that is not ours, or after the client left finds no stream", async () => {
    const stream = await Stream.open();
    const { endpoint } = stream;
    const forged = new URL(endpoint);
    forged.searchParams.set("sessionId", `${endpoint.searchParams.get("sessionId")}x`);
    const { token } = Object(await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read", "mcp:call"] }));
    const statuses = [post(endpoint, PING, {}), post(endpoint, PING, bearer(token)), post(forged, PING), post(address("messages"), PING)].map(async (sent) => (await sent).status);
    expect(await Promise.all(statuses)).toEqual([401, 404, 404, 404]);
    stream.close();
    await until(async () => (await post(endpoint, PING)).status === 404);
    expect(stream.text).not.toContain("event: message");
  });

  test("without the scope for it is refused in band", async () => {
    const { token } = Object(await workspace.api("POST", "/tokens", { name: "reader", scopes: ["mcp:read"] }));
    const stream = await Stream.open(token);
    await post(stream.endpoint, '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"test_simple_text"}}', bearer(token));
    await until(() => stream.text.includes('"id":7'));
    expect(stream.text).toContain("lacks a scope: mcp:call");
    stream.close();
  });

  test("and is too large is 413; the stream wants a token", async () => {
    const stream = await Stream.open();
    expect((await post(stream.endpoint, `"${"x".repeat(1_100_000)}"`)).status).toBe(413);
    stream.close();
    expect((await fetch(address("sse"))).status).toBe(401);
    expect((await fetch(address("sse"), { method: "POST", headers: bearer() })).status).toBe(405);
    expect((await fetch(address("sse"), { headers: { ...bearer(), origin: "https://evil.example" } })).status).toBe(403);
  });
});
