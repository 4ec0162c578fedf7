import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/model/json.ts";
import { type Answer, errorCode, legacy, modern, openSession, type Place, resultOf } from "./caller.ts";
import { sharedGateway, type TestWorkspace } from "./harness/gateway.ts";
import { answerTo, chunk, endChunks, errorTo, event, methodOf, type RawRequest, type RawUpstream, reply, type Script, startRaw, stream } from "./upstreams/raw.ts";

/* What a hop changes and what it leaves alone, in all four cells: every row is one of the protocol's per-hop fields. */

type Era = "modern" | "legacy";

const META = '{"com.acme/n":12345678901234567890,"ui":{"a" : 1.0},"io.modelcontextprotocol/serverInfo":{"name":"theirs","version":"1"},"traceparent":"00-11111111111111111111111111111111-2222222222222222-01"}';
const URI = "note://one";

/** A server of either era; what it says to a call is in the call's arguments. */
function script(era: Era): Script {
  return (request, socket) => {
    const json = (result: string, headers = {}) => reply(socket, 200, "application/json", answerTo(request, result), headers);
    if (request.method !== "POST") return reply(socket, 405, "text/plain", "");
    const capabilities = '{"tools":{},"resources":{},"logging":{}}';
    switch (methodOf(request)) {
      case "server/discover":
        if (era === "legacy") return reply(socket, 400, "text/plain", "");
        return json(`{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":${capabilities},"ttlMs":0,"cacheScope":"private"}`);
      case "initialize":
        return json(`{"protocolVersion":"2025-11-25","capabilities":${capabilities},"serverInfo":{"name":"theirs","version":"1"}}`, { "mcp-session-id": "s1" });
      case "tools/list":
        return json('{"tools":[{"name":"do","inputSchema":{"type":"object"},"execution":{"taskSupport":"optional"},"x-own":1.0}]}');
      case "resources/list":
        return json(`{"resources":[{"uri":"${URI}","name":"one"}]}`);
      case "resources/templates/list":
        return json('{"resourceTemplates":[]}');
      case "resources/read":
        return said(request, paramsOf(request).uri === URI ? Object(paramsOf(request)._meta)["com.acme/say"] : undefined, socket, `{"contents":[{ "uri" : "${URI}", "text":"t","x":1.0},{"uri":"note://other","text":"o"}]}`);
      case "tools/call":
        return said(request, Object(paramsOf(request).arguments).say, socket, `{"content":[],"_meta":${META}}`);
      default:
        return reply(socket, 202, "text/plain", "");
    }
  };
}

