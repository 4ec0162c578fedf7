import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Outcome } from "../src/model/call.ts";
import type { JsonObject } from "../src/model/json.ts";
import { listUpstream } from "../src/targets/mcp/list.ts";
import { bench, callOf, toolEntry } from "./upstreams/context.ts";
import { type LegacyFixture, start as startLegacy } from "./upstreams/legacy.ts";
import { start as startModern } from "./upstreams/modern.ts";
import { answerTo, chunk, endChunks, errorTo, event, handshake, methodOf, type RawUpstream, reply, type Script, startRaw, stream } from "./upstreams/raw.ts";

let modern: Awaited<ReturnType<typeof startModern>>;
let legacy: LegacyFixture;
const raws: RawUpstream[] = [];

beforeAll(async () => {
  [modern, legacy] = await Promise.all([startModern(), startLegacy()]);
});
afterAll(async () => {
  await Promise.all([modern.close(), legacy.close()]);
});
afterEach(async () => {
  await Promise.all(raws.splice(0).map((raw) => raw.close()));
});

async function raw(script: Script): Promise<RawUpstream> {
  const upstream = await startRaw(script);
  raws.push(upstream);
  return upstream;
}

const MODERN = { revision: "2026-07-28", at: Date.now() };
const LEGACY = { revision: "2025-11-25", at: Date.now() };

function resultOf(outcome: Outcome): JsonObject {
  if (outcome.type !== "complete") throw new Error(`not complete: ${JSON.stringify(outcome)}`);
  return JSON.parse(outcome.result);
}

function textOf(outcome: Outcome): unknown {
  const { content } = resultOf(outcome);
  return Array.isArray(content) && typeof content[0] === "object" && content[0] !== null && "text" in content[0] ? content[0].text : undefined;
}

/** Waits until something holds: for what happens at the other end of a socket. */
async function until(holds: () => boolean, ms = 2_000): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 10))) if (holds()) return true;
  return holds();
}

