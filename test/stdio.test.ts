import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v2 from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Bridge } from "../src/cli/bridge.ts";
import { linesOf } from "../src/cli/stdio.ts";
import type { JsonObject } from "../src/model/json.ts";
import { type Gateway, startGateway, type TestWorkspace as Minted } from "./harness/gateway.ts";
import { freshWorkspace, type TestWorkspace } from "./harness/workspace.ts";
import { until } from "./until.ts";
import { type AskingUpstream, startAsking } from "./upstreams/asking.ts";
import { answerTo, chunk, endChunks, event, methodOf, type RawUpstream, reply, type Script, startRaw, stream } from "./upstreams/raw.ts";

/* `causeway stdio`: official clients that start it as their server, and the bridge against a gateway that does what a test says. */

const BIN = fileURLToPath(new URL("../bin/causeway.mjs", import.meta.url));
const SIMPLE = [{ type: "text", text: "This is a simple text response for testing." }];

describe("an official client that starts the bridge", () => {
  let workspace: TestWorkspace;
  let server: { command: string; args: string[]; env: Record<string, string> };

  beforeAll(async () => {
    workspace = await freshWorkspace({ fixtures: true });
    server = { command: process.execPath, args: [BIN, "stdio"], env: { PATH: process.env["PATH"] ?? "", CAUSEWAY_URL: workspace.origin, CAUSEWAY_TOKEN: workspace.token } };
  });

  test("of SDK v1 lists, calls, hears progress, is asked, and sees errors", async () => {
    const client = new Client({ name: "desktop", version: "1" }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { username: "u", email: "e@example.com" } }));
    const transport = new StdioClientTransport(server);
    await client.connect(transport);
    // The client itself drops progress that comes in one piece with the result.
    const said: string[] = [];
    const hear = transport.onmessage;
    transport.onmessage = (message) => {
      said.push("method" in message ? message.method : "response");
      hear?.(message);
    };
    try {
      expect(client.getServerVersion()).toMatchObject({ name: "causeway" });
      expect((await client.listTools()).tools.map(({ name }) => name)).toContain("test_simple_text");
      expect((await client.callTool({ name: "test_simple_text" })).content).toEqual(SIMPLE);
      said.length = 0;
      await client.callTool({ name: "test_tool_with_progress" }, undefined, { onprogress: () => undefined });
      expect(said).toEqual(["notifications/progress", "notifications/progress", "notifications/progress", "response"]);
      expect(JSON.stringify(await client.callTool({ name: "test_elicitation", arguments: { message: "Who?" } }))).toContain("e@example.com");
      await expect(client.callTool({ name: "no_such_tool" })).rejects.toMatchObject({ code: -32602 });
    } finally {
      await client.close();
    }
  });

  test("of SDK v2 speaks the newest revision, header arguments included", async () => {
    const client = new v2.Client({ name: "desktop", version: "2" }, { versionNegotiation: { mode: "auto" } });
    await client.connect(new StdioV2(server));
    try {
      expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
      expect((await client.callTool({ name: "test_simple_text", arguments: {} })).content).toEqual(SIMPLE);
      expect(JSON.stringify(await client.callTool({ name: "test_x_mcp_header", arguments: { region: "us-east" } }))).toContain("us-east");
    } finally {
      await client.close();
    }
  });
});

const raws: RawUpstream[] = [];
const bridges: Bridge[] = [];
afterEach(async () => {
  await Promise.all(bridges.splice(0).map((bridge) => bridge.close()));
  await Promise.all(raws.splice(0).map((raw) => raw.close()));
});

async function bridged(script: Script): Promise<{ bridge: Bridge; raw: RawUpstream; out: string[]; err: string[] }> {
  const raw = await startRaw((request, socket, nth) => (request.method === "POST" ? script(request, socket, nth) : reply(socket, 405, "text/plain", "")));
  raws.push(raw);
  const out: string[] = [];
  const err: string[] = [];
  const bridge = new Bridge({ endpoint: raw.url, token: "t", out: (line) => void out.push(line), err: (line) => void err.push(line) });
  bridges.push(bridge);
  return { bridge, raw, out, err };
}

const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';
const CALL = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t", "arguments":{"n":12345678901234567890},${META}}}`;
const INITIALIZE = '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}';
const OLD_CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}';
const OLD_LIST = '{"jsonrpc":"2.0","id":2,"method":"tools/list"}';

