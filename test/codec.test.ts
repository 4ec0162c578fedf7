import { Validator } from "@cfworker/json-schema";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bareCall, type Call, type Notification, type Outcome } from "../src/model/call.ts";
import { GatewayError } from "../src/model/error.ts";
import type { Codec } from "../src/protocol/codec.ts";
import { IMPLEMENTATION } from "../src/protocol/identity.ts";
import { initializeResult, legacyCodec, negotiate } from "../src/protocol/legacy.ts";
import { modernCodec } from "../src/protocol/modern.ts";
import { isModern, LEGACY, MODERN } from "../src/protocol/revisions.ts";
import { schemaProblems } from "./schemas.ts";

const SERVER_INFO = "io.modelcontextprotocol/serverInfo";
const REVISIONS = [...MODERN, ...LEGACY];
const codecFor = (revision: string): Codec => (isModern(revision) ? modernCodec : legacyCodec(revision));

const complete = (result: string, rest: object = {}): Outcome => ({ type: "complete", result, ...rest });
const write = (revision: string, method: string, result: string, rest: object = {}) => codecFor(revision).outcome("1", bareCall(method, {}), complete(result, rest));
/** The text of the result in a response, byte for byte. */
const resultText = (message: string) => message.slice('{"jsonrpc":"2.0","id":1,"result":'.length, -1);
const resultOf = (message: string) => JSON.parse(message).result;

function expectValid(revision: string, message: string, definition: string): void {
  const parsed = JSON.parse(message);
  expect(schemaProblems(revision, "JSONRPCMessage", parsed)).toEqual([]);
  expect(schemaProblems(revision, definition, parsed.result ?? parsed)).toEqual([]);
}

test("the gateway names the version of its package", () => {
  expect(IMPLEMENTATION.version).toBe(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version);
});

// --- every revision, every kind of result, against the official schemas ---------------------------------------------------

const CONTENT = '[{"type":"text","text":"t"},{"type":"image","data":"aGk=","mimeType":"image/png"},{"type":"audio","data":"aGk=","mimeType":"audio/wav"},{"type":"resource_link","uri":"test://a","name":"a","description":"the a"},{"type":"resource","resource":{"uri":"test://b","text":"b"}}]';
const RESULTS: [string, string, string][] = [
  ["tools/call", "CallToolResult", `{"content":${CONTENT},"structuredContent":[1,2]}`],
  ["tools/call", "CallToolResult", '{"content":[],"isError":true,"structuredContent":{"a":1}}'],
  ["tools/list", "ListToolsResult", '{"tools":[{"name":"a","inputSchema":{"type":"object"},"outputSchema":{"type":"array","items":{"type":"string"}}},{"name":"b","inputSchema":{"type":"object"},"outputSchema":{"type":"object"},"icons":[{"src":"https://a.example/i.png"}]}],"nextCursor":"c"}'],
  ["prompts/get", "GetPromptResult", '{"messages":[{"role":"user","content":{"type":"audio","data":"aGk=","mimeType":"audio/wav"}},{"role":"assistant","content":{"type":"resource_link","uri":"test://a","name":"a"}}]}'],
  ["prompts/list", "ListPromptsResult", '{"prompts":[{"name":"p","arguments":[{"name":"a","required":true}]}]}'],
  ["resources/list", "ListResourcesResult", '{"resources":[{"uri":"test://a","name":"a"}]}'],
  ["resources/templates/list", "ListResourceTemplatesResult", '{"resourceTemplates":[{"uriTemplate":"test://{a}","name":"a"}]}'],
  ["resources/read", "ReadResourceResult", '{"contents":[{"uri":"test://a","blob":"aGk="}]}'],
  ["completion/complete", "CompleteResult", '{"completion":{"values":["a"],"total":1,"hasMore":false}}'],
];
test.each(REVISIONS.flatMap((revision) => RESULTS.map(([method, definition, result]): [string, string, string, string] => [revision, method, definition, result])))(
  "%s %s is valid by the official schema",
  (revision, method, definition, result) => {
    expectValid(revision, write(revision, method, result), definition);
    expectValid(revision, write(revision, method, result, { cache: { ttlMs: 5000, scope: "public" } }), definition);
  },
);

