import { expect, test } from "vitest";
import { parseStrict } from "../src/lib/json.ts";
import { DEFAULT_LIMITS } from "../src/model/limits.ts";
import { classify } from "../src/protocol/classify.ts";
import type { Body, Classified } from "../src/protocol/classify.ts";

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const CLIENT = "io.modelcontextprotocol/clientInfo";
const LEVEL = "io.modelcontextprotocol/logLevel";
const META = { [VERSION]: "2026-07-28", [CAPABILITIES]: {} };

type Headers = Record<string, string>;
interface Post {
  method?: string;
  headers?: Headers;
  contentType?: string | null;
  /** A value to be written as JSON, or text as it is. */
  body: unknown;
}

const utf8 = new TextEncoder();
const strict = (bytes: Uint8Array) => parseStrict(bytes, { depth: DEFAULT_LIMITS.jsonDepth, keys: DEFAULT_LIMITS.jsonKeys });

function send({ method = "POST", headers = {}, contentType = "application/json", body }: Post, read?: Body): Classified {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return classify({ method, contentType, header: (name) => lower.get(name.toLowerCase()) ?? null }, read ?? strict(utf8.encode(text)), DEFAULT_LIMITS);
}

/** In one line: `400 -32600` for a refusal, else what it was taken for. */
function verdict(classified: Classified): string {
  if (classified.kind !== "refused") return classified.kind;
  const code: unknown = JSON.parse(classified.body ?? "{}").error?.code;
  return `${classified.status} ${String(code)}`;
}