describe("the bridge", () => {
  test("passes messages as written, with the headers that HTTP wants", async () => {
    const { bridge, raw, out } = await bridged((request, socket) => reply(socket, 200, "application/json", answerTo(request, '{ "big": 98765432109876543210,\n "u":"\u2028" }')));
    await bridge.take(CALL);
    expect(raw.requests[0]).toMatchObject({ body: CALL, headers: { authorization: "Bearer t", "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "t" } });
    expect(out).toEqual(['{"jsonrpc":"2.0","id":7,"result":{ "big": 98765432109876543210,  "u":"\u2028" }}']);
  });

  test("makes lines of a stream, in its order", async () => {
    const { bridge, out } = await bridged((request, socket) => {
      stream(socket);
      chunk(socket, `: keep-alive\n\n${event('{"jsonrpc":"2.0","method":"notifications/progress","params":{}}')}`);
      chunk(socket, event(answerTo(request, "{}")));
      endChunks(socket);
    });
    await bridge.take(CALL);
    expect(out.map((line) => JSON.parse(line).method ?? "result")).toEqual(["notifications/progress", "result"]);
  });

  test("closes a modern request that is cancelled, and sends no notification", async () => {
    const { bridge, raw, out } = await bridged((_, socket) => stream(socket));
    const taken = bridge.take(CALL);
    await until(() => raw.requests.length === 1 && raw.sockets() === 1);
    await bridge.take('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}');
    await taken;
    await until(() => raw.sockets() === 0);
    expect([raw.requests.length, out]).toEqual([1, []]);
  });

  test("carries a legacy cancellation as it is", async () => {
    const { bridge, raw } = await bridged((_, socket) => reply(socket, 202, "text/plain", ""));
    const cancelled = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}';
    await bridge.take(cancelled);
    expect(raw.requests.map(({ body }) => body)).toEqual([cancelled]);
  });

  test("opens a session that has ended anew, once for all who find out, unseen by the client", async () => {
    let sessions = 0;
    const { bridge, raw, out } = await bridged((request, socket) => {
      if (methodOf(request) === "initialize") return reply(socket, 200, "application/json", answerTo(request, '{"protocolVersion":"2025-11-25"}'), { "mcp-session-id": `s${++sessions}` });
      if (request.headers["mcp-session-id"] === "s1") return reply(socket, 404, "application/json", '{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"gone"}}');
      return JSON.parse(request.body).id === undefined ? reply(socket, 202, "text/plain", "") : reply(socket, 200, "application/json", answerTo(request, "{}"));
    });
    await bridge.take(INITIALIZE);
    await Promise.all([bridge.take(OLD_CALL), bridge.take(OLD_LIST)]);
    expect(sessions).toBe(2);
    expect(out.map((line) => JSON.parse(line).id).sort()).toEqual([0, 1, 2]);
    const last = raw.requests.findLast((request) => methodOf(request) === "tools/list");
    expect(last?.headers).toMatchObject({ "mcp-session-id": "s2", "mcp-protocol-version": "2025-11-25" });
    expect(raw.requests.filter((request) => methodOf(request) === "notifications/initialized")).toHaveLength(1);
  });

  test("never sends a call twice that may have been sent; lists it sends again", async () => {
    const { bridge, raw, out } = await bridged((request, socket, nth) => (nth <= 2 ? socket.destroy() : reply(socket, 200, "application/json", answerTo(request, "{}"))));
    await bridge.take(OLD_CALL);
    expect(JSON.parse(out[0] ?? "")).toMatchObject({ id: 1, error: { message: expect.stringContaining("not known") } });
    await bridge.take(OLD_LIST);
    expect(raw.requests.map(methodOf)).toEqual(["tools/call", "tools/list", "tools/list"]);
    expect(JSON.parse(out[1] ?? "")).toMatchObject({ id: 2, result: {} });
  });

  test("sends the call of a tool again that only reads or is idempotent, as the list said", async () => {
    const list = JSON.stringify({ tools: [{ name: "t", inputSchema: {}, annotations: { readOnlyHint: true } }, { name: "u", inputSchema: {}, annotations: { destructiveHint: true } }] });
    let broken = 0;
    const { bridge, raw, out } = await bridged((request, socket) => {
      if (methodOf(request) === "tools/list") return reply(socket, 200, "application/json", answerTo(request, list));
      return broken++ === 0 || request.body.includes('"u"') ? socket.destroy() : reply(socket, 200, "application/json", answerTo(request, "{}"));
    });
    await bridge.take(OLD_LIST);
    await bridge.take(OLD_CALL);
    await bridge.take(OLD_CALL.replace('"t"', '"u"'));
    expect(raw.requests.map(methodOf)).toEqual(["tools/list", "tools/call", "tools/call", "tools/call"]);
    expect(out.slice(1).map((line) => JSON.parse(line))).toMatchObject([{ result: {} }, { error: { message: expect.stringContaining("not known") } }]);
  });

  test("waits for a gateway that is away, with growing pauses", async () => {
    const { bridge, raw, out, err } = await bridged(() => undefined);
    await raw.close();
    const taken = bridge.take(OLD_CALL);
    await until(() => err.length >= 2);
    const [first = "", second = ""] = err.map((line) => /(\d+) ms/.exec(line)?.[1]);
    expect(Number(second)).toBeGreaterThan(Number(first));
    await bridge.close();
    await taken;
    expect(out).toEqual([]);
  });

  test("answers a refusal without an id under the id of its request; what is no JSON is said so", async () => {
    const { bridge, out } = await bridged((_, socket) => reply(socket, 401, "application/json", '{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"a valid access token is needed"}}'));
    await bridge.take(OLD_CALL);
    await bridge.take("{");
    expect(out.map((line) => JSON.parse(line))).toMatchObject([{ id: 1, error: { code: -32603 } }, { error: { code: -32700 } }]);
  });

  test("is told by the gateway which arguments travel in headers, when it did not see the list", async () => {
    const list = '{"tools":[{"name":"t","inputSchema":{"type":"object","properties":{"n":{"type":"string","x-mcp-header":"N"}}}}]}';
    const { bridge, raw, out } = await bridged((request, socket) => {
      if (methodOf(request) === "tools/list") return reply(socket, 200, "application/json", answerTo(request, list));
      if (request.headers["mcp-param-n"] === undefined) return reply(socket, 400, "application/json", `{"jsonrpc":"2.0","id":7,"error":{"code":-32020,"message":"missing"}}`);
      return reply(socket, 200, "application/json", answerTo(request, "{}"));
    });
    await bridge.take(CALL.replace("12345678901234567890", '"x"'));
    expect(raw.requests.map((request) => request.headers["mcp-param-n"] ?? methodOf(request))).toEqual(["tools/call", "tools/list", "x"]);
    expect(out).toEqual(['{"jsonrpc":"2.0","id":7,"result":{}}']);
  });
});

describe("a gateway that is restarted", () => {
  let gateway: Gateway;
  let upstream: AskingUpstream;
  let workspace: Minted;
  let persist: string;

  beforeAll(async () => {
    persist = await mkdtemp(join(tmpdir(), "causeway-stdio-"));
    [gateway, upstream] = await Promise.all([startGateway({ persist }), startAsking()]);
    workspace = await gateway.createWorkspace();
    await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  });
  afterAll(async () => {
    await Promise.all([gateway?.stop(), upstream?.close()]);
    await rm(persist, { recursive: true, force: true });
  });

  test.each(["legacy", "modern"])("gives each request of a %s client one answer: a call that was sent is not sent again, a list is", async (era) => {
    const out: JsonObject[] = [];
    const bridge = new Bridge({ endpoint: workspace.endpoint, token: workspace.token, out: (line) => void out.push(JSON.parse(line)), err: () => undefined });
    bridges.push(bridge);
    const ask = (id: number, method: string, params: object) => bridge.take(JSON.stringify({ jsonrpc: "2.0", id, method, params: era === "legacy" ? params : { ...params, ...JSON.parse(`{${META}}`) } }));
    const answers = (id: number) => out.filter((message) => message.id === id);
    if (era === "legacy") await bridge.take(INITIALIZE);
    const before = upstream.calls();
    const sent = ask(1, "tools/call", { name: "up_ask", arguments: {} });
    await upstream.call();
    let listed: Promise<void> | null = null;
    await gateway.restart(async () => {
      await sent;
      listed = ask(2, "tools/list", {});
      await until(() => answers(1).length === 1);
    });
    await listed;
    expect(answers(1)).toMatchObject([{ error: { message: expect.stringContaining("not known") } }]);
    expect(answers(2)).toMatchObject([{ result: { tools: [{ name: "up_ask" }, { name: "up_other" }] } }]);
    expect(upstream.calls()).toBe(before + 1);
    // The same session goes on: nothing of it was in memory.
    const again = ask(3, "tools/call", { name: "up_ask", arguments: {} });
    (await upstream.call()).end("after");
    await again;
    expect(answers(3)).toMatchObject([{ result: { content: [{ text: "after" }] } }]);
    expect(out.filter(({ id }) => id === 0)).toHaveLength(era === "legacy" ? 1 : 0);
  }, 60_000);
});

test("lines end with a line feed alone, wherever the pieces are cut", async () => {
  async function* pieces() {
    yield* ["a\u2028b", "\r\nc", "\n\nd"];
  }
  const lines: string[] = [];
  for await (const line of linesOf(pieces())) lines.push(line);
  expect(lines).toEqual(["a\u2028b\r", "c", "", "d"]);
});

