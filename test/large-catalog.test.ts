import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectionQuery } from "../src/lib/sql.ts";
import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";
import { callTool, errorCode, modern, namesIn, type Place, resultOf } from "./caller.ts";
import { sharedGateway, type TestWorkspace } from "./harness/gateway.ts";

/* Ten thousand tools in one workspace, all of them from one upstream. */

const TOOLS = 10_000;
const UPSTREAM_PAGE = 1_000;
const PAGE_ITEMS = 1_000;
const PAGE_BYTES = 1024 * 1024;

let upstream: Server;
let workspace: TestWorkspace;
let place: Place;
let report: JsonObject;

beforeAll(async () => {
  upstream = createServer(async (request, response) => {
    const message: JsonValue = JSON.parse(await text(request));
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(isObject(message) ? { jsonrpc: "2.0", id: message.id ?? null, result: resultFor(message) } : null));
  });
  // workerd may send the next request at the moment an idle connection is closed, and would report a lost connection
  upstream.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const address = upstream.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/mcp`;
  workspace = await (await sharedGateway()).createWorkspace();
  place = { endpoint: workspace.endpoint, token: workspace.token };
  report = Object(await workspace.api("POST", "/upstreams", { slug: "big", url }));
}, 120_000);

afterAll(() => {
  upstream.closeAllConnections();
  upstream.close();
});

function resultFor({ method, params }: JsonObject): JsonObject {
  const { cursor, name } = isObject(params) ? params : {};
  const fresh = { resultType: "complete", ttlMs: 0, cacheScope: "private" };
  if (method === "server/discover") return { ...fresh, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } };
  if (method === "tools/call") return { resultType: "complete", content: [{ type: "text", text: `you called ${String(name)}` }] };
  const from = Number(cursor ?? 0);
  const next = from + UPSTREAM_PAGE;
  return { ...fresh, tools: Array.from({ length: UPSTREAM_PAGE }, (_none, at) => toolAt(from + at)), ...(next < TOOLS && { nextCursor: String(next) }) };
}

/** Some 1,200 bytes on average, as tools are; every third thousand is three times as large, so that pages end by bytes there. */
function toolAt(at: number): JsonObject {
  const words = `${Math.floor(at / 1_000) % 3 === 2 ? "Tells the weather in “Zürich” and beyond. ".repeat(50) : "Tells the weather in many places. ".repeat(20)}`;
  const properties = { place: { type: "string", description: "Name of the place" }, days: { type: "integer", minimum: 1, maximum: at + 1 } };
  return { name: sourceName(at), description: words, inputSchema: { type: "object", properties, required: ["place"], additionalProperties: false } };
}

function sourceName(at: number): string {
  return `t${String(at).padStart(5, "0")}`;
}

function exposed(at: number): string {
  return `big_${sourceName(at)}`;
}

interface ListedPage {
  names: string[];
  bytes: number;
  next: string | null;
}

async function page(cursor: string | null, at = place): Promise<ListedPage> {
  const answer = await modern(at, "tools/list", cursor === null ? {} : { cursor });
  const { tools, nextCursor } = resultOf(answer);
  return { names: namesIn(answer), bytes: Buffer.byteLength(JSON.stringify(tools)), next: typeof nextCursor === "string" ? nextCursor : null };
}

async function pages(first: ListedPage): Promise<ListedPage[]> {
  const found = [first];
  for (let next = first.next; next !== null; next = found.at(-1)?.next ?? null) found.push(await page(next));
  return found;
}

const ALL = Array.from({ length: TOOLS }, (_none, at) => exposed(at));

test("all of them are imported and published, and the publish says that a list needs pages", () => {
  expect(report).toMatchObject({ invalid: [], quarantined: [], upstream: { tools: TOOLS }, published: { changed: true, tools: TOOLS } });
  expect(JSON.stringify(report.published)).toContain("10000 tools");
});

test("an import of more than one request leaves one record", async () => {
  const { databaseUrl } = await sharedGateway();
  const query = "select name from causeway.audit where workspace = $1 and method = 'upstream.add'";
  const options = { readOnly: true, timeoutMs: 10_000, signal: AbortSignal.timeout(20_000), maxRows: 10 };
  expect((await connectionQuery(databaseUrl, query, [workspace.id], options)).rows).toEqual([{ name: "big" }]);
});

test("they are listed page by page, each once, no page above its limits", async () => {
  const all = await pages(await page(null));
  expect(all.flatMap(({ names }) => names)).toEqual(ALL);
  for (const { names, bytes } of all) {
    expect(names.length).toBeLessThanOrEqual(PAGE_ITEMS);
    expect(bytes).toBeLessThanOrEqual(PAGE_BYTES);
  }
  // both limits were what ended a page
  expect(all.some(({ names }) => names.length === PAGE_ITEMS)).toBe(true);
  expect(all.slice(0, -1).some(({ names, bytes }) => names.length < PAGE_ITEMS && bytes > PAGE_BYTES - 8_192)).toBe(true);
}, 60_000);

test("the first and the last resolve, their arguments are checked, and one more is unknown", async () => {
  for (const at of [0, TOOLS - 1]) {
    expect((await callTool(place, exposed(at), { place: "Bern", days: at + 1 })).text).toContain(`you called ${sourceName(at)}`);
    expect(resultOf(await callTool(place, exposed(at), { place: "Bern", days: at + 2 }))).toMatchObject({ isError: true });
  }
  expect(errorCode(await callTool(place, exposed(TOOLS), { place: "Bern" }))).toBe(-32602);
});

test("a cursor that was touched, or is another's, is refused", async () => {
  const { next } = await page(null);
  const cursor = next ?? "";
  const { token } = Object(await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read"] }));
  const stranger = await (await sharedGateway()).createWorkspace();
  const refused = async (at: Place, wrong: JsonValue) => errorCode(await modern(at, "tools/list", { cursor: wrong }));
  expect(await refused({ ...place, token: String(token) }, cursor)).toBe(-32602);
  expect(await refused({ endpoint: stranger.endpoint, token: stranger.token }, cursor)).toBe(-32602);
  const touched = [...cursor].map((char, at) => (at === cursor.length >> 1 ? (char === "A" ? "B" : "A") : char)).join("");
  for (const wrong of [touched, cursor.slice(0, -2), `${cursor}AA`, "1000", "", 1000]) expect(await refused(place, wrong)).toBe(-32602);
  expect(errorCode(await modern(place, "prompts/list", { cursor }))).toBe(-32602);
  expect((await page(cursor)).names.length).toBeGreaterThan(0);
});

test("a cursor goes on in the version it was made for, whatever is published meanwhile", async () => {
  const first = await page(null);
  const gone = exposed(first.names.length + 1);
  await workspace.api("PATCH", `/tools/${exposed(0)}`, { rename: "zz_last" });
  await workspace.api("PATCH", `/tools/${gone}`, { description: "Is told otherwise now." });
  const old = await pages(first);
  expect(old.flatMap(({ names }) => names)).toEqual(ALL);
  const now = await pages(await page(null));
  expect(now.flatMap(({ names }) => names)).toEqual([...ALL.slice(1), "zz_last"]);
}, 60_000);