const request = (method: string, params?: unknown, id: unknown = 1) => ({ jsonrpc: "2.0", id, method, params });
const list = (meta: unknown = META) => request("tools/list", { _meta: meta });
const call = (params: object = { name: "echo" }) => request("tools/call", { ...params, _meta: META });
const LIST: Headers = { "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list" };
const CALL: Headers = { "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "echo" };
const headersFor = (method: string, name?: string): Headers => ({ ...LIST, "Mcp-Method": method, ...(name === undefined ? {} : { "Mcp-Name": name }) });
const without = (headers: Headers, name: string): Headers => Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

const ROWS: [string, Post, string][] = [
  // HTTP
  ["GET", { method: "GET", contentType: null, body: "" }, "405 -32000"],
  ["DELETE", { method: "DELETE", contentType: null, body: "" }, "405 -32000"],
  ["PUT with a sound request", { method: "PUT", headers: LIST, body: list() }, "405 -32000"],
  ["no media type", { headers: LIST, contentType: null, body: list() }, "415 -32000"],
  ["text/plain", { headers: LIST, contentType: "text/plain", body: list() }, "415 -32000"],
  ["a media type that begins like JSON", { headers: LIST, contentType: "application/jsonx", body: list() }, "415 -32000"],
  ["a media type with parameters", { headers: LIST, contentType: "Application/JSON; charset=utf-8", body: list() }, "modern"],

  // JSON
  ["no body", { body: "" }, "400 -32700"],
  ["no JSON", { body: "hello" }, "400 -32700"],
  ["no JSON, modern headers", { headers: LIST, body: "{" }, "400 -32700"],
  ["two values", { body: `${JSON.stringify(list())}{}` }, "400 -32700"],
  ["a duplicate key", { headers: LIST, body: '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}' }, "400 -32600"],
  ["a duplicate key in arguments", { headers: CALL, body: JSON.stringify(call({ name: "echo", arguments: {} })).replace('"arguments":{}', '"arguments":{"a":1,"\\u0061":2}') }, "400 -32600"],
  ["too deep", { headers: CALL, body: JSON.stringify(call({ name: "echo", arguments: {} })).replace('"arguments":{}', `"arguments":{"a":${nested(62)}}`) }, "400 -32600"],
  ["just deep enough", { headers: CALL, body: JSON.stringify(call({ name: "echo", arguments: {} })).replace('"arguments":{}', `"arguments":{"a":${nested(61)}}`) }, "modern"],
  ["too many keys", { body: `{${Array.from({ length: 10_001 }, (_, at) => `"${at}":0`).join(",")}}` }, "400 -32600"],

  // JSON-RPC
  ["a number", { body: "1" }, "400 -32600"],
  ["null", { body: "null" }, "400 -32600"],
  ["text", { body: '"ping"' }, "400 -32600"],
  ["an empty object", { body: "{}" }, "400 -32600"],
  ["no jsonrpc", { body: { id: 1, method: "ping" } }, "400 -32600"],
  ["jsonrpc 1.0", { body: { jsonrpc: "1.0", id: 1, method: "ping" } }, "400 -32600"],
  ["jsonrpc as a number", { body: { jsonrpc: 2, id: 1, method: "ping" } }, "400 -32600"],
  ["id null", { body: request("ping", undefined, null) }, "400 -32600"],
  ["id null with modern headers", { headers: LIST, body: { ...list(), id: null } }, "400 -32600"],
  ["id true", { body: request("ping", undefined, true) }, "400 -32600"],
  ["id an object", { body: request("ping", undefined, {}) }, "400 -32600"],
  ["id a fraction", { body: request("ping", undefined, 1.5) }, "400 -32600"],
  ["id out of range", { body: '{"jsonrpc":"2.0","id":1e999,"method":"ping"}' }, "400 -32600"],
  ["id zero", { body: request("ping", undefined, 0) }, "legacy"],
  ["id empty text", { body: request("ping", undefined, "") }, "legacy"],
  ["method a number", { body: { jsonrpc: "2.0", id: 1, method: 5 } }, "400 -32600"],
  ["method null", { body: { jsonrpc: "2.0", id: 1, method: null, result: {} } }, "400 -32600"],
  ["neither method nor result", { body: { jsonrpc: "2.0", id: 1 } }, "400 -32600"],
  ["result and error", { body: { jsonrpc: "2.0", id: 1, result: {}, error: { code: 1, message: "x" } } }, "400 -32600"],
  ["a response without an id", { body: { jsonrpc: "2.0", result: {} } }, "400 -32600"],

  // batches
  ["an empty batch", { body: "[]" }, "400 -32600"],
  ["an empty batch under a modern header", { headers: LIST, body: "[]" }, "400 -32600"],
  ["a batch of rubbish", { body: [1] }, "400 -32600"],
  ["a batch with one invalid element", { body: [request("ping"), { id: 2 }] }, "400 -32600"],
  ["a batch in a batch", { body: [[request("ping")]] }, "400 -32600"],
  ["a batch with an envelope", { body: [request("ping"), list()] }, "400 -32600"],
  ["a batch with an initialize", { body: [request("initialize", { protocolVersion: "2025-03-26", capabilities: {}, clientInfo: { name: "c", version: "1" } })] }, "400 -32600"],
  ["a batch under a modern header", { headers: LIST, body: [request("ping")] }, "400 -32600"],
  ["a batch of 2025-06-18", { headers: { "MCP-Protocol-Version": "2025-06-18" }, body: [request("ping")] }, "400 -32600"],
  ["a batch of 2025-11-25", { headers: { "MCP-Protocol-Version": "2025-11-25" }, body: [request("ping")] }, "400 -32600"],
  ["a batch of an unknown revision", { headers: { "MCP-Protocol-Version": "1999-01-01" }, body: [request("ping")] }, "400 -32000"],
  ["a batch of 2025-03-26", { headers: { "MCP-Protocol-Version": "2025-03-26" }, body: [request("ping")] }, "legacy"],
  ["a batch of 2024-11-05", { headers: { "MCP-Protocol-Version": "2024-11-05" }, body: [request("ping")] }, "legacy"],
  ["a batch without a version", { body: [request("ping"), { jsonrpc: "2.0", method: "notifications/initialized" }, { jsonrpc: "2.0", id: 3, result: {} }] }, "legacy"],
  ["a batch of 100", { body: Array.from({ length: 100 }, (_, id) => request("ping", undefined, id)) }, "legacy"],
  ["a batch of 101", { body: Array.from({ length: 101 }, (_, id) => request("ping", undefined, id)) }, "400 -32600"],

  // answers to server requests
  ["a result", { body: { jsonrpc: "2.0", id: 0, result: {} } }, "legacy"],
  ["an error", { body: { jsonrpc: "2.0", id: "a", error: { code: -1, message: "no" } } }, "legacy"],
  ["a result under a modern header", { headers: LIST, body: { jsonrpc: "2.0", id: 0, result: {} } }, "400 -32000"],

  // handshake
  ["initialize", { body: request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "c", version: "1" } }) }, "initialize"],
  ["initialize under a legacy header", { headers: { "MCP-Protocol-Version": "2025-06-18" }, body: request("initialize", { protocolVersion: "2025-11-25" }) }, "initialize"],
  ["initialize of the future", { body: request("initialize", { protocolVersion: "2099-01-01" }) }, "initialize"],
  ["initialize with a legacy claim", { body: request("initialize", { protocolVersion: "2025-11-25", _meta: { [VERSION]: "2025-11-25" } }) }, "initialize"],
  ["initialize without a revision", { body: request("initialize", {}) }, "200 -32602"],
  ["initialize without params", { body: request("initialize") }, "200 -32602"],
  ["initialize under a modern header", { headers: LIST, body: request("initialize", { protocolVersion: "2025-11-25" }) }, "400 -32020"],
  ["initialize under a modern header, legacy claim", { headers: LIST, body: request("initialize", { protocolVersion: "2025-11-25", _meta: { [VERSION]: "2025-11-25" } }) }, "400 -32020"],
  ["initialize with a modern envelope", { headers: headersFor("initialize"), body: request("initialize", { _meta: META }) }, "404 -32601"],

  // envelope
  ["a sound request", { headers: LIST, body: list() }, "modern"],
  ["no client capabilities", { headers: LIST, body: list({ [VERSION]: "2026-07-28" }) }, "400 -32602"],
  ["client capabilities as a list", { headers: LIST, body: list({ ...META, [CAPABILITIES]: [] }) }, "400 -32602"],
  ["client capabilities null", { headers: LIST, body: list({ ...META, [CAPABILITIES]: null }) }, "400 -32602"],
  ["a capability that is no object", { headers: LIST, body: list({ ...META, [CAPABILITIES]: { sampling: true } }) }, "400 -32602"],
  ["a mode of elicitation that is no object", { headers: LIST, body: list({ ...META, [CAPABILITIES]: { elicitation: { url: true } } }) }, "400 -32602"],
  ["a version that is no text", { headers: LIST, body: list({ ...META, [VERSION]: 20260728 }) }, "400 -32602"],
  ["a version null", { headers: LIST, body: list({ ...META, [VERSION]: null }) }, "400 -32602"],
  ["a client without a version", { headers: LIST, body: list({ ...META, [CLIENT]: { name: "c" } }) }, "400 -32602"],
  ["a client with name and version", { headers: LIST, body: list({ ...META, [CLIENT]: { name: "c", version: "1", x: 1 } }) }, "modern"],
  ["a progress token that is an object", { headers: LIST, body: list({ ...META, progressToken: {} }) }, "400 -32602"],
  ["a log level that is no text", { headers: LIST, body: list({ ...META, [LEVEL]: 3 }) }, "400 -32602"],
  ["an unknown log level", { headers: LIST, body: list({ ...META, [LEVEL]: "loud" }) }, "200 -32602"],
  ["a known log level", { headers: LIST, body: list({ ...META, [LEVEL]: "debug" }) }, "modern"],

  // no envelope
  ["modern header, no params", { headers: LIST, body: request("tools/list") }, "400 -32602"],
  ["modern header, empty _meta", { headers: LIST, body: list({}) }, "400 -32602"],
  ["modern header, _meta without the version", { headers: LIST, body: list({ [CAPABILITIES]: {} }) }, "400 -32602"],
  ["modern header, _meta a number", { headers: LIST, body: list(7) }, "400 -32602"],
  ["modern header, params a list", { headers: LIST, body: request("tools/list", []) }, "400 -32602"],
  ["a header of the future, no envelope", { headers: { "MCP-Protocol-Version": "2031-01-01" }, body: request("tools/list") }, "400 -32602"],
  ["modern header, removed method, no envelope", { headers: headersFor("ping"), body: request("ping") }, "400 -32602"],

  ["a method that an extension could have", { headers: { ...LIST, "Mcp-Method": "com.acme/do" }, body: request("com.acme/do", { _meta: META }) }, "modern"],
  ["a method that no header could name", { headers: { ...LIST, "Mcp-Method": "com.acme/d o" }, body: request("com.acme/d o", { _meta: META }) }, "404 -32601"],
  // MCP-Protocol-Version against the envelope
  ["a legacy header of a client known to lag", { headers: { ...LIST, "MCP-Protocol-Version": "2025-11-25" }, body: list({ ...META, [CLIENT]: { name: "claude-code", version: "2" } }) }, "modern"],
  ["a legacy header of another client", { headers: { ...LIST, "MCP-Protocol-Version": "2025-11-25" }, body: list({ ...META, [CLIENT]: { name: "claude-codex", version: "2" } }) }, "400 -32020"],
  ["an unknown header of a client known to lag", { headers: { ...LIST, "MCP-Protocol-Version": "2026-01-01" }, body: list({ ...META, [CLIENT]: { name: "claude-code", version: "2" } }) }, "400 -32020"],
  ["no version header", { headers: without(LIST, "MCP-Protocol-Version"), body: list() }, "400 -32020"],
  ["a legacy version header", { headers: { ...LIST, "MCP-Protocol-Version": "2025-11-25" }, body: list() }, "400 -32020"],
  ["an empty version header", { headers: { ...LIST, "MCP-Protocol-Version": "" }, body: list() }, "400 -32020"],
  ["modern header, another version inside", { headers: LIST, body: list({ ...META, [VERSION]: "v999.0.0" }) }, "400 -32020"],
  ["white space around the header", { headers: { ...LIST, "MCP-Protocol-Version": " 2026-07-28\t", "Mcp-Method": "\ttools/list " }, body: list() }, "modern"],
  ["header names in another case", { headers: { "mcp-protocol-version": "2026-07-28", "MCP-METHOD": "tools/list" }, body: list() }, "modern"],

  // Mcp-Method
  ["no Mcp-Method", { headers: without(LIST, "Mcp-Method"), body: list() }, "400 -32020"],
  ["another Mcp-Method", { headers: { ...LIST, "Mcp-Method": "tools/call" }, body: list() }, "400 -32020"],
  ["Mcp-Method in another case", { headers: { ...LIST, "Mcp-Method": "Tools/List" }, body: list() }, "400 -32020"],

  // versions
  ["an unknown version", { headers: { ...LIST, "MCP-Protocol-Version": "v999.0.0" }, body: list({ ...META, [VERSION]: "v999.0.0" }) }, "400 -32022"],
  ["a future version", { headers: { ...LIST, "MCP-Protocol-Version": "2027-01-01" }, body: list({ ...META, [VERSION]: "2027-01-01" }) }, "400 -32022"],
  ["a legacy version in the envelope", { headers: { ...LIST, "MCP-Protocol-Version": "2025-11-25" }, body: list({ ...META, [VERSION]: "2025-11-25" }) }, "400 -32022"],

  // Mcp-Name
  ["a sound call", { headers: CALL, body: call() }, "modern"],
  ["no Mcp-Name", { headers: without(CALL, "Mcp-Name"), body: call() }, "400 -32020"],
  ["another Mcp-Name", { headers: { ...CALL, "Mcp-Name": "ecco" }, body: call() }, "400 -32020"],
  ["Mcp-Name in another case", { headers: { ...CALL, "Mcp-Name": "Echo" }, body: call() }, "400 -32020"],
  ["Mcp-Name encoded", { headers: { ...CALL, "Mcp-Name": "=?base64?ZWNobw==?=" }, body: call() }, "modern"],
  ["Mcp-Name badly padded", { headers: { ...CALL, "Mcp-Name": "=?base64?ZWNobw?=" }, body: call() }, "400 -32020"],
  ["Mcp-Name for prompts/get", { headers: headersFor("prompts/get"), body: request("prompts/get", { name: "p", _meta: META }) }, "400 -32020"],
  ["Mcp-Name is the uri", { headers: headersFor("resources/read", "test://a"), body: request("resources/read", { uri: "test://a", _meta: META }) }, "modern"],
  ["Mcp-Name is the task's id", { headers: headersFor("tasks/get", "t"), body: request("tasks/get", { taskId: "t", _meta: META }) }, "modern"],
  ...["tasks/get", "tasks/update", "tasks/cancel"].map((method): [string, Post, string] => [`another Mcp-Name for ${method}`, { headers: headersFor(method, "u"), body: request(method, { taskId: "t", inputResponses: {}, _meta: META }) }, "400 -32020"]),
  ["Mcp-Name where none is asked for", { headers: { ...LIST, "Mcp-Name": "whatever" }, body: list() }, "modern"],

  // methods
  ...["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list", "tasks/result", "nonsense", "tasks/nonsense", "resources/nonsense", "", "constructor", "__proto__"].map(
    (method): [string, Post, string] => [`modern ${method || "empty"}`, { headers: headersFor(method), body: request(method, { _meta: META }) }, "404 -32601"],
  ),
  ["discover", { headers: headersFor("server/discover"), body: request("server/discover", { _meta: META }) }, "modern"],

  // params
  ["a call without a name", { headers: CALL, body: call({}) }, "200 -32602"],
  ["a call with a number for a name", { headers: CALL, body: call({ name: 5 }) }, "200 -32602"],
  ["arguments a list", { headers: CALL, body: call({ name: "echo", arguments: [] }) }, "200 -32602"],
  ["arguments null", { headers: CALL, body: call({ name: "echo", arguments: null }) }, "200 -32602"],
  ["a cursor that is a number", { headers: LIST, body: request("tools/list", { cursor: 1, _meta: META }) }, "200 -32602"],
  ["an empty cursor", { headers: LIST, body: request("tools/list", { cursor: "", _meta: META }) }, "modern"],
  ["read without a uri", { headers: headersFor("resources/read", "x"), body: request("resources/read", { _meta: META }) }, "200 -32602"],
  ["prompt arguments that are no text", { headers: headersFor("prompts/get", "p"), body: request("prompts/get", { name: "p", arguments: { a: 1 }, _meta: META }) }, "200 -32602"],
  ["completion without a ref", { headers: headersFor("completion/complete"), body: request("completion/complete", { argument: { name: "a", value: "" }, _meta: META }) }, "200 -32602"],
  ["completion of an unknown ref", { headers: headersFor("completion/complete"), body: request("completion/complete", { ref: { type: "ref/tool", name: "x" }, argument: { name: "a", value: "" }, _meta: META }) }, "200 -32602"],
  ["completion of a prompt", { headers: headersFor("completion/complete"), body: request("completion/complete", { ref: { type: "ref/prompt", name: "x" }, argument: { name: "a", value: "" }, context: { arguments: { b: "c" } }, _meta: META }) }, "modern"],
  ["listen without a filter", { headers: headersFor("subscriptions/listen"), body: request("subscriptions/listen", { _meta: META }) }, "200 -32602"],
  ["a task without an id", { headers: headersFor("tasks/get", "t"), body: request("tasks/get", { _meta: META }) }, "200 -32602"],
  ["an update of a task without answers", { headers: headersFor("tasks/update", "t"), body: request("tasks/update", { taskId: "t", _meta: META }) }, "200 -32602"],
  ["listen with odd tasks", { headers: headersFor("subscriptions/listen"), body: request("subscriptions/listen", { notifications: { taskIds: "t" }, _meta: META }) }, "200 -32602"],
  ["listen with odd uris", { headers: headersFor("subscriptions/listen"), body: request("subscriptions/listen", { notifications: { resourceSubscriptions: [1] }, _meta: META }) }, "200 -32602"],
  ["listen", { headers: headersFor("subscriptions/listen"), body: request("subscriptions/listen", { notifications: { toolsListChanged: true }, _meta: META }) }, "modern"],
  ["input responses a list", { headers: CALL, body: call({ name: "echo", inputResponses: [] }) }, "200 -32602"],
  ["an input response that is no object", { headers: CALL, body: call({ name: "echo", inputResponses: { a: 1 } }) }, "200 -32602"],
  ["a request state that is an object", { headers: CALL, body: call({ name: "echo", requestState: {} }) }, "200 -32602"],

  // notifications
  ["a modern notification by its header", { headers: LIST, body: { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } } }, "notification"],
  ["a modern notification by its claim", { body: { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1, _meta: META } } }, "notification"],
  ["a legacy notification", { body: { jsonrpc: "2.0", method: "notifications/initialized" } }, "legacy"],

  // legacy
  ["no header, no envelope", { body: request("tools/list") }, "legacy"],
  ...["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"].map((version): [string, Post, string] => [`legacy ${version}`, { headers: { "MCP-Protocol-Version": version }, body: request("tools/list") }, "legacy"]),
  ["an unknown legacy version", { headers: { "MCP-Protocol-Version": "2025-01-01" }, body: request("tools/list") }, "400 -32000"],
  ["a version that is no date", { headers: { "MCP-Protocol-Version": "latest" }, body: request("tools/list") }, "400 -32000"],
  ["a notification of an unknown version", { headers: { "MCP-Protocol-Version": "latest" }, body: { jsonrpc: "2.0", method: "notifications/initialized" } }, "400 -32000"],
  ["legacy Accept of neither type", { headers: { Accept: "text/html" }, body: request("tools/list") }, "406 -32000"],
  ["initialize with Accept of neither type", { headers: { Accept: "text/html" }, body: request("initialize", { protocolVersion: "2025-11-25" }) }, "406 -32000"],
  ["legacy Accept of JSON alone", { headers: { Accept: "application/json" }, body: request("tools/list") }, "legacy"],
  ["legacy Accept of SSE alone", { headers: { Accept: "text/event-stream" }, body: request("tools/list") }, "legacy"],
  ["legacy Accept of anything", { headers: { Accept: "*/*" }, body: request("tools/list") }, "legacy"],
  ["Accept is not enforced for modern", { headers: { ...LIST, Accept: "text/html" }, body: list() }, "modern"],
];
test.each(ROWS)("%s", (_name, post, expected) => expect(verdict(send(post))).toBe(expected));

