import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { bench, callOf, toolEntry } from "./upstreams/context.ts";
import { answerTo, chunk, endChunks, errorTo, event, handshake, head, idOf, methodOf, type RawRequest, type RawUpstream, reply, type Script, startRaw, stream } from "./upstreams/raw.ts";

/* What an upstream can do wrong, and the one error that our caller gets for it. */

const raws: RawUpstream[] = [];
afterEach(async () => {
  await Promise.all(raws.splice(0).map((raw) => raw.close()));
});

async function raw(script: Script): Promise<RawUpstream> {
  const upstream = await startRaw(script);
  raws.push(upstream);
  return upstream;
}

async function closedPort(): Promise<string> {
  const { url, close } = await startRaw(() => undefined);
  await close();
  return url;
}

async function until(holds: () => boolean, ms = 2_000): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 10))) if (holds()) return true;
  return holds();
}

const MODERN = { revision: "2026-07-28", at: Date.now() };
const LEGACY = { revision: "2025-11-25", at: Date.now() };
const OK = '{"content":[]}';
const call = callOf("tools/call", { name: "t" });
const read = callOf("resources/read", { uri: "x:y" });

describe("an upstream that is not there (F1)", () => {
  test.each([["refuses connections", closedPort], ["has no address", () => Promise.resolve("http://does-not-exist.invalid/mcp")]])("%s: upstream, unreachable", async (_name, urlOf) => {
    await expect(bench(await urlOf(), { upstream: { era: MODERN } }).run(call)).rejects.toMatchObject({ code: "upstream", data: { reason: "unreachable" } });
  });

  test("is left alone after five failures, then tried by one call at a time, and is well again when that succeeds", async () => {
    let now = Date.now();
    let well = false;
    const waiting: (() => void)[] = [];
    const upstream = await raw((request, socket) => {
      if (!well) return socket.destroy();
      waiting.push(() => reply(socket, 200, "application/json", answerTo(request, OK)));
    });
    const own = bench(upstream.url, { upstream: { era: MODERN }, now: () => now });
    for (let failure = 0; failure < 5; failure++) await expect(own.run(call)).rejects.toMatchObject({ code: "upstream" });
    const hits = upstream.requests.length;
    await expect(own.run(call)).rejects.toMatchObject({ code: "unavailable", retryAfter: 10, data: { reason: "breaker" } });
    expect(upstream.requests.length).toBe(hits);
    now += 10_001;
    well = true;
    const probe = own.run(call);
    expect(await until(() => waiting.length === 1)).toBe(true);
    await expect(own.run(call)).rejects.toMatchObject({ code: "unavailable" });
    waiting[0]?.();
    expect((await probe).outcome).toMatchObject({ type: "complete" });
    const [first, second] = [own.run(call), own.run(call)];
    expect(await until(() => waiting.length === 3)).toBe(true);
    waiting.slice(1).forEach((answer) => answer());
    await Promise.all([first, second]);
  });

  test("failures ten seconds apart do not add up, nor do refusals", async () => {
    let now = Date.now();
    let status = 500;
    const upstream = await raw((_request, socket) => reply(socket, status, "text/plain", ""));
    const own = bench(upstream.url, { upstream: { era: MODERN }, now: () => now });
    for (let failure = 0; failure < 8; failure++) {
      await expect(own.run(call)).rejects.toMatchObject({ code: "upstream" });
      now += 3_000;
    }
    status = 429;
    for (let refusal = 0; refusal < 8; refusal++) await expect(own.run(call)).rejects.toMatchObject({ code: "limited" });
  });

  test("another upstream, and another workspace's, are not touched", async () => {
    const url = await closedPort();
    const own = bench(url, { upstream: { era: MODERN } });
    for (let failure = 0; failure < 5; failure++) await expect(own.run(call)).rejects.toMatchObject({ code: "upstream" });
    await expect(own.run(call)).rejects.toMatchObject({ code: "unavailable" });
    await expect(bench(url, { upstream: { era: MODERN } }).run(call)).rejects.toMatchObject({ code: "upstream" });
  });

  test("more calls than its concurrency are refused at once", async () => {
    const upstream = await raw(() => undefined);
    const own = bench(upstream.url, { upstream: { era: MODERN, concurrency: 2 }, limits: { firstByteMs: 200 } });
    const running = [own.run(call), own.run(call)].map((run) => run.catch((error: unknown) => error));
    await expect(own.run(call)).rejects.toMatchObject({ code: "limited", data: { limit: "upstreamConcurrency" } });
    await Promise.all(running);
    await expect(own.run(call)).rejects.toMatchObject({ code: "timeout" });
  });
});

