import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as v2 from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isObject, type JsonValue } from "../src/model/json.ts";
import { type HoldingUpstream, startHolding } from "./holding.ts";
import { sharedGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Wire } from "./wire.ts";

const MODERN = "2026-07-28";
const LEGACY = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
const INFO = { name: "a-stranger", version: "1.0.0" };
const SIMPLE_TEXT = [{ type: "text", text: "This is a simple text response for testing." }];

let workspace: TestWorkspace;
let upstream: HoldingUpstream;

beforeAll(async () => {
  upstream = await startHolding();
  workspace = await (await sharedGateway()).createWorkspace();
  await workspace.api("POST", "/builtins", { set: "conformance" });
  await workspace.api("POST", "/upstreams", { slug: "slow", url: upstream.url });
  await workspace.api("POST", "/publish");
});

afterAll(() => upstream.close());

describe.each(LEGACY)("the official v1 client at %s", (revision) => {
  test("lists and calls", async () => {
    const { client, wire, close } = await connectV1(revision);
    expect(client.getServerVersion()).toMatchObject({ name: "causeway" });
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toContain("test_simple_text");
    expect((await client.callTool({ name: "test_simple_text" })).content).toEqual(SIMPLE_TEXT);
    expect(await client.callTool({ name: "test_error_handling" })).toMatchObject({ isError: true });
    await expect(client.callTool({ name: "no_such_tool" })).rejects.toMatchObject({ code: -32602 });

    const { prompts } = await client.listPrompts();
    expect(prompts.map((prompt) => prompt.name)).toContain("test_prompt_with_arguments");
    const prompt = await client.getPrompt({ name: "test_prompt_with_arguments", arguments: { arg1: "a", arg2: "b" } });
    expect(prompt.messages).toEqual([{ role: "user", content: { type: "text", text: "Prompt with arguments: arg1='a', arg2='b'" } }]);
    const reference = { type: "ref/prompt" as const, name: "test_prompt_with_arguments" };
    const { completion } = await client.complete({ ref: reference, argument: { name: "arg1", value: "par" } });
    expect(completion.values).toEqual(["paris", "park", "party"]);

    const { resources } = await client.listResources();
    expect(resources.map((resource) => resource.uri)).toContain("test://static-text");
    const { contents } = await client.readResource({ uri: "test://static-text" });
    expect(contents).toMatchObject([{ text: "This is the content of the static text resource." }]);
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map((template) => template.uriTemplate)).toContain("test://template/{id}/data");
    await expect(client.readResource({ uri: "test://nowhere" })).rejects.toMatchObject({ code: -32002 });

    expect(await client.ping()).toEqual({});
    await close();
    expect(await wire.problems()).toEqual([]);
  });

  test("gets the log messages of the level it set", async () => {
    const { client, wire, close } = await connectV1(revision);
    expect(await client.setLoggingLevel("warning")).toEqual({});
    await client.callTool({ name: "test_tool_with_logging" });
    await client.setLoggingLevel("info");
    await client.callTool({ name: "test_tool_with_logging" });
    await close();
    expect(await wire.problems()).toEqual([]);
    const logged = wire.messages.filter((message) => message.method === "notifications/message");
    expect(logged.map(({ params }) => (isObject(params) ? params.data : null))).toEqual([
      "Tool execution started",
      "Tool processing data",
      "Tool execution completed",
    ]);
  });
});

const MODES = [
  { mode: "legacy", revision: "2025-11-25" },
  { mode: "auto", revision: MODERN },
  { mode: { pin: MODERN }, revision: MODERN },
] as const;

describe.each(MODES)("the official v2 client in mode $mode", ({ mode, revision }) => {
  test("lists and calls", async () => {
    const { client, wire, close } = await connectV2(mode, revision);
    expect(client.getNegotiatedProtocolVersion()).toBe(revision);
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toContain("test_simple_text");
    expect((await client.callTool({ name: "test_simple_text" })).content).toEqual(SIMPLE_TEXT);
    expect((await client.callTool({ name: "test_x_mcp_header", arguments: { region: "zürich" } })).content).toEqual([
      { type: "text", text: "Region: zürich" },
    ]);
    const { prompts } = await client.listPrompts();
    expect(prompts.map((prompt) => prompt.name)).toContain("test_simple_prompt");
    expect((await client.getPrompt({ name: "test_simple_prompt" })).messages).toHaveLength(1);
    const { resources } = await client.listResources();
    expect(resources.map((resource) => resource.uri)).toContain("test://static-text");
    expect((await client.readResource({ uri: "test://template/7/data" })).contents).toMatchObject([{ uri: "test://template/7/data" }]);
    await close();
    expect(await wire.problems()).toEqual([]);
  });
});