test("invalid UTF-8 is not JSON", () => {
  expect(verdict(send({ body: "" }, strict(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))))).toBe("400 -32700");
});

test.each([
  ["jsonDepth (64)", nested(65)],
  ["jsonKeys (10000)", `{${Array.from({ length: 10_001 }, (_, at) => `"${at}":0`).join(",")}}`],
  ["batchMessages (100)", JSON.stringify(Array.from({ length: 101 }, (_, id) => request("ping", undefined, id)))],
  ["the same key twice", '{"a":1,"a":1}'],
])("a refused body is told why: %s", (words, body) => {
  const refused = send({ body });
  expect(refused.kind === "refused" && refused.body).toContain(words);
});

test("the media type is looked at before the size", () => {
  expect(verdict(send({ contentType: "text/plain", body: "" }, { ok: false, reason: "size" }))).toBe("415 -32000");
});

test("a body over the limit is 413 and says which limit", () => {
  const refused = send({ headers: LIST, body: "" }, { ok: false, reason: "size" });
  expect(verdict(refused)).toBe("413 -32600");
  expect(refused.kind === "refused" && refused.body).toContain("bodyBytes");
});

// Each request breaks every rule from its own on: the first one in the order of the ladder answers.
const deaf = { Accept: "text/html" };
const ORDER: [string, Post, string][] = [
  ["method before media type", { method: "GET", contentType: "text/plain", body: "{" }, "405 -32000"],
  ["media type before JSON", { contentType: "text/plain", body: "{" }, "415 -32000"],
  ["JSON before everything inside", { headers: { "MCP-Protocol-Version": "latest", ...deaf }, body: "{" }, "400 -32700"],
  ["JSON-RPC before the handshake", { headers: LIST, body: request("initialize", {}, null) }, "400 -32600"],
  ["handshake before envelope", { headers: LIST, body: request("initialize", { _meta: { [VERSION]: 5 } }) }, "400 -32020"],
  ["envelope before version header", { headers: deaf, body: request("nonsense", { _meta: { [VERSION]: "v9" } }) }, "400 -32602"],
  ["version header before Mcp-Method", { headers: deaf, body: request("nonsense", { _meta: { ...META, [VERSION]: "v9" } }) }, "400 -32020"],
  ["Mcp-Method before revision", { headers: { "MCP-Protocol-Version": "v9" }, body: request("nonsense", { _meta: { ...META, [VERSION]: "v9" } }) }, "400 -32020"],
  ["revision before Mcp-Name", { headers: { "MCP-Protocol-Version": "v9", "Mcp-Method": "tools/call" }, body: request("tools/call", { _meta: { ...META, [VERSION]: "v9" } }) }, "400 -32022"],
  ["revision before method", { headers: { "MCP-Protocol-Version": "v9", "Mcp-Method": "nonsense" }, body: request("nonsense", { _meta: { ...META, [VERSION]: "v9" } }) }, "400 -32022"],
  ["Mcp-Name before params", { headers: without(CALL, "Mcp-Name"), body: call({}) }, "400 -32020"],
  ["method before params", { headers: headersFor("ping"), body: request("ping", { _meta: { ...META, [LEVEL]: "loud" } }) }, "404 -32601"],
  ["missing envelope before legacy rules", { headers: { ...LIST, ...deaf }, body: request("nonsense") }, "400 -32602"],
  ["legacy Accept before handshake params", { headers: deaf, body: request("initialize", {}) }, "406 -32000"],
  ["handshake before legacy version", { headers: { "MCP-Protocol-Version": "latest" }, body: request("initialize", { protocolVersion: "2025-11-25" }) }, "initialize"],
  ["legacy Accept before legacy version", { headers: { "MCP-Protocol-Version": "latest", ...deaf }, body: request("tools/list") }, "406 -32000"],
  ["batch soundness before its revision", { headers: LIST, body: [] }, "400 -32600"],
];
test.each(ORDER)("precedence: %s", (_name, post, expected) => expect(verdict(send(post))).toBe(expected));