test("discover and the end of a listen stream are valid", () => {
  const discovered = write("2026-07-28", "server/discover", '{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}');
  expectValid("2026-07-28", discovered, "DiscoverResult");
  const closed = modernCodec.outcome('"L1"', bareCall("subscriptions/listen", {}), complete("{}"));
  expectValid("2026-07-28", closed, "SubscriptionsListenResult");
  expect(resultOf(closed)._meta["io.modelcontextprotocol/subscriptionId"]).toBe("L1");
});

test.each(LEGACY)("initialize of %s is valid and says who we are", (revision) => {
  const message = initializeResult('"i"', { revision, capabilities: { tools: { listChanged: true }, logging: {} }, instructions: "Use it." });
  expectValid(revision, message, "InitializeResult");
  expect(JSON.parse(message)).toMatchObject({ id: "i", result: { protocolVersion: revision, serverInfo: { name: "causeway" }, instructions: "Use it." } });
  expect(resultOf(initializeResult("1", { revision, capabilities: {}, instructions: null }))).not.toHaveProperty("instructions");
});

test.each([...LEGACY.map((revision): [string, string] => [revision, revision]), ["2024-10-07", "2025-11-25"], ["2026-07-28", "2025-11-25"], ["1.0", "2025-11-25"], ["", "2025-11-25"]])(
  "a client that asks for %s gets %s",
  (requested, spoken) => {
    expect(negotiate(requested)).toBe(spoken);
    expect(legacyCodec(requested).revision).toBe(spoken);
  },
);

// --- modern -------------------------------------------------------------------------------------------------------------

const OWN_META = `"_meta":{"${SERVER_INFO}":${JSON.stringify(IMPLEMENTATION)}}`;
const MODERN_EDITS: [string, string, string, string][] = [
  ["adds what every result has", "tools/call", '{"content":[]}', `{"resultType":"complete",${OWN_META},"content":[]}`],
  ["to an empty one too", "tools/call", "{}", `{"resultType":"complete",${OWN_META}}`],
  ["hints where a result can be cached", "tools/list", '{"tools":[]}', `{"resultType":"complete","ttlMs":0,"cacheScope":"private",${OWN_META},"tools":[]}`],
  ["replaces an upstream's hints", "resources/read", '{"contents":[], "ttlMs" : 9,"cacheScope":"public","resultType":"complete"}', `{${OWN_META},"contents":[], "ttlMs" : 0,"cacheScope":"private","resultType":"complete"}`],
  ["keeps vendor keys of _meta as they are", "tools/call", '{"_meta" : { "a/b":1.0 , "c":12345678901234567890},"content":[]}', `{"resultType":"complete","_meta" : {"${SERVER_INFO}":${JSON.stringify(IMPLEMENTATION)}, "a/b":1.0 , "c":12345678901234567890},"content":[]}`],
  ["replaces an upstream's own name", "tools/call", `{"_meta":{"x":1,"${SERVER_INFO}":{"name":"up","version":"9"},"io.modelcontextprotocol/subscriptionId":7,"io.modelcontextprotocol/protocolVersion":"x","io.modelcontextprotocol/logLevel":"debug","io.modelcontextprotocol/clientInfo":{},"io.modelcontextprotocol/clientCapabilities":{}}}`, `{"resultType":"complete","_meta":{"${SERVER_INFO}":${JSON.stringify(IMPLEMENTATION)},"x":1}}`],
  ["finds keys that are spelled with escapes", "tools/call", '{"result\\u0054ype":"complete","\\u005fmeta":{"io.modelcontextprotocol\\/serverInfo":{},"x":1}}', `{"result\\u0054ype":"complete","\\u005fmeta":{"${SERVER_INFO}":${JSON.stringify(IMPLEMENTATION)},"x":1}}`],
  ["replaces a _meta that is none", "tools/call", '{"_meta":7}', `{"resultType":"complete","_meta":{"${SERVER_INFO}":${JSON.stringify(IMPLEMENTATION)}}}`],
];
test.each(MODERN_EDITS)("modern %s", (_name, method, result, expected) => expect(resultText(write("2026-07-28", method, result))).toBe(expected));

test("modern hints come from the outcome", () => {
  expect(resultOf(write("2026-07-28", "tools/list", '{"tools":[]}', { cache: { ttlMs: 60000, scope: "public" } }))).toMatchObject({ ttlMs: 60000, cacheScope: "public" });
});