describe.each([["modern", MODERN], ["legacy", LEGACY]] as const)("a slow %s upstream (F2-F5)", (_name, era) => {
  const slow = (script: Script) => raw((request, socket, nth) => (methodOf(request) === "tools/call" ? script(request, socket, nth) : handshake(request, socket, nth)));
  const limits = { idleMs: 300, resultBytes: 64 * 1024 };

  test("that accepts and never answers: timeout, and its socket is let go", async () => {
    let closed = false;
    const upstream = await slow((_request, socket) => void socket.on("close", () => (closed = true)));
    await expect(bench(upstream.url, { upstream: { era }, limits: { firstByteMs: 1_000 } }).run(call)).rejects.toMatchObject({ code: "timeout", data: { reason: "first_byte" } });
    expect(await until(() => closed)).toBe(true);
  });

  test.each(["", "event: message\n", "event: message\ndata: {", ": a comment\n\n", event('{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}')])("that stalls after %j: timeout", async (beginning) => {
    const upstream = await slow((_request, socket) => {
      stream(socket);
      if (beginning !== "") chunk(socket, beginning);
    });
    await expect(bench(upstream.url, { upstream: { era }, limits }).run(call)).rejects.toMatchObject({ code: "timeout", data: { reason: "idle" } });
  });

  test("that only ever comments: timeout, comments are no activity", async () => {
    const upstream = await slow((_request, socket) => {
      stream(socket);
      const timer = setInterval(() => chunk(socket, ": still here\n\n"), 20);
      socket.on("close", () => clearInterval(timer));
    });
    await expect(bench(upstream.url, { upstream: { era }, limits }).run(call)).rejects.toMatchObject({ code: "timeout", data: { reason: "idle" } });
  });

  test("that reports progress for ever: timeout at the call's deadline", async () => {
    const upstream = await slow((_request, socket) => {
      stream(socket);
      const timer = setInterval(() => chunk(socket, event('{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}')), 20);
      socket.on("close", () => clearInterval(timer));
    });
    await expect(bench(upstream.url, { upstream: { era, timeoutMs: 600 }, limits }).run(call)).rejects.toMatchObject({ code: "timeout" });
  });

  test("that never stops sending: too_large", async () => {
    const upstream = await slow((_request, socket) => {
      stream(socket);
      const timer = setInterval(() => chunk(socket, `: ${"x".repeat(8_000)}\n\n`), 1);
      socket.on("close", () => clearInterval(timer));
    });
    await expect(bench(upstream.url, { upstream: { era }, limits: { ...limits, idleMs: 5_000 } }).run(call)).rejects.toMatchObject({ code: "too_large" });
  });
});

const message = (request: RawRequest, rest: string) => `{"jsonrpc":"2.0","id":${JSON.stringify(idOf(request))}${rest}}`;