test("the official v2 client answers what a tool asks, over as many rounds as it takes", async () => {
  const { client, wire, close } = await connectV2({ pin: MODERN }, MODERN);
  const answers = [{ name: "Ada" }, { color: "green" }];
  client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: answers.shift() ?? {} }));
  const { content } = await client.callTool({ name: "test_input_required_result_multi_round" });
  expect(content).toEqual([{ type: "text", text: "Ada likes green" }]);
  await close();
  expect(await wire.problems()).toEqual([]);
});

/** The tool ends only after the test has seen its progress: a gateway that kept it back would hold both for ever. */
describe("progress arrives while the call runs", () => {
  const request = { name: "slow_hold", arguments: {} };
  const RELEASED = [{ type: "text", text: "released" }];

  test.each(LEGACY)("at the official v1 client at %s", async (revision) => {
    const { client, wire, close } = await connectV1(revision);
    const call = upstream.next();
    const result = await client.callTool(request, undefined, { onprogress: () => call.release() });
    expect(result.content).toEqual(RELEASED);
    await close();
    expect(await wire.problems()).toEqual([]);
  });

  test.each(MODES)("at the official v2 client in mode $mode", async ({ mode, revision }) => {
    const { client, wire, close } = await connectV2(mode, revision);
    const call = upstream.next();
    const result = await client.callTool(request, { onprogress: () => call.release() });
    expect(result.content).toEqual(RELEASED);
    await close();
    expect(await wire.problems()).toEqual([]);
  });

  test("at a plain HTTP client", async () => {
    const call = upstream.next();
    const response = await postModern("tools/call", { ...request, _meta: { progressToken: 7 } });
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.includes("notifications/progress")) call.release();
    }
    expect(text).toContain('"progressToken":7');
    expect(text).toContain("released");
  });
});

describe("plain HTTP without a library", () => {
  test("modern: one POST a call", async () => {
    const wire = new Wire(MODERN);
    const listed = await bodyOf(await postModern("tools/list", {}, wire.fetch));
    expect(listed).toMatchObject({ id: 1, result: { resultType: "complete", tools: expect.any(Array) } });
    const called = await bodyOf(await postModern("tools/call", { name: "test_simple_text" }, wire.fetch));
    expect(called).toMatchObject({ id: 1, result: { resultType: "complete", content: SIMPLE_TEXT } });
    expect(await wire.problems()).toEqual([]);
  });

  test.each(LEGACY)("%s: calls without a session are served", async (revision) => {
    const wire = new Wire(revision);
    const listed = await bodyOf(await postLegacy(revision, "tools/list", {}, wire.fetch));
    expect(listed).toMatchObject({ id: 1, result: { tools: expect.any(Array) } });
    const called = await bodyOf(await postLegacy(revision, "tools/call", { name: "test_simple_text" }, wire.fetch));
    expect(called).toEqual({ jsonrpc: "2.0", id: 1, result: { content: SIMPLE_TEXT } });
    expect(await wire.problems()).toEqual([]);
  });

  test("2025-03-26: a batch is answered message by message", async () => {
    const wire = new Wire("2025-03-26");
    const batch = [
      { jsonrpc: "2.0", id: "a", method: "ping" },
      { jsonrpc: "2.0", id: "b", method: "tools/call", params: { name: "test_simple_text" } },
    ];
    const response = await wire.fetch(workspace.endpoint, { method: "POST", headers: legacyHeaders("2025-03-26"), body: JSON.stringify(batch) });
    await response.text();
    expect(await wire.problems()).toEqual([]);
    expect(wire.messages.map((message) => message.id).sort()).toEqual(["a", "b"]);
    expect(wire.messages).toContainEqual({ jsonrpc: "2.0", id: "a", result: {} });
  });
});