test("modern input_required is valid and never cacheable", () => {
  const ask = { method: "elicitation/create", params: { mode: "form", message: "Who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } } } as const;
  const both = modernCodec.outcome("1", bareCall("resources/read", {}), { type: "input_required", inputRequests: { who: ask }, requestState: "s" });
  expectValid("2026-07-28", both, "InputRequiredResult");
  expect(resultOf(both)).toMatchObject({ resultType: "input_required", inputRequests: { who: ask }, requestState: "s" });
  expect(resultOf(both)).not.toHaveProperty("ttlMs");
  const state = modernCodec.outcome("1", bareCall("tools/call", {}), { type: "input_required", inputRequests: {}, requestState: "s" });
  expectValid("2026-07-28", state, "InputRequiredResult");
  expect(resultOf(state)).not.toHaveProperty("inputRequests");
});

// --- bytes ----------------------------------------------------------------------------------------------------------------

const odd = fc.constantFrom("12345678901234567890", "1.0", "-0", "1E400", '"\\u0041\\/"', '"\\ud800"', "[ 1 ,\t2 ]", '{ "z":1, "a":{"b" : []} }', "null", '"é😀"');
test.each(REVISIONS)("%s passes unknown members byte for byte, in their order", (revision) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(fc.constantFrom("x", "10", "2", "vendor/y", "__proto__", "z\\u0041"), odd), { selector: ([key]) => key }), (members) => {
      const inner = members.map(([key, raw]) => `"${key}":${raw}`).join(" , ");
      const rest = inner === "" ? "" : `,${inner}`;
      const message = write(revision, "tools/call", `{"content":[{"type":"text","text":"t"${rest}}]${rest}}`);
      expect(resultText(message)).toContain(`"content":[{"type":"text","text":"t"${rest}}]${rest}}`);
    }),
  );
});

// --- legacy ---------------------------------------------------------------------------------------------------------------

test.each(LEGACY)("%s: an empty result stays exactly empty", (revision) => {
  for (const method of ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"]) {
    expect(write(revision, method, "{}")).toBe('{"jsonrpc":"2.0","id":1,"result":{}}');
    expect(write(revision, method, `{"resultType":"complete","_meta":{"${SERVER_INFO}":{"name":"up","version":"1"}}}`)).toBe('{"jsonrpc":"2.0","id":1,"result":{}}');
  }
});

test.each(LEGACY)("%s: what only the modern era says is taken out", (revision) => {
  const modern = `{"resultType":"complete","ttlMs":5, "resources":[],"cacheScope":"public","_meta":{"${SERVER_INFO}":{},"ui":{"a":1.0}}}`;
  expect(resultText(write(revision, "resources/list", modern))).toBe('{ "resources":[],"_meta":{"ui":{"a":1.0}}}');
});

const typesIn = (message: string) => resultOf(message).content.map((block: { type: string }) => block.type);
test.each([
  ["2025-11-25", ["text", "image", "audio", "resource_link", "resource", "text"]],
  ["2025-06-18", ["text", "image", "audio", "resource_link", "resource", "text"]],
  ["2025-03-26", ["text", "image", "audio", "text", "resource", "text"]],
  ["2024-11-05", ["text", "image", "text", "text", "resource", "text"]],
])("%s gets content types it knows, the rest as text", (revision, types) => {
  const content = `${CONTENT.slice(0, -1)},{"type":"video","url":"https://v.example","n":12345678901234567890}]`;
  const message = write(revision, "tools/call", `{"content":${content}}`);
  expect(typesIn(message)).toEqual(types);
  expect(resultOf(message).content.at(-1).text).toBe('{"type":"video","url":"https://v.example","n":12345678901234567890}');
  expectValid(revision, message, "CallToolResult");
});

test("a link that becomes text keeps its name, address and audience", () => {
  const link = '{"type":"resource_link","uri":"test://a","name":"a","title":"The A","description":"about a","annotations":{"audience":["user"]}}';
  expect(resultText(write("2025-03-26", "tools/call", `{"content":[${link}]}`))).toBe('{"content":[{"type":"text","text":"The A: test://a\\nabout a","annotations":{"audience":["user"]}}]}');
});