/** Bodies of an answer with status 200 that are none. */
const GARBAGE: [string, (request: RawRequest) => string | Buffer, string?][] = [
  ["HTML", () => "<html>oops</html>", "text/html"],
  ["HTML that claims to be JSON", () => "<html>oops</html>"],
  ["nothing", () => ""],
  ["another media type", (request) => answerTo(request, OK), "text/plain"],
  ["a truncated message", (request) => answerTo(request, OK).slice(0, -3)],
  ["a large truncated message", (request) => answerTo(request, `{"content":[{"type":"text","text":"${"x".repeat(70_000)}"}]}`).slice(0, -3)],
  ["a byte order mark", (request) => `\ufeff${answerTo(request, OK)}`],
  ["bytes that are not UTF-8", (request) => Buffer.concat([Buffer.from(answerTo(request, '{"content":[],"x":"')), Buffer.from([0xff]), Buffer.from('"}}')])],
  ["half a character", (request) => Buffer.concat([Buffer.from(message(request, ',"result":{"x":"')), Buffer.from([0xe2, 0x82]), Buffer.from('"}}')])],
  ["two messages", (request) => answerTo(request, OK) + answerTo(request, OK)],
  ["NaN", (request) => answerTo(request, '{"x":NaN}')],
  ["a number", () => "7"],
  ["a batch", (request) => `[${answerTo(request, OK)}]`],
  ["no jsonrpc member", (request) => `{"id":${JSON.stringify(idOf(request))},"result":${OK}}`],
  ["a result that is no object", (request) => answerTo(request, "[]")],
  ["result and error (F9)", (request) => message(request, `,"result":${OK},"error":{"code":1,"message":"m"}`)],
  ["neither result nor error", (request) => message(request, "")],
  ["an error without a code", (request) => errorTo(request, '{"message":"m"}')],
  ["an error without a message", (request) => errorTo(request, '{"code":1}')],
  ["another id (F8)", () => `{"jsonrpc":"2.0","id":"other","result":${OK}}`],
  ["no id", () => `{"jsonrpc":"2.0","result":${OK}}`],
  ["the id as something else", (request) => `{"jsonrpc":"2.0","id":[${JSON.stringify(idOf(request))}],"result":${OK}}`],
  ["a notification", () => '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}'],
];

describe.each([["modern", MODERN], ["legacy", LEGACY]] as const)("garbage from a %s upstream (F6, F8, F9): upstream_invalid, none of it passed on", (_name, era) => {
  test.each(GARBAGE)("%s", async (_what, bodyOf, type = "application/json") => {
    const upstream = await raw((request, socket, nth) => (methodOf(request) === "tools/call" ? reply(socket, 200, type, bodyOf(request)) : handshake(request, socket, nth)));
    const failed = await bench(upstream.url, { upstream: { era } }).run(call).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "upstream_invalid" });
    expect(String(failed)).not.toContain("oops");
  });

  test.each(["half an event", "no event at all"])("a stream that ends with %s", async (what) => {
    const upstream = await raw((request, socket, nth) => {
      if (methodOf(request) !== "tools/call") return handshake(request, socket, nth);
      stream(socket);
      if (what === "half an event") chunk(socket, event(answerTo(request, OK)).slice(0, -1));
      endChunks(socket);
    });
    await expect(bench(upstream.url, { upstream: { era } }).run(call)).rejects.toMatchObject({ code: "upstream_invalid" });
  });

  test("an event over its limit", async () => {
    const upstream = await raw((request, socket, nth) => {
      if (methodOf(request) !== "tools/call") return handshake(request, socket, nth);
      stream(socket);
      chunk(socket, event(answerTo(request, `{"content":[],"x":"${"x".repeat(5_000)}"}`)));
      endChunks(socket);
    });
    await expect(bench(upstream.url, { upstream: { era }, limits: { eventBytes: 4_000 } }).run(call)).rejects.toMatchObject({ code: "upstream_invalid" });
  });

  test("what belongs to others is ignored, and of two answers the first counts (F8)", async () => {
    const upstream = await raw((request, socket, nth) => {
      if (methodOf(request) !== "tools/call") return handshake(request, socket, nth);
      stream(socket);
      chunk(socket, event('{"jsonrpc":"2.0","id":1,"result":{"content":["theirs"]}}'));
      chunk(socket, event('{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"theirs"}}'));
      chunk(socket, event('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"theirs","progress":1}}'));
      chunk(socket, event('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'));
      chunk(socket, event(answerTo(request, '{"content":["first"]}')) + event(answerTo(request, '{"content":["second"]}')));
      endChunks(socket);
    });
    const { outcome, notifications } = await bench(upstream.url, { upstream: { era } }).run({ ...call, progressToken: '"theirs"' });
    expect([outcome, notifications]).toEqual([{ type: "complete", result: '{"content":["first"]}' }, []]);
  });
});

