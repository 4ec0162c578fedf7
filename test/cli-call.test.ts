import { mkdtempSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { buffer } from "node:stream/consumers";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { argumentsOf } from "../src/cli/arguments.ts";
import { run } from "../src/cli/program.ts";

/* `causeway call` and `doctor` against a real MCP server of the official SDK behind a stand-in for the API. */

const WHO = { workspace: { id: "ws_1", slug: "acme" }, principal: { id: "tok_1", name: "ci", kind: "token", role: null, readOnly: false, scopes: ["mcp:read", "mcp:call"] } };
const authorizations = new Set<string | null>();
let server: Server;
let origin = "";

beforeAll(async () => {
  const mcp = createMcpHandler(() => tools());
  server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "", origin);
    if (url.pathname === "/api/v1/workspaces/acme") return void response.end(JSON.stringify({ ...WHO, endpoint: `${origin}/w/acme/mcp` }));
    if (url.pathname.endsWith("z")) return void response.end("{}");
    const body = await buffer(request);
    const headers = new Headers(Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]));
    authorizations.add(headers.get("authorization"));
    const answer = await mcp.fetch(new Request(url, { method: request.method ?? "GET", headers, ...(body.length > 0 && { body: new Uint8Array(body) }) }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    for await (const chunk of answer.body ?? []) response.write(chunk);
    response.end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the stand-in has no port");
  origin = `http://127.0.0.1:${address.port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function tools(): McpServer {
  const mcp = new McpServer({ name: "stand-in", version: "1" });
  const shape = z.object({ count: z.number(), word: z.string() });
  mcp.registerTool("repeat", { description: "Repeats a word", inputSchema: shape }, async ({ count, word }, ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    if (progressToken !== undefined) await ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: 1, total: 2, message: "half way" } });
    return { content: [{ type: "text", text: Array(count).fill(word).join(" ") }] };
  });
  mcp.registerTool("fail", { description: "Fails" }, async () => ({ content: [{ type: "text", text: "it broke" }], isError: true }));
  return mcp;
}

async function causeway(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await run(args, {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    env: { CAUSEWAY_URL: origin, CAUSEWAY_TOKEN: "secret-token", CAUSEWAY_WORKSPACE: "acme" },
    cwd: mkdtempSync(`${tmpdir()}/causeway-call-`),
    stdin: async () => "", input: async function* () {}, prompt: null,
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

test("call types its words by the tool's schema, prints the text, and progress on stderr", async () => {
  expect(await causeway("call", "repeat", "count=3", "word=7")).toEqual({ code: 0, out: "7 7 7", err: "[1/2] half way" });
  expect([...authorizations]).toEqual(["Bearer secret-token"]);
});

test("tools call is the same command, --json prints the whole result", async () => {
  const { out } = await causeway("tools", "call", "repeat", "--args", '{"count":1,"word":"a"}', "word=b", "--json");
  expect(JSON.parse(out)).toMatchObject({ content: [{ type: "text", text: "b" }] });
});

test("a tool that reports an error prints it and exits 1", async () => {
  expect(await causeway("call", "fail")).toEqual({ code: 1, out: "it broke", err: "error: fail: the tool reports an error" });
});

test("an unknown tool and a bad argument are named", async () => {
  expect(await causeway("call", "nothing")).toMatchObject({ code: 1, err: expect.stringMatching(/^error: nothing: /) });
  expect(await causeway("call", "repeat", "count=many", "word=a")).toMatchObject({ code: 1, err: "error: count: not JSON: many" });
});

test("doctor goes through gateway, token and endpoint", async () => {
  const { code, out } = await causeway("doctor");
  expect(code).toBe(0);
  expect(out).toMatch(/ok +gateway[^]*ok +ready[^]*ok +token +ci in acme[^]*ok +mcp .*2 tools/);
});

test.each<[string[], string | undefined, unknown, Record<string, unknown>]>([
  [["a=1"], undefined, { properties: { a: { type: "string" } } }, { a: "1" }],
  [["a=1"], undefined, { properties: { a: { type: ["integer", "null"] } } }, { a: 1 }],
  [["a=null"], undefined, { properties: { a: { type: ["integer", "null"] } } }, { a: null }],
  [["a=[1]", "b=x=y"], undefined, undefined, { a: [1], b: "x=y" }],
  [['a:="text"'], undefined, { properties: { a: { type: "string" } } }, { a: "text" }],
  [["a=2"], '{"a":1,"b":true}', {}, { a: 2, b: true }],
  [["a="], undefined, undefined, { a: "" }],
  [['{"a":[1],"b":2}', "b=3"], undefined, undefined, { a: [1], b: 3 }],
])("arguments %j over %j by schema %j", (words, base, schema, expected) => {
  expect(argumentsOf(words, base, schema)).toEqual(expected);
});

test.each<[string[], string | undefined, string]>([
  [["novalue"], undefined, "arguments: "],
  [["a=x"], undefined, "a: "],
  [["a=true"], undefined, "a: must be integer"],
  [["a:=x"], undefined, "a: "],
  [[], "[1]", "--args: "],
  [["{a"], undefined, "arguments: "],
  [[], "{", "--args: "],
])("bad arguments %j over %j name the field", (words, base, message) => {
  expect(() => argumentsOf(words, base, { properties: { a: { type: "integer" } } })).toThrow(message);
});
