import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { SocketClient } from "./socket-client.ts";
import { until } from "./until.ts";
import { called, offering, progressTokenOf } from "./upstreams/offering.ts";
import { chunk, endChunks, event, head, idOf, type RawUpstream, reply, type Script, startRaw, stream } from "./upstreams/raw.ts";

/* What a broken upstream, or a broken client, can do to the whole gateway: nothing beyond its own call. */

const WATCHED = fileURLToPath(new URL("workers/watched.ts", import.meta.url));
/** What must not be seen outside the gateway. */
const SECRET = "stack trace with password hunter2";
const BODY_BYTES = 1024 * 1024;

const well: Script = (request, socket) => reply(socket, 200, "application/json", called(request));

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: RawUpstream;
let other: RawUpstream;
let client: SocketClient;
let fault: Script = well;
let aheadMs = 0;

beforeAll(async () => {
  upstream = await startRaw(offering(["act"], (...call) => fault(...call)));
  other = await startRaw(offering(["act"], well));
  gateway = await startGateway({ entry: WATCHED, vars: { LIMITS: JSON.stringify({ firstByteMs: 600, idleMs: 600, resultBytes: 64 * 1024, eventBytes: 32 * 1024 }) } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "bad", url: upstream.url });
  await workspace.api("POST", "/upstreams", { slug: "good", url: other.url });
  client = new SocketClient(workspace);
});

afterAll(async () => {
  client?.close();
  await Promise.all([gateway?.stop(), upstream?.close(), other?.close()]);
});

/** Sets the gateway's clock ahead, past what the breaker remembers. */
async function later(): Promise<void> {
  await fetch(`${gateway.origin}/watched/ahead/${(aheadMs += 30_000)}`, { method: "POST" });
}

const json = (text: string | Buffer): Script => (_, socket) => reply(socket, 200, "application/json", text);
const status = (code: number, headers: Record<string, string> = {}): Script => (_, socket) => reply(socket, code, "text/plain", SECRET, headers);