describe("kinds of results (F9)", () => {
  test.each([
    ['{"content":[]}', { type: "complete" }],
    ['{"resultType":"complete","content":[]}', { type: "complete" }],
    ['{"resultType":"input_required","requestState":"s"}', { type: "input_required", requestState: "s", inputRequests: {} }],
  ])("%s", async (result, expected) => {
    const upstream = await raw((request, socket) => reply(socket, 200, "application/json", answerTo(request, result)));
    expect((await bench(upstream.url, { upstream: { era: MODERN } }).run(call)).outcome).toMatchObject(expected);
  });

  test.each([
    '{"resultType":"task","task":{}}',
    '{"resultType":7,"content":[]}',
    '{"resultType":"input_required"}',
    '{"resultType":"input_required","inputRequests":{"k":{"method":"tools/call"}}}',
    '{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list","params":7}}}',
    '{"resultType":"input_required","requestState":7}',
  ])("%s is invalid", async (result) => {
    const upstream = await raw((request, socket) => reply(socket, 200, "application/json", answerTo(request, result)));
    await expect(bench(upstream.url, { upstream: { era: MODERN } }).run(call)).rejects.toMatchObject({ code: "upstream_invalid" });
  });
});

describe("more than the limit (F7): too_large", () => {
  const limits = { resultBytes: 100_000 };
  const large = (request: RawRequest) => answerTo(request, `{"content":[],"x":"${"x".repeat(200_000)}"}`);
  test.each<[string, Script]>([
    ["a body with its length", (request, socket) => reply(socket, 200, "application/json", large(request))],
    ["a body without", (request, socket) => void socket.end(head(200, { "content-type": "application/json", connection: "close" }) + large(request))],
    ["a small body that is large when unpacked", (request, socket) => reply(socket, 200, "application/json", gzipSync(large(request)), { "content-encoding": "gzip" })],
  ])("%s", async (_name, script) => {
    await expect(bench((await raw(script)).url, { upstream: { era: MODERN }, limits }).run(call)).rejects.toMatchObject({ code: "too_large", data: { limit: "resultBytes" } });
  });

  test("exactly the limit passes", async () => {
    const upstream = await raw((request, socket) => reply(socket, 200, "application/json", answerTo(request, OK).padEnd(1_000)));
    expect((await bench(upstream.url, { upstream: { era: MODERN }, limits: { resultBytes: 1_000 } }).run(call)).outcome).toMatchObject({ type: "complete" });
    await expect(bench(upstream.url, { upstream: { era: MODERN }, limits: { resultBytes: 999 } }).run(call)).rejects.toMatchObject({ code: "too_large" });
  });
});