describe.each(["modern", "legacy"] as const)("a %s upstream on the official SDK", (era) => {
  const urlOf = () => (era === "modern" ? modern.url : legacy.url);

  test("its era is found out, and a tool answers", async () => {
    const { outcome } = await bench(urlOf()).run(callOf("tools/call", { name: "test_simple_text" }));
    expect(outcome).toMatchObject({ type: "complete" });
    expect(resultOf(outcome)).toEqual({ content: [{ type: "text", text: "This is a simple text response for testing." }] });
  });

  test("an error result is one", async () => {
    const { outcome } = await bench(urlOf()).run(callOf("tools/call", { name: "test_error_handling" }));
    expect(outcome).toMatchObject({ type: "complete", isError: true });
  });

  test("a resource, a resource of a template, and one that is not there", async () => {
    const own = bench(urlOf());
    const read = (uri: string) => own.run(callOf("resources/read", { uri }));
    const { outcome } = await read("test://static-text");
    expect(resultOf(outcome)).toEqual({ contents: [{ uri: "test://static-text", mimeType: "text/plain", text: "This is the content of the static text resource." }] });
    expect(outcome).toMatchObject({ cache: { ttlMs: era === "modern" ? 60_000 : 0, scope: "private" } });
    expect(JSON.stringify(resultOf((await read("test://template/7/data")).outcome))).toContain("Data for ID: 7");
    const { outcome: absent } = await read("test://absent");
    expect(absent).toMatchObject({ type: "failed", code: -32602 });
    expect(absent.type === "failed" && JSON.parse(absent.error)).toMatchObject({ code: -32602, data: { uri: "test://absent" } });
  });

  test("a prompt, and completion of its argument", async () => {
    const own = bench(urlOf());
    const { outcome } = await own.run(callOf("prompts/get", { name: "test_prompt_with_arguments" }, { arguments: '{"arg1":"a","arg2":"b"}' }));
    expect(JSON.stringify(resultOf(outcome))).toContain("arg1='a', arg2='b'");
    const params = { ref: { type: "ref/prompt", name: "test_prompt_with_arguments" }, argument: { name: "arg1", value: "par" } };
    expect(resultOf((await own.run(callOf("completion/complete", params))).outcome)).toMatchObject({ completion: { values: ["paris", "park", "party"] } });
  });

  test("progress comes with the call, without the upstream's token", async () => {
    const { outcome, notifications } = await bench(urlOf()).run(callOf("tools/call", { name: "test_tool_with_progress" }, { progressToken: '"mine"' }));
    expect(notifications.map(({ method, params }) => [method, JSON.parse(params)])).toEqual(
      [0, 50, 100].map((progress) => ["notifications/progress", { progress, total: 100, message: `${progress} of 100` }]),
    );
    expect(textOf(outcome)).toBe("Progress is done");
  });

  test("log messages come with the call, with their level", async () => {
    const { notifications } = await bench(urlOf()).run(callOf("tools/call", { name: "test_tool_with_logging" }, { logLevel: "info" }));
    expect(notifications.map(({ method, level }) => [method, level])).toEqual(Array(3).fill(["notifications/message", "info"]));
  });

  test("an unknown tool is the upstream's own error", async () => {
    const { outcome } = await bench(urlOf()).run(callOf("tools/call", { name: "absent" }));
    expect(outcome).toMatchObject({ type: "failed", code: -32602 });
  });

  test("a cancel reaches the running tool within two seconds", async () => {
    const before = era === "modern" ? modern.cancelled() : legacy.cancelled();
    const own = bench(urlOf());
    const ctx = own.context();
    const running = own.start(callOf("tools/call", { name: "slow" }, { progressToken: "1" }), ctx);
    await running.next();
    ctx.abort();
    await expect(running.next()).rejects.toMatchObject({ code: "cancelled" });
    expect(await until(() => (era === "modern" ? modern.cancelled() : legacy.cancelled()) === before + 1)).toBe(true);
  });

  test("a reader that stops early cancels too", async () => {
    const count = () => (era === "modern" ? modern.cancelled() : legacy.cancelled());
    const before = count();
    const own = bench(urlOf());
    const running = own.start(callOf("tools/call", { name: "slow" }, { progressToken: "1" }), own.context());
    await running.next();
    await running.return({ type: "complete", result: "{}" });
    expect(await until(() => count() === before + 1)).toBe(true);
  });

  test("everything it offers is listed", async () => {
    const listing = await listUpstream(bench(urlOf()).platform, { url: urlOf(), headers: {}, timeoutMs: 5_000 });
    expect(listing.revision).toBe(era === "modern" ? "2026-07-28" : "2025-11-25");
    expect(listing).toMatchObject({ instructions: "Fixtures for tests.", dropped: [], capabilities: { tools: {}, prompts: {}, resources: {} } });
    const names = listing.tools.map((tool) => JSON.parse(tool).name);
    expect(names).toContain("json_schema_2020_12_tool");
    expect(listing.tools.find((tool) => tool.includes("json_schema_2020_12_tool"))).toContain('"$anchor":"addressDef"');
    expect([listing.resources.length, listing.templates.length]).toEqual([3, 1]);
    expect(listing.prompts.length).toBeGreaterThanOrEqual(4);
  });
});