test.each(REVISIONS)("%s: a type that is spelled with escapes is the same type", (revision) => {
  const content = '[{"typ\\u0065":"te\\u0078t","text":"t"}]';
  expect(resultText(write(revision, "tools/call", `{"content":${content}}`))).toContain(content);
});

test.each([
  ["2025-11-25", "[1,2]", { result: [1, 2] }],
  ["2025-06-18", "12345678901234567890", undefined],
  ["2025-06-18", "null", { result: null }],
  ["2025-06-18", '{"a":1}', { a: 1 }],
])("%s wraps structured content %s", (revision, structured, expected) => {
  const message = write(revision, "tools/call", `{"content":[],"structuredContent":${structured}}`);
  if (expected) expect(resultOf(message).structuredContent).toEqual(expected);
  else expect(message).toContain(`"structuredContent":{"result":${structured}}`);
});

test.each(["2025-03-26", "2024-11-05"])("%s has no structured content, but never loses it", (revision) => {
  expect(resultText(write(revision, "tools/call", '{"content":[{"type":"text","text":"t"}],"structuredContent":{"a":1}}'))).toBe('{"content":[{"type":"text","text":"t"}]}');
  const rescued = '{"content":[{"type":"text","text":"{\\"a\\":12345678901234567890}"}]}';
  expect(resultText(write(revision, "tools/call", '{"structuredContent":{"a":12345678901234567890},"content":[]}'))).toBe(rescued);
  expect(resultText(write(revision, "tools/call", '{"structuredContent":{"a":12345678901234567890}}'))).toBe(rescued);
});

// --- output schemas ---------------------------------------------------------------------------------------------------------

function outputSchemaFor(revision: string, schema: object): unknown {
  return resultOf(write(revision, "tools/list", JSON.stringify({ tools: [{ name: "t", inputSchema: { type: "object" }, outputSchema: schema }] }))).tools[0].outputSchema;
}

const LISTED = { $schema: "https://json-schema.org/draft/2020-12/schema", type: "array", items: { $ref: "#/$defs/item" }, $defs: { item: { type: "object", properties: { next: { $ref: "#" }, $ref: { type: "string" }, c: { const: { $ref: "#/x" } } } } } };

test.each(["2025-11-25", "2025-06-18"])("%s: an output schema that is no object is wrapped, references and all", (revision) => {
  expect(outputSchemaFor(revision, LISTED)).toEqual({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: {
      result: {
        type: "array",
        items: { $ref: "#/properties/result/$defs/item" },
        $defs: { item: { type: "object", properties: { next: { $ref: "#/properties/result" }, $ref: { type: "string" }, c: { const: { $ref: "#/x" } } } } },
      },
    },
    required: ["result"],
  });
  const object = { type: "object", properties: { a: { $ref: "#/$defs/a" } }, $defs: { a: {} } };
  expect(outputSchemaFor(revision, object)).toEqual(object);
});

test.each(["2025-03-26", "2024-11-05"])("%s: output schemas are dropped", (revision) => {
  expect(outputSchemaFor(revision, LISTED)).toBeUndefined();
  expect(outputSchemaFor(revision, { type: "object" })).toBeUndefined();
  const hidden = '{"tools":[{"name":"t","inputSchema":{"type":"object"},"output\\u0053chema":{"type":"string"}}]}';
  expect(resultText(write(revision, "tools/list", hidden))).toBe('{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}');
});

const VALUES: [string, object, unknown, boolean][] = [
  ["a list", LISTED, [{ next: [] }], true],
  ["a wrong list", LISTED, [{ next: 5 }], false],
  ["text", { type: "string" }, "x", true],
  ["either, an object", { anyOf: [{ $ref: "#/$defs/o" }, { type: "string" }], $defs: { o: { type: "object", required: ["a"] } } }, { a: 1 }, true],
  ["either, not an object", { anyOf: [{ $ref: "#/$defs/o" }, { type: "string" }], $defs: { o: { type: "object", required: ["a"] } } }, "x", true],
  ["either, a wrong object", { anyOf: [{ $ref: "#/$defs/o" }, { type: "string" }], $defs: { o: { type: "object", required: ["a"] } } }, { b: 1 }, false],
  ["nullable object, null", { type: ["object", "null"] }, null, true],
  ["nullable object, an object", { type: ["object", "null"] }, { a: 1 }, true],
];
test.each(VALUES)("what a client of 2025-06-18 is sent fits the schema it was shown: %s", (_name, schema, value, fits) => {
  const shown = outputSchemaFor("2025-06-18", schema);
  const sent = resultOf(write("2025-06-18", "tools/call", JSON.stringify({ content: [], structuredContent: value }))).structuredContent;
  expect(shown).toMatchObject({ type: "object" });
  if (typeof shown !== "object" || shown === null) return;
  expect(new Validator(shown, "2020-12").validate(sent).valid).toBe(fits);
});