// --- what is in the answers ---------------------------------------------------------------------------------------------

const bodyOf = (classified: Classified): string => (classified.kind === "refused" ? (classified.body ?? "") : "");

test.each(["1", "0", '"a"', '""', '"\\u0041"', "12345678901234567890", "1.0", "-7"])("an error echoes the id as written: %s", (id) => {
  const body = JSON.stringify(request("ping", { _meta: META }, "ID")).replace('"ID"', id);
  expect(bodyOf(send({ headers: headersFor("ping"), body }))).toMatch(new RegExp(`^{"jsonrpc":"2.0","id":${id.replace("\\", "\\\\")},"error":`));
});

test("without a readable id the error has none", () => {
  expect(JSON.parse(bodyOf(send({ body: "{" })))).not.toHaveProperty("id");
  expect(JSON.parse(bodyOf(send({ body: request("ping", undefined, null) })))).not.toHaveProperty("id");
});

test("-32022 names what is supported and echoes what was asked", () => {
  const refused = send({ headers: { ...LIST, "MCP-Protocol-Version": "v9" }, body: list({ ...META, [VERSION]: "v9" }) });
  expect(JSON.parse(bodyOf(refused)).error.data).toEqual({ supported: ["2026-07-28"], requested: "v9" });
});

// --- what a call is made of ---------------------------------------------------------------------------------------------

const TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

test("a modern call carries its envelope apart and its bytes as written", () => {
  const args = '{ "big":12345678901234567890,"z":1.0, "a":"\\u0041", "__proto__" : 0 }';
  const meta = `{"${VERSION}":"2026-07-28", "com.example/x" : 1e5 ,"${CAPABILITIES}":{"elicitation":{}},"${CLIENT}":{"name":"c","version":"1"},"${LEVEL}":"info","progressToken":9007199254740993,"traceparent":"${TRACE}","baggage":"user=7"}`;
  const body = `{"jsonrpc":"2.0", "id" : "x" ,"method":"tools/call","p\\u0061rams":{"name":"echo","\\u0061rguments":${args},"inputResponses":{"who":{"action":"accept"}},"requestState":"s","_meta":${meta}}}`;
  const classified = send({ headers: { ...CALL, "Mcp-Param-Region": "eu", traceparent: "ignored" }, body });
  if (classified.kind !== "modern") throw new Error(verdict(classified));
  const { id, call: made } = classified.incoming;
  expect(id).toBe('"x"');
  expect(made.raw).toEqual({ arguments: args, meta: '{ "com.example/x" : 1e5 }' });
  expect(made.progressToken).toBe("9007199254740993");
  expect(made).toMatchObject({
    method: "tools/call",
    capabilities: { elicitation: { form: {} } },
    clientInfo: { name: "c", version: "1" },
    logLevel: "info",
    trace: { traceparent: TRACE, tracestate: null },
    inputResponses: { who: { action: "accept" } },
    requestState: "s",
  });
  expect(made.params.arguments).toEqual(JSON.parse(args));
  expect(made.headerParam?.("Region")).toBe("eu");
  expect(made.headerParam?.("Zone")).toBeNull();
});