describe("a modern upstream", () => {
  test("asks by input_required, and is answered on the second call", async () => {
    const own = bench(modern.url);
    const capabilities = { elicitation: { form: {} } };
    const first = await own.run(callOf("tools/call", { name: "test_input_required_result_request_state" }, { capabilities }));
    expect(first.outcome).toMatchObject({ type: "input_required", inputRequests: { confirm: { method: "elicitation/create" } } });
    if (first.outcome.type !== "input_required") return;
    const requestState = first.outcome.requestState ?? null;
    const inputResponses = { confirm: { action: "accept", content: { ok: true } } };
    const second = await own.run(callOf("tools/call", { name: "test_input_required_result_request_state" }, { capabilities, inputResponses, requestState }));
    expect(textOf(second.outcome)).toBe("state-ok: true");
  });

  test("an argument travels in its header, even one that no header can hold as it is", async () => {
    const own = bench(modern.url, { tools: [toolEntry("test_x_mcp_header", { headers: [{ header: "Region", path: ["region"] }] })] });
    for (const region of ["eu-1", "größe", " padded "]) {
      const { outcome } = await own.run(callOf("tools/call", { name: "test_x_mcp_header" }, { arguments: JSON.stringify({ region }) }));
      expect(textOf(outcome)).toBe(`Region: ${region}`);
    }
  });

  test("headers it refuses are made again from its own list", async () => {
    const { outcome } = await bench(modern.url).run(callOf("tools/call", { name: "test_x_mcp_header" }, { arguments: '{"region":"eu-1"}' }));
    expect(textOf(outcome)).toBe("Region: eu-1");
  });

  test("a capability that the client lacks is said to a modern client as the specification has it, to a legacy one in words", async () => {
    const call = callOf("tools/call", { name: "test_missing_capability" });
    const own = bench(modern.url);
    await expect(own.run(call)).rejects.toMatchObject({ code: "invalid", wire: { rpc: -32021, http: 400 }, data: { requiredCapabilities: { sampling: {} } } });
    await expect(own.run(call, { revision: "2025-11-25" })).rejects.toMatchObject({ code: "upstream", wire: { rpc: -32603 } });
    expect(textOf((await own.run({ ...call, capabilities: { sampling: {} } })).outcome)).toBe("The client samples");
  });

  test("is told of a capability only when the client can be asked", async () => {
    const upstream = await raw((request, socket) => reply(socket, 200, "application/json", answerTo(request, '{"content":[]}')));
    const own = bench(upstream.url, { upstream: { era: MODERN } });
    for (const revision of ["2026-07-28", "2025-11-25"]) await own.run(callOf("tools/call", { name: "t" }, { capabilities: { sampling: {}, elicitation: {} } }), { revision });
    const told = upstream.requests.map(({ body }) => JSON.parse(body).params._meta["io.modelcontextprotocol/clientCapabilities"]);
    expect(told).toEqual([{ sampling: {}, elicitation: {} }, {}]);
  });

  test("is told nothing but what this hop says of itself: our version, our name, a child span, the client's other keys", async () => {
    const upstream = await raw((request, socket) => reply(socket, 200, "application/json", answerTo(request, '{"content":[]}')));
    const trace = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", tracestate: "v=1" };
    await bench(upstream.url, { upstream: { era: MODERN } }).run(callOf("tools/call", { name: "t" }, { meta: '{"com.acme/x":{"n":1.0}}', progressToken: '"p"', trace, capabilities: { sampling: {}, extensions: { "a/b": {} } } }));
    const [request] = upstream.requests;
    const { id, params } = JSON.parse(request?.body ?? "");
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(params._meta).toMatchObject({
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": { sampling: {} },
      "io.modelcontextprotocol/clientInfo": { name: "causeway" },
      "com.acme/x": { n: 1 },
      tracestate: "v=1",
    });
    expect(params._meta.traceparent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$/);
    expect(params._meta.progressToken).not.toBe("p");
    expect(params._meta["io.modelcontextprotocol/clientCapabilities"]).not.toHaveProperty("extensions");
    expect(request?.body).toContain('"com.acme/x":{"n":1.0}');
    expect(request?.headers).toMatchObject({ "mcp-method": "tools/call", "mcp-name": "t", "mcp-protocol-version": "2026-07-28", "causeway-hops": "1", traceparent: params._meta.traceparent });
    for (const name of ["cookie", "authorization", "forwarded", "x-forwarded-for", "mcp-session-id"]) expect(request?.headers).not.toHaveProperty(name);
  });
});