function said(request: RawRequest, say: unknown, socket: Parameters<Script>[1], otherwise: string): void {
  if (say === "logs") {
    stream(socket);
    for (const level of ["debug", "info", "error"]) chunk(socket, event(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"${level}","data":"said ${level}"}}`));
    chunk(socket, event(answerTo(request, otherwise)));
    return endChunks(socket);
  }
  if (say === "links") {
    const blocks = `{ "type":"resource_link", "uri":"${URI}","name":"one"},{"type":"resource","resource":{"text":"t" ,"uri":"${URI}"}},{"type":"text","text":"${URI}"}`;
    return reply(socket, 200, "application/json", answerTo(request, `{"content":[${blocks}]}`));
  }
  const [status = 200, body] = Array.isArray(say) ? say : [];
  if (say === undefined) return reply(socket, 200, "application/json", answerTo(request, otherwise));
  if (body === undefined) return reply(socket, Number(status), "text/html", "<p>secret</p>", { "retry-after": "7" });
  return reply(socket, Number(status), "application/json", body === "huge" ? answerTo(request, `{"content":[],"x":"${"x".repeat(9 * 1024 * 1024)}"}`) : errorTo(request, String(body)));
}

function paramsOf(request: RawRequest): JsonObject {
  return Object(JSON.parse(request.body).params);
}

let workspace: TestWorkspace;
const upstreams: Partial<Record<Era, RawUpstream>> = {};

beforeAll(async () => {
  workspace = await (await sharedGateway()).createWorkspace();
  for (const era of ["modern", "legacy"] as const) {
    const upstream = await startRaw(script(era));
    upstreams[era] = upstream;
    await workspace.api("POST", "/upstreams", { slug: era, url: upstream.url });
  }
});

afterAll(() => Promise.all(Object.values(upstreams).map((upstream) => upstream.close())));

const CELLS: [client: Era, upstream: Era][] = [["modern", "modern"], ["modern", "legacy"], ["legacy", "modern"], ["legacy", "legacy"]];

describe.each(CELLS)("between a %s client and a %s upstream", (client, era) => {
  const ask = (method: string, params: JsonObject, id?: JsonObject[string], place: Place = workspace) => (client === "modern" ? modern(place, method, params, id) : legacy(place, method, params, null, id));
  const call = (args: JsonObject = {}, meta: JsonObject = {}, id?: JsonObject[string]) => ask("tools/call", { name: `${era}_do`, arguments: args, _meta: meta }, id);
  const sent = () => upstreams[era]?.requests.filter((request) => methodOf(request) === "tools/call") ?? [];
  const last = () => sent().at(-1);

  test("ids: the client gets back its own, the upstream never sees it and sees none twice", async () => {
    for (const id of [0, -1, "", "0", "a\"b", 9007199254740991]) expect((await call({}, {}, id)).message.id).toBe(id);
    const params = JSON.stringify({ name: `${era}_do`, _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} } });
    const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": `${era}_do` };
    const response = await fetch(workspace.endpoint, {
      method: "POST",
      headers: { authorization: `Bearer ${workspace.token}`, "content-type": "application/json", accept: "application/json, text/event-stream", ...(client === "modern" && headers) },
      body: `{"jsonrpc":"2.0","id":12345678901234567890,"method":"tools/call","params":${client === "modern" ? params : `{"name":"${era}_do"}`}}`,
    });
    expect(await response.text()).toContain('"id":12345678901234567890,');
    const ids = sent().map((request) => JSON.parse(request.body).id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => /^[0-9a-f-]{36}$/.test(String(id)))).toBe(true);
  });

  test("_meta: what is nobody's own passes both ways as written; what the other hop said of itself does not", async () => {
    const { text } = await call({}, { "com.acme/in": { b: 1, a: [1] }, "io.modelcontextprotocol/subscriptionId": "s", "io.modelcontextprotocol/serverInfo": { name: "x", version: "1" } });
    expect(text).toContain('"com.acme/n":12345678901234567890,"ui":{"a" : 1.0}');
    expect(text).not.toContain("theirs");
    expect(last()?.body).toContain('"com.acme/in":{"b":1,"a":[1]}');
    expect(last()?.body).not.toContain("subscriptionId");
    expect(last()?.body).not.toContain("serverInfo");
  });

  test("trace: a span of our own below the client's, in _meta and header; _meta before header; baggage stays here", async () => {
    const traced = async (meta: JsonObject) => {
      await call({}, meta);
      const own = Object(paramsOf(last() ?? { method: "", headers: {}, lines: [], body: "{}" })._meta);
      expect(last()?.headers.traceparent).toBe(own.traceparent);
      expect(last()?.headers.baggage ?? own.baggage).toBeUndefined();
      return [String(own.traceparent).replace(/-(?!2222222222222222)[0-9a-f]{16}-/, "-child-"), own.tracestate ?? null, last()?.headers.tracestate ?? null];
    };
    const id = "1".repeat(32);
    expect(await traced({ traceparent: `00-${id}-2222222222222222-01`, tracestate: "v=1", baggage: "user=ann" })).toEqual([`00-${id}-child-01`, "v=1", "v=1"]);
    expect(await traced({ traceparent: `01-${id}-2222222222222222-00` })).toEqual([`00-${id}-child-00`, null, null]);
    expect(await traced({ traceparent: "rubbish", tracestate: "v=1" })).toEqual(["undefined", null, null]);
    expect(await traced({ traceparent: 7 })).toEqual(["undefined", null, null]);
  });

  test("what a tool says of its own hop is not shown", async () => {
    const { text } = await ask("tools/list", {});
    expect(text).toContain('"x-own":1.0');
    expect(text).not.toContain("execution");
  });

  test("a resource under a URI of the workspace's is read by that, all else as written", async () => {
    const { resources } = resultOf(await ask("resources/list", {}));
    const uris = (Array.isArray(resources) ? resources : []).map((resource) => String(Object(resource).uri));
    const own = uris.find((uri) => uri.includes(`/${era}/`)) ?? URI;
    expect(uris).toEqual([expect.stringMatching(/^causeway:/), URI].sort());
    const answer = await ask("resources/read", { uri: own });
    expect(answer.text).toContain(`"contents":[{ "uri" : ${JSON.stringify(own)}, "text":"t","x":1.0},{"uri":"note://other","text":"o"}]`);
    const missing = await ask("resources/read", { uri: own, _meta: { "com.acme/say": [200, `{"code":-32002,"message":"gone","data":{"uri":"${URI}"}}`] } });
    expect(missing.message.error).toMatchObject({ code: client === "modern" ? -32602 : -32002, data: { uri: own } });
  });

  test("a link in a result leads where the client can read it", async () => {
    const { resources } = resultOf(await ask("resources/list", {}));
    const uris = (Array.isArray(resources) ? resources : []).map((resource) => String(Object(resource).uri));
    const own = JSON.stringify(uris.find((uri) => uri.includes(`/${era}/`)) ?? URI);
    const { text } = await call({ say: "links" });
    if (client === "modern") expect(text).toContain(`{ "type":"resource_link", "uri":${own},"name":"one"}`);
    expect(text).toContain(`{"type":"resource","resource":{"text":"t" ,"uri":${own}}},{"type":"text","text":"${URI}"}`);
  });

  /** What an upstream says, and what the client hears: of a read the HTTP status and code. */
  test.each<[string, unknown[], number]>([
    ["HTTP 401", [401], -32603],
    ["HTTP 403", [403], -32603],
    ["HTTP 429", [429], -32603],
    ["HTTP 503", [503], -32603],
    ["HTTP 500", [500], -32603],
    ["a page", [200], -32603],
    ["a session that is not found", [404, '{"code":-32001,"message":"Session not found"}'], -32603],
    ["-32020", [400, '{"code":-32020,"message":"m"}'], -32603],
    ["-32021 in band", [200, '{"code":-32021,"message":"m","data":{"requiredCapabilities":{}}}'], -32603],
    ["-32022", [400, '{"code":-32022,"message":"m","data":{"supported":["2026-07-28"]}}'], -32603],
    ["-32042", [200, '{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x.example/","message":"Sign in"}]}}'], -32603],
    ["too much", [200, "huge"], -32603],
    ["its own error", [200, '{"code":-32099000,"message":"mine","data":{"n":1}}'], -32099000],
    ["one of the old range", [200, '{"code":-32001,"message":"timed out"}'], -32001],
  ])("%s: a read hears a code that is its own", async (_what, say, code) => {
    const { resources } = resultOf(await ask("resources/list", {}));
    const uris = (Array.isArray(resources) ? resources : []).map((resource) => String(Object(resource).uri));
    const answer = await ask("resources/read", { uri: uris.find((uri) => uri.includes(`/${era}/`)) ?? URI, _meta: { "com.acme/say": say.map(String) } });
    expect([answer.status, errorCode(answer)]).toEqual([200, code]);
    expect(answer.text).not.toContain("secret");
    if (say[0] === 429 || say[0] === 503) expect(answer.message.error).toMatchObject({ data: { retryAfter: 7 } });
  });

  test("a tool's failure is a result with the hint to retry", async () => {
    const answer = await call({ say: [503] });
    expect([answer.status, resultOf(answer)]).toMatchObject([200, { isError: true, _meta: { "causeway/error": { code: "unavailable", retryAfter: 7 } } }]);
  });
});

describe.each<Era>(["modern", "legacy"])("log messages of a %s upstream", (era) => {
  const args = { name: `${era}_do`, arguments: { say: "logs" } };
  const heard = ({ text }: Answer) => ["debug", "info", "error"].filter((level) => text.includes(`said ${level}`));

  test("reach a modern client by the level of its request, and by none without", async () => {
    const level = (wanted: string) => ({ ...args, _meta: { "io.modelcontextprotocol/logLevel": wanted } });
    expect(heard(await modern(workspace, "tools/call", level("info")))).toEqual(["info", "error"]);
    expect(heard(await modern(workspace, "tools/call", level("error")))).toEqual(["error"]);
    expect(heard(await modern(workspace, "tools/call", args))).toEqual([]);
  });

  test("reach a legacy client by the level of its session, which the upstream is asked for low enough", async () => {
    const session = await openSession(workspace);
    expect(heard(await legacy(workspace, "tools/call", args, session))).toEqual(["info", "error"]);
    await legacy(workspace, "logging/setLevel", { level: "debug" }, session);
    expect(heard(await legacy(workspace, "tools/call", args, session))).toEqual(["debug", "info", "error"]);
    await legacy(workspace, "logging/setLevel", { level: "error" }, session);
    expect(heard(await legacy(workspace, "tools/call", args, session))).toEqual(["error"]);
    const requests = upstreams[era]?.requests ?? [];
    if (era === "legacy") expect(requests.filter((request) => methodOf(request) === "logging/setLevel").map((request) => paramsOf(request).level)).toContain("debug");
    else expect(Object(paramsOf(requests.findLast((request) => methodOf(request) === "tools/call") ?? requests[0]!)._meta)["io.modelcontextprotocol/logLevel"]).toBe("debug");
  });
});

test("a question of the gateway's own is not the upstream's to see answered", async () => {
  const own = await (await sharedGateway()).createWorkspace();
  const upstream = upstreams.modern;
  await own.api("POST", "/upstreams", { slug: "modern", url: upstream?.url ?? "" });
  const nobody = { roles: [], principals: [], scopes: [] };
  await own.api("PUT", "/rules", { rules: [{ id: "ask", who: nobody, what: { tools: ["*"], targets: [], upstreams: [], readOnly: null }, when: [], effect: "ask" }] });
  const _meta = { "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } } };
  const asked = resultOf(await modern(own, "tools/call", { name: "modern_do", _meta }));
  const [key = ""] = Object.keys(Object(asked.inputRequests));
  const answers = { [key]: { action: "accept", content: { approve: true } } };
  expect(resultOf(await modern(own, "tools/call", { name: "modern_do", inputResponses: answers, _meta, ...(asked.requestState !== undefined && { requestState: asked.requestState }) }))).toMatchObject({ content: [] });
  expect(paramsOf(upstream?.requests.findLast((request) => methodOf(request) === "tools/call") ?? upstream!.requests[0]!)).not.toHaveProperty("inputResponses");
});