describe("HTTP refusals (F10, F11)", () => {
  test.each<[number, string, Record<string, string>, object]>([
    [401, "upstream", { "www-authenticate": "Bearer" }, { data: { reason: "credential" } }],
    [403, "upstream", {}, { data: { reason: "credential" } }],
    [408, "timeout", {}, {}],
    [409, "upstream", {}, { data: { status: 409 } }],
    [413, "too_large", {}, {}],
    [429, "limited", { "retry-after": "7" }, { retryAfter: 7 }],
    [500, "upstream", {}, { data: { status: 500 } }],
    [503, "unavailable", { "retry-after": "7" }, { retryAfter: 7 }],
    [504, "timeout", {}, {}],
    [301, "upstream", { location: "/other" }, { data: { reason: "redirect" } }],
    [307, "upstream", { location: "http://127.0.0.1:1/mcp" }, { data: { reason: "redirect" } }],
    [202, "upstream_invalid", {}, {}],
    [204, "upstream_invalid", {}, {}],
  ])("HTTP %i → %s", async (status, code, headers, more) => {
    const upstream = await raw((_request, socket) => reply(socket, status, "text/plain", status === 204 ? "" : "secret", headers));
    const failed = await bench(upstream.url, { upstream: { era: MODERN } }).run(call).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code, ...more });
    expect(JSON.stringify(failed)).not.toContain("secret");
    const sent = upstream.requests.filter((request) => methodOf(request) === "tools/call");
    expect(sent.length).toBe(1);
  });

  test.each([401, 403, 429, 500, 503])("HTTP %i to the probe is no verdict on the era", async (status) => {
    const upstream = await raw((_request, socket) => reply(socket, status, "text/plain", ""));
    await expect(bench(upstream.url).run(call)).rejects.toHaveProperty("code");
    expect(upstream.requests.map(methodOf)).toEqual(["server/discover"]);
  });

  test("a call is never the probe", async () => {
    const upstream = await raw((_request, socket) => reply(socket, 404, "text/plain", ""));
    await expect(bench(upstream.url).run(call)).rejects.toMatchObject({ code: "upstream" });
    // The GET looks for the transport of 2024-11-05.
    expect(new Set(upstream.requests.map((request) => methodOf(request) || request.method))).toEqual(new Set(["server/discover", "initialize", "GET"]));
  });

  test.each([-32020, -32022, -32099])("the code %i stays on its hop", async (code) => {
    const upstream = await raw((request, socket) => reply(socket, 400, "application/json", errorTo(request, `{"code":${code},"message":"m","data":{"supported":["2026-07-28"]}}`)));
    await expect(bench(upstream.url, { upstream: { era: MODERN } }).run(call)).rejects.toMatchObject({ code: expect.stringMatching(/^upstream/), wire: { rpc: -32603 } });
  });

  test("method not found comes through from its 404", async () => {
    const upstream = await raw((request, socket) => reply(socket, 404, "application/json", errorTo(request, '{"code":-32601,"message":"m"}')));
    expect((await bench(upstream.url, { upstream: { era: MODERN } }).run(call)).outcome).toMatchObject({ type: "failed", code: -32601 });
  });
});

describe("a connection that breaks (F13)", () => {
  const repeatable = [toolEntry("t", { annotations: { readOnlyHint: true } })];
  const once = [toolEntry("t")];

  test.each([["a tool that may do things", call, once, 1], ["a read-only tool", call, repeatable, 2], ["an idempotent tool", call, [toolEntry("t", { annotations: { idempotentHint: true } })], 2], ["a resource", read, [], 2]])(
    "before the answer: %s is sent as often as is safe",
    async (_name, given, tools, sent) => {
      const upstream = await raw((_request, socket) => socket.destroy());
      await expect(bench(upstream.url, { upstream: { era: MODERN }, tools }).run(given)).rejects.toMatchObject({ code: "upstream", data: { reason: "unreachable" } });
      expect(upstream.requests.length).toBe(sent);
    },
  );

  test("once, and then works: a read-only tool succeeds", async () => {
    const upstream = await raw((request, socket, nth) => (nth === 1 ? socket.destroy() : reply(socket, 200, "application/json", answerTo(request, OK))));
    expect((await bench(upstream.url, { upstream: { era: MODERN }, tools: repeatable }).run(call)).outcome).toMatchObject({ type: "complete" });
  });

  test("at any byte of the answer: upstream, never sent again", async () => {
    const answer = (request: RawRequest) => head(200, { "content-type": "application/json", "content-length": String(answerTo(request, OK).length) }) + answerTo(request, OK);
    for (let cut = 70; cut < 200; cut += 13) {
      const upstream = await raw((request, socket) => void socket.write(answer(request).slice(0, cut), () => socket.destroy()));
      const outcome = await bench(upstream.url, { upstream: { era: MODERN }, tools: once }).run(call).then(() => "complete", (error: { code: string }) => error.code);
      expect(["upstream", "complete"]).toContain(outcome);
      expect(upstream.requests.length).toBe(1);
    }
  });

  test("a TLS handshake with something else: upstream, never in the clear (F12)", async () => {
    const upstream = await raw((request, socket) => reply(socket, 200, "application/json", answerTo(request, OK)));
    await expect(bench(upstream.url.replace("http:", "https:"), { upstream: { era: MODERN } }).run(call)).rejects.toMatchObject({ code: "upstream" });
    expect(upstream.requests).toEqual([]);
  });
});