test("answers and state count only where a method may ask", () => {
  const classified = send({ headers: LIST, body: request("tools/list", { inputResponses: { a: {} }, requestState: "s", _meta: META }) });
  expect(classified).toMatchObject({ kind: "modern", incoming: { call: { inputResponses: null, requestState: null, raw: { arguments: null, meta: null } } } });
});

test.each([
  ["from the header when _meta has none", {}, { traceparent: TRACE, tracestate: "a=1" }, { traceparent: TRACE, tracestate: "a=1" }],
  ["_meta first", { traceparent: TRACE }, { traceparent: TRACE.replace("4bf9", "0000"), tracestate: "a=1" }, { traceparent: TRACE, tracestate: null }],
  ["malformed is none", { traceparent: "00-xyz" }, { traceparent: TRACE }, { traceparent: null, tracestate: null }],
  ["all zero is none", {}, { traceparent: `00-${"0".repeat(32)}-00f067aa0ba902b7-01` }, { traceparent: null, tracestate: null }],
])("trace context: %s", (_name, meta, headers, trace) => {
  const classified = send({ headers: { ...LIST, ...headers }, body: list({ ...META, ...meta }) });
  expect(classified).toMatchObject({ kind: "modern", incoming: { call: { trace } } });
});

test("a handshake says what the client is and can", () => {
  const params = { protocolVersion: "2025-06-18", capabilities: { elicitation: {}, roots: { listChanged: true } }, clientInfo: { name: "c", version: "1", title: "C" } };
  expect(send({ body: request("initialize", params, "i") })).toEqual({
    kind: "initialize",
    id: '"i"',
    request: { revision: "2025-06-18", capabilities: { elicitation: { form: {} }, roots: { listChanged: true } }, clientInfo: { name: "c", version: "1" } },
  });
  expect(send({ body: request("initialize", { protocolVersion: "x", capabilities: 5, clientInfo: 5 }) })).toMatchObject({ request: { capabilities: {}, clientInfo: null } });
});