describe("a legacy upstream", () => {
  test("keeps one session for calls at the same moment, another for another principal", async () => {
    const before = legacy.opened();
    const own = bench(legacy.url, { upstream: { era: LEGACY } });
    const call = callOf("tools/call", { name: "test_simple_text" });
    await Promise.all([1, 2, 3, 4].map(() => own.run(call)));
    expect(legacy.opened() - before).toBe(1);
    await own.run(call, { principal: "tok_2" });
    expect(legacy.opened() - before).toBe(2);
  });

  test("that lost its sessions is opened again, once, and the call succeeds", async () => {
    const own = bench(legacy.url, { upstream: { era: LEGACY } });
    const call = callOf("tools/call", { name: "test_simple_text" });
    await own.run(call);
    const before = legacy.opened();
    await legacy.restart();
    expect((await own.run(call)).outcome).toMatchObject({ type: "complete" });
    expect(legacy.opened() - before).toBe(1);
  });

  test("an idle session is ended at the upstream", async () => {
    const own = bench(legacy.url, { upstream: { era: LEGACY } });
    await own.run(callOf("tools/call", { name: "test_simple_text" }));
    const before = legacy.open();
    for (const keeper of own.sessions.values()) await keeper.end();
    expect(legacy.open()).toBe(before - 1);
  });

  test("that ends its stream in the middle is read on where it stopped", async () => {
    const { outcome } = await bench(legacy.url).run(callOf("tools/call", { name: "test_reconnection" }));
    expect(textOf(outcome)).toBe("Reconnection test completed");
  });

  test("that asks the client is refused with method not found, and its own answer is passed on", async () => {
    const { outcome } = await bench(legacy.url).run(callOf("tools/call", { name: "test_sampling", arguments: { prompt: "hi" } }));
    expect(outcome).toMatchObject({ type: "failed", code: -32601 });
  });

  test("its ping is answered", async () => {
    const answers: string[] = [];
    let finish = (): void => {};
    const upstream = await raw((request, socket, nth) => {
      if (methodOf(request) === "tools/call") {
        stream(socket);
        chunk(socket, event('{"jsonrpc":"2.0","id":0,"method":"ping"}'));
        finish = () => {
          chunk(socket, event(answerTo(request, '{"content":[]}')));
          endChunks(socket);
        };
      } else if (JSON.parse(request.body).result) {
        answers.push(request.body);
        socket.write("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
        finish();
      } else handshake(request, socket, nth);
    });
    await bench(upstream.url, { upstream: { era: LEGACY } }).run(callOf("tools/call", { name: "t" }));
    expect(answers).toEqual(['{"jsonrpc":"2.0","id":0,"result":{}}']);
  });

  test("that wants a page opened becomes a question, or words where the client cannot be asked", async () => {
    const error = '{"code":-32042,"message":"URL elicitation required","data":{"elicitations":[{"mode":"url","elicitationId":"e1","url":"https://x.example/login","message":"Sign in"}]}}';
    const upstream = await raw((request, socket, nth) => (methodOf(request) === "tools/call" ? reply(socket, 200, "application/json", errorTo(request, error)) : handshake(request, socket, nth)));
    const own = bench(upstream.url, { upstream: { era: LEGACY } });
    const asked = await own.run(callOf("tools/call", { name: "t" }, { capabilities: { elicitation: { url: {} } } }));
    expect(asked.outcome).toEqual({ type: "input_required", inputRequests: { url1: { method: "elicitation/create", params: { mode: "url", message: "Sign in", url: "https://x.example/login" } } } });
    const told = await own.run(callOf("tools/call", { name: "t" }));
    expect(told.outcome).toMatchObject({ type: "complete", isError: true });
    expect(textOf(told.outcome)).toContain("https://x.example/login");
  });

  test("a verdict that proves wrong is looked at again, in both directions", async () => {
    expect((await bench(modern.url, { upstream: { era: LEGACY } }).run(callOf("tools/call", { name: "test_simple_text" }))).outcome).toMatchObject({ type: "complete" });
    expect((await bench(legacy.url, { upstream: { era: MODERN } }).run(callOf("tools/call", { name: "test_simple_text" }))).outcome).toMatchObject({ type: "complete" });
  });
});

/** JSON text with all that re-writing would lose: big numbers, `1.0`, escapes, order, white space. */
const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("null", "true", "1.0", "-0", "1e400", "12345678901234567890123", '"\\u0061\\/"', '"é\\n"', '""', '"\ud83d\ude00"'),
    fc.string({ unit: "grapheme" }).map((text) => JSON.stringify(text)),
    fc.array(tie("value"), { maxLength: 4 }).map((values) => `[ ${values.join(" ,")}]`),
    fc.uniqueArray(fc.tuple(fc.string(), tie("value")), { selector: ([key]) => key, maxLength: 4 }).map((members) => `{${members.map(([key, value]) => `${JSON.stringify(key)} :\t${value}`).join(", ")} }`),
  ),
})).value;

describe.each([["modern", MODERN], ["legacy", LEGACY]] as const)("bytes pass through a %s hop", (_name, era) => {
  test("arguments and result reach the other side as they were written", async () => {
    let answer = "{}";
    let seen = "";
    const upstream = await raw((request, socket, nth) => {
      if (methodOf(request) !== "tools/call") return handshake(request, socket, nth);
      seen = request.body;
      if (nth % 2) return reply(socket, 200, "application/json", answerTo(request, answer));
      stream(socket);
      chunk(socket, event(answerTo(request, answer)));
      endChunks(socket);
    });
    const own = bench(upstream.url, { upstream: { era } });
    await fc.assert(
      fc.asyncProperty(jsonText, jsonText, async (argument, member) => {
        const args = `{ "a" : ${argument} }`;
        answer = `{ "content":[], "structuredContent" : ${member} }`;
        const { outcome } = await own.run(callOf("tools/call", { name: "t" }, { arguments: args }));
        const [before, after, ...more] = seen.split(`"arguments":${args}`);
        expect([before?.endsWith('"params":{"name":"t",'), after?.startsWith(era === MODERN ? ',"_meta":{' : "}"), more]).toEqual([true, true, []]);
        expect(outcome).toEqual({ type: "complete", result: answer });
      }),
      { numRuns: 60 },
    );
  });

  test("a result larger than what is proven passes whole", async () => {
    const big = `{"content":[{"type":"text","text":${JSON.stringify("a\\\"{[".repeat(40_000))}}],"resultType":"complete","x":1.0}`;
    const upstream = await raw((request, socket, nth) => (methodOf(request) === "tools/call" ? reply(socket, 200, "application/json", answerTo(request, big)) : handshake(request, socket, nth)));
    const { outcome } = await bench(upstream.url, { upstream: { era } }).run(callOf("tools/call", { name: "t" }));
    expect(outcome).toEqual({ type: "complete", result: big.replace('"resultType":"complete",', "") });
  });
});