const FAULTS: [name: string, fault: Script, code: string][] = [
  ["closes the connection", (_, socket) => socket.destroy(), "upstream"],
  ["never answers", () => undefined, "timeout"],
  ["answers 500", status(500), "upstream"],
  ["answers 503 with a time", status(503, { "retry-after": "7" }), "unavailable"],
  ["answers 429", status(429), "limited"],
  ["answers 401", status(401, { "www-authenticate": `Bearer realm="${SECRET}"` }), "upstream"],
  ["answers 404 in text", status(404), "upstream"],
  ["answers 202", status(202), "upstream_invalid"],
  ["redirects", status(302, { location: "http://127.0.0.1:1/elsewhere" }), "upstream"],
  ["redirects with 307", status(307, { location: "http://127.0.0.1:1/elsewhere" }), "upstream"],
  ["speaks no HTTP", (_, socket) => void socket.end(`${SECRET}\r\n\r\n`), "upstream"],
  ["answers a page", (_, socket) => reply(socket, 200, "text/html", `<h1>${SECRET}</h1>`), "upstream_invalid"],
  ["answers text that is no JSON", json(SECRET), "upstream_invalid"],
  ["answers half of its JSON", (request, socket) => reply(socket, 200, "application/json", called(request, SECRET).slice(0, -2)), "upstream_invalid"],
  ["answers half of what it announced", (_, socket) => void socket.end(`${head(200, { "content-type": "application/json", "content-length": "1000" })}{"jsonrpc"`), "upstream"],
  ["answers what is not UTF-8", json(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])), "upstream_invalid"],
  ["answers nothing", json(""), "upstream_invalid"],
  ["answers another request", json('{"jsonrpc":"2.0","id":"not-yours","result":{"content":[]}}'), "upstream_invalid"],
  ["answers too much", (request, socket) => reply(socket, 200, "application/json", called(request, "x".repeat(70 * 1024))), "too_large"],
  ["answers too much without saying so", (request, socket) => {
    socket.write(head(200, { "content-type": "application/json", "transfer-encoding": "chunked" }));
    chunk(socket, called(request, "x".repeat(70 * 1024)));
    endChunks(socket);
  }, "too_large"],
  ["begins a stream and falls silent", (_, socket) => stream(socket), "timeout"],
  ["sends comments for ever", (_, socket) => {
    stream(socket);
    const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : chunk(socket, ": alive\n\n")), 50);
  }, "timeout"],
  ["sends an event that never ends", (_, socket) => {
    stream(socket);
    chunk(socket, `data: ${"x".repeat(40 * 1024)}`);
  }, "upstream_invalid"],
  ["ends its stream without an answer", (request, socket) => {
    stream(socket);
    chunk(socket, event(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${progressTokenOf(request)},"progress":1}}`));
    endChunks(socket);
  }, "upstream_invalid"],
  ["breaks off its stream", (_, socket) => {
    stream(socket);
    socket.end();
  }, "upstream"],
  ["sends rubbish in its stream", (_, socket) => {
    stream(socket);
    chunk(socket, event(SECRET));
  }, "upstream_invalid"],
  ["answers a result that is no object", (request, socket) => reply(socket, 200, "application/json", `{"jsonrpc":"2.0","id":${JSON.stringify(idOf(request))},"result":7}`), "upstream_invalid"],
];

describe("an upstream that", () => {
  test.each(FAULTS.map(([name, script, code]) => [name, code, script] as const))("%s: an error result that says %s, and nothing of what the upstream said", async (_name, code, script) => {
    await later();
    fault = script;
    const answer = await client.modern("tools/call", { name: "bad_act" }).answer();
    expect(answer).toMatchObject({ status: 200, message: { id: 1, result: { resultType: "complete", isError: true } } });
    const { _meta, content } = answer.result;
    const detail = Object(_meta)["causeway/error"];
    expect(detail).toMatchObject({ code, requestId: answer.headers["causeway-request-id"] });
    expect(content).toMatchObject([{ type: "text", text: expect.stringMatching(/./) }]);
    for (const inside of [SECRET, "hunter2", upstream.url, "127.0.0.1"]) expect(JSON.stringify(answer)).not.toContain(inside);
    // It is one call that failed: the next one is served.
    fault = well;
    expect((await client.modern("tools/call", { name: "bad_act" }).answer()).result).toMatchObject({ content: [{ text: "called" }] });
  });

  test("says when to come back is repeated", async () => {
    await later();
    fault = status(503, { "retry-after": "7" });
    const { result } = await client.modern("tools/call", { name: "bad_act" }).answer();
    expect(result._meta).toMatchObject({ "causeway/error": { code: "unavailable", retryAfter: 7 } });
  });

  test("answers nobody keeps nobody else waiting: lists and other tools are served meanwhile", async () => {
    await later();
    const waiting: (() => void)[] = [];
    fault = (request, socket) => void waiting.push(() => reply(socket, 200, "application/json", called(request, "at last")));
    // More than a client may have in flight at one upstream.
    const held = Array.from({ length: 10 }, () => client.modern("tools/call", { name: "bad_act" }).answer());
    await until(() => waiting.length === 10);
    const free = new SocketClient(workspace);
    const listed = await free.modern("tools/list").answer();
    expect(Object(listed.result.tools).map((tool: unknown) => Object(tool).name).sort()).toEqual(["bad_act", "good_act"]);
    expect((await free.modern("tools/call", { name: "good_act" }).answer()).result).toMatchObject({ content: [{ text: "called" }] });
    free.close();
    // They were still waiting.
    waiting.forEach((answer) => answer());
    for (const { result } of await Promise.all(held)) expect(result).toMatchObject({ content: [{ text: "at last" }] });
  });

  test("is not there at all does not touch the list, nor another upstream's tools", async () => {
    await later();
    const { port } = new URL(upstream.url);
    await upstream.close();
    const { result } = await client.modern("tools/call", { name: "bad_act" }).answer();
    expect(result).toMatchObject({ isError: true, _meta: { "causeway/error": { code: "upstream" } } });
    expect(JSON.stringify(result)).not.toContain(port);
    const listed = await client.modern("tools/list").answer();
    expect(listed.result.tools).toHaveLength(2);
    expect((await client.modern("tools/call", { name: "good_act" }).answer()).result).toMatchObject({ content: [{ text: "called" }] });
    expect(await workspace.api("GET", "/upstreams/bad/health")).toMatchObject({ ok: false });
    upstream = await startRaw(offering(["act"], (...call) => fault(...call)), Number(port));
    fault = well;
    expect((await client.modern("tools/call", { name: "bad_act" }).answer()).result).toMatchObject({ content: [{ text: "called" }] });
  });

  test("fails five times in a row is left alone, alone, and served again when it is well", async () => {
    await later();
    fault = (_, socket) => socket.destroy();
    const act = async (name: string) => (await client.modern("tools/call", { name }).answer()).result;
    for (let failure = 0; failure < 5; failure++) expect(await act("bad_act")).toMatchObject({ _meta: { "causeway/error": { code: "upstream" } } });
    const asked = upstream.requests.length;
    fault = well;
    expect(await act("bad_act")).toMatchObject({ isError: true, _meta: { "causeway/error": { code: "unavailable", retryAfter: expect.any(Number) } } });
    expect(upstream.requests.length).toBe(asked);
    expect(await act("good_act")).toMatchObject({ content: [{ text: "called" }] });
    await later();
    expect(await act("bad_act")).toMatchObject({ content: [{ text: "called" }] });
    expect(await act("bad_act")).toMatchObject({ content: [{ text: "called" }] });
  });
});

// --- the other side -------------------------------------------------------------------------------------------------

const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';
const CALL = (args: string) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good_act","arguments":${args},${META}}}`;
const MODERN = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "good_act" };

interface Post {
  body: string | Buffer;
  method?: string;
  headers?: Record<string, string>;
  /** Sent in pieces without a length. */
  chunked?: true;
  token?: string | null;
}

/** One request, byte for byte, on a connection of its own; what comes back until that is closed, or null when nothing does. */
function post({ body, method = "POST", headers = {}, chunked, token = workspace.token }: Post): Promise<{ status: number; body: string } | null> {
  const bytes = Buffer.from(body);
  const { host, hostname, port, pathname } = new URL(workspace.endpoint);
  const lines = {
    host,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    connection: "close",
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(chunked ? { "transfer-encoding": "chunked" } : { "content-length": String(bytes.length) }),
    ...headers,
  };
  const start = `${method} ${pathname} HTTP/1.1\r\n${Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let answer = "";
    socket.setEncoding("latin1").on("data", (text) => (answer += text));
    socket.once("error", reject);
    socket.once("close", () => resolve(answer === "" ? null : { status: Number(answer.split(" ")[1]), body: answer.slice(answer.indexOf("\r\n\r\n") + 4) }));
    socket.write(start);
    if (!chunked) return socket.write(bytes);
    for (let at = 0; at < bytes.length; at += 60_000) {
      const piece = bytes.subarray(at, at + 60_000);
      socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(piece);
      socket.write("\r\n");
    }
    socket.write("0\r\n\r\n");
  });
}

/** A sound call of exactly this many bytes. */
function sized(bytes: number): string {
  const frame = CALL('{"a":""}').length;
  return CALL(`{"a":"${"x".repeat(bytes - frame)}"}`);
}

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

const RUBBISH: [name: string, post: Post, expected: string][] = [
  ["a sound call", { body: CALL("{}"), headers: MODERN }, "200"],
  ["no body", { body: "" }, "400 -32700"],
  ["no JSON", { body: "hello", headers: MODERN }, "400 -32700"],
  ["binary", { body: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)) }, "400 -32700"],
  ["invalid UTF-8 in a string", { body: Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":1,"method":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]) }, "400 -32700"],
  ["an overlong encoding", { body: Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]) }, "400 -32700"],
  ["half a surrogate in UTF-8", { body: Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]) }, "400 -32700"],
  ["UTF-16", { body: Buffer.from(CALL("{}"), "utf16le") }, "400 -32700"],
  ["half of it", { body: CALL("{}").slice(0, -1), headers: MODERN }, "400 -32700"],
  ["two of it", { body: `${CALL("{}")}\n${CALL("{}")}`, headers: MODERN }, "400 -32700"],
  ["a trailing comma", { body: CALL('{"a":1,}'), headers: MODERN }, "400 -32700"],
  ["a comment", { body: `/* */${CALL("{}")}`, headers: MODERN }, "400 -32700"],
  ["NaN", { body: CALL('{"a":NaN}'), headers: MODERN }, "400 -32700"],
  ["a control character in a string", { body: CALL('{"a":"\n"}'), headers: MODERN }, "400 -32700"],
  ["65 levels", { body: CALL(`{"a":${nested(62)}}`), headers: MODERN }, "400 -32600"],
  ["half a million levels", { body: nested(500_000) }, "400 -32600"],
  ["half a million levels that do not end", { body: "[".repeat(500_000) }, "400 -32600"],
  ["a key twice", { body: CALL('{"a":1,"a":1}'), headers: MODERN }, "400 -32600"],
  ["a key twice, once escaped", { body: CALL('{"a":1,"\\u0061":2}'), headers: MODERN }, "400 -32600"],
  ["a key twice, far down", { body: CALL('{"a":[[{"b":{"c":1,"d":2,"c":3}}]]}'), headers: MODERN }, "400 -32600"],
  ["a method twice", { body: CALL("{}").replace('"id":1', '"id":1,"method":"tools/list"'), headers: MODERN }, "400 -32600"],
  ["__proto__ twice", { body: CALL('{"__proto__":1,"__proto__":2}'), headers: MODERN }, "400 -32600"],
  ["too many keys", { body: CALL(`{${Array.from({ length: 10_001 }, (_, key) => `"${key}":0`).join(",")}}`), headers: MODERN }, "400 -32600"],
  ["as much as is allowed", { body: sized(BODY_BYTES), headers: MODERN }, "200"],
  ["as much as is allowed, in chunks", { body: sized(BODY_BYTES), headers: MODERN, chunked: true }, "200"],
  ["one byte too much", { body: sized(BODY_BYTES + 1), headers: MODERN }, "413 -32600"],
  ["one byte too much, in chunks", { body: sized(BODY_BYTES + 1), headers: MODERN, chunked: true }, "413 -32600"],
  ["three times too much", { body: "x".repeat(BODY_BYTES * 3) }, "413 -32600"],
  ["three times too much, in chunks", { body: "x".repeat(BODY_BYTES * 3), chunked: true }, "413 -32600"],
  ["eight times too much", { body: "x".repeat(BODY_BYTES * 8), chunked: true }, "413 -32600"],
  ["another media type", { body: CALL("{}"), headers: { ...MODERN, "content-type": "text/plain" } }, "415 -32000"],
  ["PUT", { body: CALL("{}"), method: "PUT", headers: MODERN }, "405 -32000"],
  ["a header that says something else", { body: CALL("{}"), headers: { ...MODERN, "mcp-name": "bad_act" } }, "400 -32020"],
  ["a foreign Origin", { body: CALL("{}"), headers: { ...MODERN, origin: "https://evil.example" } }, "403 -32600"],
  ["rubbish from a stranger", { body: "hello", token: null }, "401 -32603"],
  ["a sound call from a stranger", { body: CALL("{}"), headers: MODERN, token: null }, "401 -32603"],
];

test.each(RUBBISH.map(([name, sent, expected]) => [name, expected, sent] as const))("a client that sends %s: %s", async (_name, expected, sent) => {
  const answer = await post(sent);
  const error = Object(Object(JSON.parse(answer?.body ?? "null")).error);
  expect([answer?.status, error.code].filter((part) => part !== undefined).join(" ")).toBe(expected);
  expect(error.message ?? "").not.toMatch(/at |Error|position|token in/);
});

test("a client that leaves in the middle of its body disturbs nobody", async () => {
  const { host, hostname, port, pathname } = new URL(workspace.endpoint);
  const sockets = Array.from({ length: 20 }, () => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => undefined);
    socket.write(`POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${workspace.token}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"jsonrpc":`);
    return socket;
  });
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => (socket.connecting ? socket.once("connect", () => resolve()) : resolve()))));
  sockets.forEach((socket) => socket.destroy());
  await later();
  fault = well;
  expect((await client.modern("tools/call", { name: "bad_act" }).answer()).result).toMatchObject({ content: [{ text: "called" }] });
});