// --- errors ---------------------------------------------------------------------------------------------------------------

const failed = (code: number, data?: object): Outcome => ({ type: "failed", code, error: `{"code":${code},"message":"no" ${data ? `,"data":${JSON.stringify(data)}` : ""}}` });
const errorOf = (revision: string, method: string, outcome: Outcome) => JSON.parse(codecFor(revision).outcome("1", bareCall(method, { uri: "test://a" }), outcome)).error;

test.each(REVISIONS)("%s: an upstream's error passes as written", (revision) => {
  const error = '{"message":"no","code" : -1,"data":{"n":12345678901234567890}}';
  const message = codecFor(revision).outcome('"a"', bareCall("tools/call", {}), { type: "failed", code: -1, error });
  expect(message).toBe(`{"jsonrpc":"2.0","id":"a","error":${error}}`);
  expect(schemaProblems(revision, "JSONRPCMessage", JSON.parse(message))).toEqual([]);
});

test("a resource that is not there has the code of the client's revision", () => {
  expect(errorOf("2026-07-28", "resources/read", failed(-32002))).toEqual({ code: -32602, message: "no", data: { uri: "test://a" } });
  expect(errorOf("2026-07-28", "resources/read", failed(-32002, { uri: "test://b", x: 1 }))).toEqual({ code: -32602, message: "no", data: { uri: "test://b", x: 1 } });
  for (const revision of LEGACY) {
    expect(errorOf(revision, "resources/read", failed(-32602, { uri: "test://a" }))).toEqual({ code: -32002, message: "no", data: { uri: "test://a" } });
    expect(errorOf(revision, "resources/read", failed(-32602)).code).toBe(-32602);
    expect(errorOf(revision, "tools/call", failed(-32602, { uri: "test://a" })).code).toBe(-32602);
    expect(errorOf(revision, "resources/read", failed(-32002)).code).toBe(-32002);
  }
});

test.each(REVISIONS)("%s: codes of one hop stay on it", (revision) => {
  for (const code of [-32020, -32021, -32022]) expect(errorOf(revision, "tools/call", failed(code)).code).toBe(-32603);
  expect(errorOf(revision, "tools/call", failed(-32042)).code).toBe(revision === "2025-11-25" ? -32042 : -32603);
});

const THROWN: [string, GatewayError, [number, number], [number, number]][] = [
  ["unknown tool", new GatewayError("not_found", "x"), [200, -32602], [200, -32602]],
  ["resource not found", new GatewayError("not_found", "x", { data: { uri: "test://a" } }), [200, -32602], [200, -32002]],
  ["bad cursor", new GatewayError("invalid", "x"), [200, -32602], [200, -32602]],
  ["header mismatch", new GatewayError("invalid", "x", { wire: { rpc: -32020, http: 400 } }), [400, -32020], [200, -32603]],
  ["missing capability", new GatewayError("invalid", "x", { wire: { rpc: -32021, http: 400 }, data: { requiredCapabilities: { sampling: {} } } }), [400, -32021], [200, -32603]],
  ["unsupported", new GatewayError("unsupported", "x"), [404, -32601], [200, -32601]],
  ["limited", new GatewayError("limited", "x", { retryAfter: 3 }), [429, -32603], [429, -32603]],
  ["unavailable", new GatewayError("unavailable", "x", { retryAfter: 1 }), [503, -32603], [503, -32603]],
  ["forbidden", new GatewayError("forbidden", "x"), [403, -32603], [403, -32603]],
  ["upstream", new GatewayError("upstream", "x"), [200, -32603], [200, -32603]],
  ["internal", new GatewayError("internal", "internal error", { cause: "secret" }), [200, -32603], [200, -32603]],
];
test.each(THROWN)("our own error: %s", (_name, error, modern, legacy) => {
  for (const [revision, [status, code]] of REVISIONS.map((revision): [string, [number, number]] => [revision, isModern(revision) ? modern : legacy])) {
    const answer = codecFor(revision).error('"a"', error, "req_1");
    const message = JSON.parse(answer.message);
    expect([answer.status, message.error.code], revision).toEqual([status, code]);
    expect(message).toMatchObject({ id: "a", error: { message: error.message, data: { ...error.data, code: error.code, requestId: "req_1" } } });
    expect(message.error.data.retryAfter).toBe(error.retryAfter);
    expect(answer.message).not.toContain("secret");
    expect(schemaProblems(revision, "JSONRPCMessage", message)).toEqual([]);
  }
});