test("what this hop said of itself stays here: resultType, cache hints, serverInfo", async () => {
  const result = '{"resultType":"complete","ttlMs":5,"cacheScope":"public","contents":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x","version":"1"},"a.b/c":1.0}}';
  const upstream = await raw((request, socket) => reply(socket, 200, "application/json", answerTo(request, result)));
  const { outcome } = await bench(upstream.url, { upstream: { era: MODERN } }).run(callOf("resources/read", { uri: "x:y" }));
  expect(outcome).toEqual({ type: "complete", result: '{"contents":[],"_meta":{"a.b/c":1.0}}', cache: { ttlMs: 5, scope: "private" } });
});

test("each of many calls at once gets its own answer, in whatever order they come", async () => {
  const waiting: (() => void)[] = [];
  const upstream = await raw((request, socket) => {
    const { n } = JSON.parse(request.body).params.arguments;
    waiting.push(() => reply(socket, 200, "application/json", answerTo(request, `{"content":[],"n":${n}}`)));
  });
  const own = bench(upstream.url, { upstream: { era: MODERN, concurrency: 16 } });
  const calls = Array.from({ length: 12 }, (_, n) => own.run(callOf("tools/call", { name: "t", arguments: { n } })));
  expect(await until(() => waiting.length === 12)).toBe(true);
  waiting.reverse().forEach((answer) => answer());
  expect((await Promise.all(calls)).map(({ outcome }) => resultOf(outcome).n)).toEqual(calls.map((_call, n) => n));
});