test("a legacy batch keeps order and kinds; what is wrong with one message is its own answer", () => {
  const body = `[ {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"n" : 1.0},"_meta":{"progressToken":"p","${VERSION.replace("protocolVersion", "x")}":1}}},
    {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12345678901234567890}},
    {"jsonrpc":"2.0","id":"r","result":{"action" : "accept"}},
    {"jsonrpc":"2.0","id":"e","error":{"code":-1,"message":"no"}},
    {"jsonrpc":"2.0","id":2,"method":"server/discover"},
    {"jsonrpc":"2.0","id":3,"method":"tools/call","params":[]},
    {"jsonrpc":"2.0","id":4,"method":"logging/setLevel","params":{"level":"loud"}} ]`;
  const classified = send({ headers: { "MCP-Protocol-Version": "2025-03-26" }, body });
  if (classified.kind !== "legacy") throw new Error(verdict(classified));
  expect(classified).toMatchObject({ batch: true, revision: "2025-03-26" });
  expect(classified.messages).toMatchObject([
    { kind: "request", incoming: { id: "1", call: { method: "tools/call", raw: { arguments: '{"n" : 1.0}' }, progressToken: '"p"', headerParam: null, capabilities: {}, logLevel: null } } },
    { kind: "notification", method: "notifications/cancelled", requestId: "12345678901234567890" },
    { kind: "response", id: '"r"', result: '{"action" : "accept"}', error: null },
    { kind: "response", id: '"e"', result: null, error: '{"code":-1,"message":"no"}' },
    { kind: "invalid", body: expect.stringContaining('"id":2,"error":{"code":-32601') },
    { kind: "invalid", body: expect.stringContaining('"id":3,"error":{"code":-32602') },
    { kind: "invalid", body: expect.stringContaining('"id":4,"error":{"code":-32602') },
  ]);
});

test.each(["server/discover", "subscriptions/listen", "tasks/get", "nonsense", "toString"])("unknown to legacy: %s", (method) => {
  const classified = send({ body: request(method, { notifications: {} }) });
  expect(classified).toMatchObject({ kind: "legacy", batch: false, revision: null, messages: [{ kind: "invalid", body: expect.stringContaining("-32601") }] });
});

test.each(["ping", "tools/list", "resources/list", "resources/templates/list", "prompts/list"])("known to legacy: %s", (method) => {
  expect(send({ body: request(method) })).toMatchObject({ kind: "legacy", messages: [{ kind: "request", incoming: { call: { method } } }] });
});