test("a cancelled call tells a legacy upstream, and closes the stream when it has been heard", async () => {
  const seen: string[] = [];
  const upstream = await raw((request, socket, nth) => {
    if (methodOf(request) === "tools/call") {
      stream(socket);
      chunk(socket, event('{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}'));
      socket.on("close", () => seen.push("closed"));
      seen.push(String(idOf(request)));
    } else if (methodOf(request) === "notifications/cancelled") {
      seen.push(String(JSON.parse(request.body).params.requestId));
      setTimeout(() => {
        seen.push("heard");
        handshake(request, socket, nth);
      }, 200);
    } else handshake(request, socket, nth);
  });
  const own = bench(upstream.url, { upstream: { era: LEGACY } });
  const ctx = own.context();
  const running = own.start(call, ctx);
  await running.next();
  ctx.abort();
  await expect(running.next()).rejects.toMatchObject({ code: "cancelled" });
  expect(await until(() => seen.length === 4)).toBe(true);
  expect(seen).toEqual([seen[0], seen[0], "heard", "closed"]);
});

test.each([["modern", MODERN], ["legacy", LEGACY]])("a call that was cut before its request was sent reaches no %s upstream", async (_name, era) => {
  const upstream = await raw((request, socket, nth) => (methodOf(request) === "tools/call" ? reply(socket, 200, "application/json", answerTo(request, OK)) : handshake(request, socket, nth)));
  const own = bench(upstream.url, { upstream: { era } });
  await own.run(call);
  const before = upstream.requests.length;
  const ctx = own.context();
  ctx.abort();
  await expect(own.start(call, ctx).next()).rejects.toMatchObject({ code: "cancelled" });
  await Promise.all(ctx.background);
  expect(upstream.requests.slice(before).map(methodOf)).toEqual([]);
});

test("a call that ended well is not cancelled afterwards", async () => {
  const upstream = await raw((request, socket, nth) => (methodOf(request) === "tools/call" ? reply(socket, 200, "application/json", answerTo(request, OK)) : handshake(request, socket, nth)));
  const own = bench(upstream.url, { upstream: { era: LEGACY } });
  const ctx = own.context();
  await own.start(call, ctx).next();
  ctx.abort();
  await Promise.all(ctx.background);
  expect(upstream.requests.map(methodOf)).toEqual(["initialize", "notifications/initialized", "tools/call"]);
});

test("a gateway that leads back to itself ends (F40)", async () => {
  const upstream = await raw((request, socket) => reply(socket, 200, "application/json", answerTo(request, OK)));
  const own = bench(upstream.url, { upstream: { era: MODERN } });
  await own.run(call, { hops: 4 });
  expect(upstream.requests[0]?.headers["causeway-hops"]).toBe("5");
  await expect(own.run(call, { hops: 5 })).rejects.toMatchObject({ code: "conflict" });
  expect(upstream.requests.length).toBe(1);
});
