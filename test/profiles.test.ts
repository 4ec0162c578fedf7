import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as v2 from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KNOWN_CLIENTS } from "../src/protocol/profiles.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { called, offering, toolOf } from "./upstreams/offering.ts";
import { type RawUpstream, reply, startRaw } from "./upstreams/raw.ts";

/* Clients by the name they give: what is done for a known one, and that nothing is for others. */

const WATCHED = fileURLToPath(new URL("workers/watched.ts", import.meta.url));
/** Two that are the same as far as any limit goes, one with characters that no name has, one that fits. */
const LONG = [`${"long_name_".repeat(5)}a`, `${"long_name_".repeat(5)}b`, `odd.${"x".repeat(70)}`];
const TOOLS = [...LONG, "brief"];

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: RawUpstream;

beforeAll(async () => {
  upstream = await startRaw(offering(TOOLS, (request, socket) => reply(socket, 200, "application/json", called(request, toolOf(request)))));
  gateway = await startGateway({ entry: WATCHED });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url, toolset: true });
  await workspace.api("POST", "/builtins", { set: "watched" });
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.close()]);
});

interface Connected {
  names(): Promise<string[]>;
  call(name: string): Promise<{ content: unknown[]; isError?: unknown }>;
  close(): Promise<void>;
}

type Era = "legacy" | "modern";

async function connect(era: Era, name: string, endpoint = workspace.endpoint): Promise<Connected> {
  const info = { name, version: "1.0.0" };
  const requestInit = { headers: { authorization: `Bearer ${workspace.token}` } };
  if (era === "legacy") {
    const client = new Client(info);
    await client.connect(new StreamableHTTPClientTransport(new URL(endpoint), { requestInit }));
    return {
      names: async () => (await client.listTools()).tools.map((tool) => tool.name),
      call: async (tool) => Object(await client.callTool({ name: tool })),
      close: () => client.close(),
    };
  }
  const client = new v2.Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  await client.connect(new v2.StreamableHTTPClientTransport(new URL(endpoint), { requestInit }));
  return {
    names: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: async (tool) => Object(await client.callTool({ name: tool })),
    close: () => client.close(),
  };
}

describe.each<Era>(["legacy", "modern"])("a client of the %s era", (era) => {
  test("that nobody knows sees every name as it is, at most 64 characters, and calls it", async () => {
    const client = await connect(era, "a-stranger");
    const names = (await client.names()).filter((name) => name.startsWith("up_"));
    expect(names).toEqual(expect.arrayContaining([`up_${LONG[0]}`, `up_${LONG[1]}`, "up_brief"]));
    expect(names).toHaveLength(TOOLS.length);
    expect(await client.call(`up_${LONG[0]}`)).toMatchObject({ content: [{ text: LONG[0] }] });
    await client.close();
  });

  test.each(["Cursor", "cursor-vscode", "claude-code"])("that calls itself %s sees names within its limit, each another tool, and calls them", async (name) => {
    const limit = name === "claude-code" ? 44 : 40;
    const client = await connect(era, name);
    const names = (await client.names()).filter((tool) => tool.startsWith("up_"));
    expect(names.filter((tool) => tool.length > limit || !/^[\w-]+$/.test(tool))).toEqual([]);
    expect(names).toContain("up_brief");
    const said = await Promise.all(names.map(async (tool) => Object((await client.call(tool)).content[0]).text));
    expect(said.sort()).toEqual([...TOOLS].sort());
    await client.close();
    const other = await connect(era, "a-stranger");
    const short = names.find((tool) => tool !== "up_brief") ?? "";
    await expect(other.call(short)).rejects.toMatchObject({ code: -32602 });
    await other.close();
  });

  test("that calls itself Cursor finds a one-to-one endpoint's own names", async () => {
    const client = await connect(era, "Cursor", `${workspace.endpoint}/up`);
    expect((await client.names()).sort()).toEqual([...TOOLS].sort());
    await client.close();
  });

  test("that shows content alone gets structured content as text too", async () => {
    const [known, other] = await Promise.all([connect(era, "codex-mcp-client"), connect(era, "a-stranger")]);
    expect(await known.call("structured")).toMatchObject({ content: [{ type: "text", text: '{"n":1}' }], structuredContent: { n: 1 } });
    expect(await other.call("structured")).toMatchObject({ content: [], structuredContent: { n: 1 } });
    await Promise.all([known.close(), other.close()]);
  });

  test("that gives up after a minute is answered within it", async () => {
    const [known, other] = await Promise.all([connect(era, "claude-ai"), connect(era, "a-stranger")]);
    const timeOf = async (client: Connected) => Number(Object((await client.call("time")).content[0]).text);
    expect(await timeOf(known)).toBeLessThan(60_000);
    expect(await timeOf(other)).toBeGreaterThan(60_000);
    await Promise.all([known.close(), other.close()]);
  });

  test("that reads one page gets all in one", async () => {
    const few = await gateway.createWorkspace();
    const many = await startRaw(offering(Array.from({ length: 1_001 }, (_, at) => `t${at}`), () => undefined));
    await few.api("POST", "/upstreams", { slug: "up", url: many.url });
    const first = async (name: string) => {
      const client = era === "modern" ? { "io.modelcontextprotocol/clientInfo": { name, version: "1" } } : null;
      const answer = client ? await listed(few, { _meta: client }) : await listedIn(few, name);
      return Object(answer);
    };
    expect(await first("github-copilot-developer")).toMatchObject({ tools: { length: 1_001 } });
    expect(await first("github-copilot-developer")).not.toHaveProperty("nextCursor");
    expect(await first("a-stranger")).toMatchObject({ tools: { length: 1_000 }, nextCursor: expect.any(String) });
    await many.close();
  });
});

async function listed(place: TestWorkspace, params: { _meta: object }): Promise<unknown> {
  const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}, ...params._meta };
  return resultOf(place, { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list" }, "tools/list", { _meta });
}

async function listedIn(place: TestWorkspace, name: string): Promise<unknown> {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name, version: "1" } };
  const opened = await post(place, {}, "initialize", params);
  return resultOf(place, { "mcp-session-id": opened.headers.get("mcp-session-id") ?? "" }, "tools/list", {});
}

async function resultOf(place: TestWorkspace, headers: Record<string, string>, method: string, params: object): Promise<unknown> {
  return Object(JSON.parse(await (await post(place, headers, method, params)).text())).result;
}

function post({ endpoint, token }: TestWorkspace, headers: Record<string, string>, method: string, params: object): Promise<Response> {
  const all = { authorization: `Bearer ${token}`, "content-type": "application/json", accept: "application/json, text/event-stream", ...headers };
  return fetch(endpoint, { method: "POST", headers: all, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) });
}

test("what is done for whom is written down", () => {
  const page = readFileSync("docs/clients.md", "utf8");
  for (const { client, names } of KNOWN_CLIENTS) for (const word of [client, ...names]) expect(page).toContain(word);
});