test("an error without an id leaves it out", () => {
  const { message } = modernCodec.error(null, new GatewayError("internal", "internal error"), "req_1");
  expect(JSON.parse(message)).not.toHaveProperty("id");
  expect(schemaProblems("2026-07-28", "JSONRPCErrorResponse", JSON.parse(message))).toEqual([]);
});

test.each(LEGACY)("%s: what would have to be asked ends the call in words", (revision) => {
  const ask: Outcome = { type: "input_required", inputRequests: { who: { method: "elicitation/create", params: {} } } };
  const tool = codecFor(revision).outcome("1", bareCall("tools/call", {}), ask);
  expectValid(revision, tool, "CallToolResult");
  expect(resultOf(tool)).toMatchObject({ isError: true, content: [{ type: "text", text: expect.stringContaining("elicitation/create") }] });
  expect(JSON.parse(codecFor(revision).outcome("1", bareCall("prompts/get", {}), ask)).error.code).toBe(-32603);
});

// --- notifications ----------------------------------------------------------------------------------------------------------

const notice = (revision: string, over: Partial<Call>, notification: Notification, method = "tools/call") =>
  codecFor(revision).notification({ id: '"L1"', call: bareCall(method, {}, over) }, notification);

test.each(REVISIONS)("%s: progress goes to who asked, with the token as written", (revision) => {
  const notification = { method: "notifications/progress", params: '{"progress":1.50,"total":3,"_meta":{"io.modelcontextprotocol/serverInfo":{},"v":1}}' };
  expect(notice(revision, {}, notification)).toBeNull();
  const sent = notice(revision, { progressToken: "9007199254740993" }, notification);
  expect(sent).toBe('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9007199254740993,"progress":1.50,"total":3,"_meta":{"v":1}}}');
  expectValid(revision, notice(revision, { progressToken: '"p"' }, notification) ?? "", "ProgressNotification");
});

test("an upstream's progress token is replaced by the client's", () => {
  const sent = notice("2026-07-28", { progressToken: '"p"' }, { method: "notifications/progress", params: '{"progressToken":"theirs","progress":1}' });
  expect(JSON.parse(sent ?? "").params).toEqual({ progressToken: "p", progress: 1 });
});

test("modern log messages go to who asked for their level on this request", () => {
  const params = '{"level":"warning","data":12345678901234567890}';
  const message = { method: "notifications/message", params };
  expect(notice("2026-07-28", {}, message)).toBeNull();
  expect(notice("2026-07-28", { logLevel: "error" }, message)).toBeNull();
  expect(notice("2026-07-28", { logLevel: "error" }, { ...message, level: "emergency" })).not.toBeNull();
  expect(notice("2026-07-28", { logLevel: "debug" }, { ...message, params: '{"data":1}' })).toBeNull();
  const sent = notice("2026-07-28", { logLevel: "warning" }, message) ?? "";
  expect(sent).toBe(`{"jsonrpc":"2.0","method":"notifications/message","params":${params}}`);
  expectValid("2026-07-28", sent, "LoggingMessageNotification");
});

test.each(LEGACY)("%s: a log message passes, its session has decided", (revision) => {
  const sent = notice(revision, {}, { method: "notifications/message", params: '{"level":"debug","data":1}' }) ?? "";
  expectValid(revision, sent, "LoggingMessageNotification");
});

test("what is heard on a listen stream names its request", () => {
  const sent = notice("2026-07-28", {}, { method: "notifications/tools/list_changed", params: "{}" }, "subscriptions/listen") ?? "";
  expect(sent).toBe('{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"L1"}}}');
  expectValid("2026-07-28", sent, "ToolListChangedNotification");
});