describe("listing", () => {
  /** A modern upstream whose tools come in pages; it has no prompts, and does not know resources although it claims to. */
  async function paged(pages: string[][], nextCursor: (page: number) => string | null) {
    return raw((request, socket) => {
      const { method, params } = JSON.parse(request.body);
      const answer = (result: string) => reply(socket, 200, "application/json", answerTo(request, result));
      if (method === "server/discover") return answer('{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"resources":{}},"ttlMs":0,"cacheScope":"private"}');
      if (method !== "tools/list") return reply(socket, 404, "application/json", errorTo(request, '{"code":-32601,"message":"unknown"}'));
      const page = params.cursor === undefined ? 0 : Number(params.cursor);
      const next = nextCursor(page);
      answer(`{"tools":[${(pages[page] ?? []).join(",")}]${next === null ? "" : `,"nextCursor":${JSON.stringify(next)}`}}`);
    });
  }
  const list = (url: string, limits = {}) => listUpstream(bench(url, { limits }).platform, { url, headers: { authorization: "Bearer x" }, timeoutMs: 2_000 });
  const tool = (name: string, more = "") => `{ "name" : "${name}","inputSchema":{"type":"object"${more}}, "x-vendor":1.0}`;

  test("goes through all pages, keeps each tool as written, and drops by name what nobody could call", async () => {
    const header = (value: string) => `,"properties":{"a":{"type":"string","x-mcp-header":${value}}}`;
    const bad = ['{"name":"no_schema"}', '{"inputSchema":{"type":"object"}}', "7", '{"name":"","inputSchema":{"type":"object"}}', '{"name":"array","inputSchema":{"type":"array"}}', tool("spaced", header('"a b"')), tool("one")];
    const upstream = await paged([[tool("one"), ...bad], [], [tool("two", header('"A"'))]], (page) => (page < 2 ? String(page + 1) : null));
    const listing = await list(upstream.url);
    expect(listing.tools).toEqual([tool("one"), tool("two", header('"A"'))]);
    expect(listing.dropped.map(({ name }) => name)).toEqual(["no_schema", "tools[2]", "tools[3]", "tools[4]", "array", "spaced", "one"]);
    expect(listing.dropped.every(({ reason }) => reason.length > 0)).toBe(true);
    expect([listing.resources, listing.templates, listing.prompts]).toEqual([[], [], []]);
    expect(upstream.requests.map(methodOf)).not.toContain("prompts/list");
    expect(upstream.requests.every(({ headers }) => headers.authorization === "Bearer x")).toBe(true);
  });

  test.each<[string, boolean]>([["2025-03-26", true], ["2025-06-18", false]])("an upstream of %s may answer in a batch: %s", async (revision, may) => {
    const notice = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"listing"}}';
    const upstream = await raw((request, socket, nth) => {
      const says = (body: string) => reply(socket, 200, "application/json", body, { "mcp-session-id": "s1" });
      if (methodOf(request) === "initialize") says(answerTo(request, `{"protocolVersion":"${revision}","capabilities":{"tools":{}},"serverInfo":{"name":"raw","version":"1"}}`));
      else if (methodOf(request) === "tools/list") says(`[${notice},${answerTo(request, `{"tools":[${tool("one")}]}`)}]`);
      else handshake(request, socket, nth);
    });
    const listed = list(upstream.url).then(({ tools }) => tools, ({ code }) => code);
    expect(await listed).toEqual(may ? [tool("one")] : "upstream_invalid");
  });

  test.each([200, 400])("an upstream that refuses to initialize, with %d, and names an older revision is asked with that one", async (status) => {
    const refused = '{"code":-32602,"message":"Unsupported protocol version","data":{"supported":["1999-01-01","2025-03-26","2024-11-05"],"requested":"2025-11-25"}}';
    const upstream = await raw((request, socket, nth) => {
      if (methodOf(request) === "initialize" && !request.body.includes('"2025-03-26"')) return reply(socket, status, "application/json", errorTo(request, refused));
      if (methodOf(request) === "initialize") return reply(socket, 200, "application/json", answerTo(request, '{"protocolVersion":"2025-03-26","capabilities":{"tools":{}},"serverInfo":{"name":"raw","version":"1"}}'));
      if (methodOf(request) === "tools/list") return reply(socket, 200, "application/json", answerTo(request, `{"tools":[${tool("one")}]}`));
      handshake(request, socket, nth);
    });
    expect((await list(upstream.url)).tools).toEqual([tool("one")]);
    expect(upstream.requests.map(methodOf)).toEqual(["server/discover", "initialize", "initialize", "notifications/initialized", "tools/list"]);
  });

  test("one that refuses whatever it is asked with is not asked for ever", async () => {
    const upstream = await raw((request, socket) => {
      const supported = request.body.includes('"2024-11-05"') ? "2025-03-26" : "2024-11-05";
      reply(socket, 200, "application/json", errorTo(request, `{"code":-32602,"message":"no","data":{"supported":["${supported}"]}}`));
    });
    await expect(list(upstream.url)).rejects.toMatchObject({ code: "upstream_invalid" });
    expect(upstream.requests.filter((request) => methodOf(request) === "initialize").length).toBe(2);
  });

  test("an empty cursor is a cursor", async () => {
    const upstream = await paged([[tool("one")]], () => "");
    await expect(list(upstream.url)).rejects.toMatchObject({ code: "upstream_invalid" });
    expect(upstream.requests.filter((request) => methodOf(request) === "tools/list").length).toBe(2);
  });

  test("too many tools: too_large; never the end: upstream_invalid", async () => {
    const upstream = await paged([[tool("one"), tool("two"), tool("three")]], () => null);
    await expect(list(upstream.url, { toolsPerWorkspace: 2 })).rejects.toMatchObject({ code: "too_large" });
    await expect(list((await paged([[tool("one")]], () => "0")).url)).rejects.toMatchObject({ code: "upstream_invalid" });
  });

  test.each<[string, Script, string]>([
    ["that is not there", (_request, socket) => socket.destroy(), "upstream"],
    ["that wants a login", (_request, socket) => reply(socket, 401, "text/plain", ""), "upstream"],
    ["that is a web page", (_request, socket) => reply(socket, 200, "text/html", "<html>"), "upstream_invalid"],
    ["that knows nothing", (_request, socket) => reply(socket, 404, "text/html", "<html>"), "upstream"],
    ["that never answers", () => undefined, "timeout"],
  ])("an upstream %s", async (_name, script, code) => {
    const { url } = await raw(script);
    await expect(listUpstream(bench(url).platform, { url, headers: {}, timeoutMs: 300 })).rejects.toMatchObject({ code });
  });
});