describe.each(["legacy", "auto", "modern"])("the Inspector's command line in era %s", (protocolEra) => {
  test("lists and calls", async () => {
    const listed = await inspect(protocolEra, ["--method", "tools/list"]);
    expect(listed).toContain("test_simple_text");
    const called = await inspect(protocolEra, ["--method", "tools/call", "--tool-name", "test_x_mcp_header", "--tool-arg", "region=eu"]);
    expect(called).toContain("Region: eu");
  }, 60_000);
});

// --- clients ------------------------------------------------------------------------------------------------------

function authorization(): Record<string, string> {
  return { authorization: `Bearer ${workspace.token}` };
}

/** The client only ever proposes its newest revision, so the proposal is replaced on its way out. */
async function connectV1(revision: string) {
  const wire = new Wire(revision);
  const propose: typeof fetch = (input, init) => wire.fetch(requestUrl(input), { ...init, body: proposing(revision, init?.body) });
  const transport = new StreamableHTTPClientTransport(new URL(workspace.endpoint), { requestInit: { headers: authorization() }, fetch: propose });
  const client = new Client(INFO, { capabilities: {} });
  await client.connect(transport);
  expect(transport.protocolVersion).toBe(revision);
  const close = async () => {
    await transport.terminateSession();
    await client.close();
  };
  return { client, wire, close };
}

async function connectV2(mode: v2.VersionNegotiationMode, revision: string) {
  const wire = new Wire(revision);
  const transport = new v2.StreamableHTTPClientTransport(new URL(workspace.endpoint), { requestInit: { headers: authorization() }, fetch: wire.fetch });
  const client = new v2.Client(INFO, { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode } });
  await client.connect(transport);
  return { client, wire, close: () => client.close() };
}

function proposing(revision: string, body: BodyInit | null | undefined): BodyInit | null | undefined {
  if (typeof body !== "string") return body;
  const message: JsonValue = JSON.parse(body);
  if (!isObject(message) || message.method !== "initialize" || !isObject(message.params)) return body;
  return JSON.stringify({ ...message, params: { ...message.params, protocolVersion: revision } });
}

function requestUrl(input: string | URL | Request): string | URL {
  return input instanceof Request ? input.url : input;
}

async function postModern(method: string, params: Record<string, JsonValue>, send: typeof fetch = fetch): Promise<Response> {
  const own = isObject(params._meta) ? params._meta : {};
  const envelope = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": INFO,
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const headers = {
    ...authorization(),
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": MODERN,
    "mcp-method": method,
    ...(typeof params.name === "string" && { "mcp-name": params.name }),
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: { ...own, ...envelope } } });
  return send(workspace.endpoint, { method: "POST", headers, body });
}

function postLegacy(revision: string, method: string, params: Record<string, JsonValue>, send: typeof fetch): Promise<Response> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return send(workspace.endpoint, { method: "POST", headers: legacyHeaders(revision), body });
}

/** Revisions before 2025-06-18 have no version header. */
function legacyHeaders(revision: string): Record<string, string> {
  return {
    ...authorization(),
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    ...(revision >= "2025-06-18" && { "mcp-protocol-version": revision }),
  };
}

async function bodyOf(response: Response): Promise<JsonValue> {
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  const body: JsonValue = await response.json();
  return body;
}

/** Standard output of the Inspector; rejects with what it said when it ends with another exit code than 0. */
async function inspect(protocolEra: string, args: string[]): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "inspector-"));
  try {
    const config = join(home, "servers.json");
    const server = { type: "streamable-http", url: workspace.endpoint, headers: authorization(), protocolEra };
    await writeFile(config, JSON.stringify({ mcpServers: { gateway: server } }));
    return await run(["--cli", "--config", config, "--server", "gateway", "--format", "json", ...args], home);
  } finally {
    await rm(home, { recursive: true });
  }
}

function run(args: string[], home: string): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector/package.json");
  const launcher = join(dirname(manifest), "clients/launcher/build/index.js");
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [launcher, ...args], { env: { ...process.env, HOME: home } }, (error, stdout, stderr) => {
      if (error) reject(new Error(`the Inspector failed: ${stderr}${stdout}`));
      else resolve(stdout);
    });
  });
}
