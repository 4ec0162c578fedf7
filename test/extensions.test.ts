import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";
import { type Answer, errorCode, legacy, modern, type Place, resultOf } from "./caller.ts";
import { sharedGateway, type TestWorkspace } from "./harness/gateway.ts";
import { answerTo, errorTo, methodOf, type RawRequest, type RawUpstream, reply, type Script, startRaw } from "./upstreams/raw.ts";

/* What is no method of ours: Skills, a vendor's own, and MCP Apps, through upstreams of both eras. */

const UI = "io.modelcontextprotocol/ui";
const SKILLS = "io.modelcontextprotocol/skills";
const DECLARED = { [UI]: {}, [SKILLS]: { directoryRead: true }, "com.acme/own": {} };
const CAPABILITIES = JSON.stringify({ tools: {}, resources: {}, extensions: DECLARED });
const FRESH = '"ttlMs":7,"cacheScope":"public"';
/** What re-writing would lose. */
const SKILL = `{ "skills" : [{"uri":"skill://a/SKILL.md","n":12345678901234567890}], "nextCursor":"theirs", ${FRESH} }`;
const PAGE = "ui://page/unlisted";

type Era = "modern" | "legacy";

/** Answers like a server with Skills, an app, and one method of its vendor. */
function script(era: Era): Script {
  return (request, socket) => {
    const json = (result: string, headers = {}) => reply(socket, 200, "application/json", answerTo(request, result), headers);
    if (request.method !== "POST") return reply(socket, 405, "text/plain", "");
    switch (methodOf(request)) {
      case "server/discover":
        if (era === "legacy") return reply(socket, 400, "application/json", '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}');
        return json(`{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":${CAPABILITIES},${FRESH}}`);
      case "initialize":
        return json(`{"protocolVersion":"2025-11-25","capabilities":${CAPABILITIES},"serverInfo":{"name":"raw","version":"1"}}`, { "mcp-session-id": "s1" });
      case "notifications/initialized":
        return reply(socket, 202, "text/plain", "");
      case "tools/list":
        return json(`{"resultType":"complete","tools":[{"name":"show","inputSchema":{"type":"object"},"_meta":{"ui":{"resourceUri":"${PAGE}"}},"execution":{"taskSupport":"optional"}}],${FRESH}}`);
      case "tools/call":
        return json('{"resultType":"complete","content":[]}');
      case "resources/list":
        return json(`{"resultType":"complete","resources":[],${FRESH}}`);
      case "resources/templates/list":
        return json(`{"resultType":"complete","resourceTemplates":[],${FRESH}}`);
      case "resources/read":
        return json(`{"resultType":"complete","contents":[{"uri":"${uriOf(request)}","mimeType":"text/html;profile=mcp-app","text":"<p>"}],${FRESH}}`);
      case "skills/list":
      case "com.acme/do":
        return json(SKILL);
      case "com.acme/lost":
        return void socket.destroy();
      default:
        return reply(socket, era === "modern" ? 404 : 200, "application/json", errorTo(request, '{"code":-32601,"message":"no such method"}'));
    }
  };
}

function uriOf(request: RawRequest): string {
  return String(JSON.parse(request.body).params.uri);
}

let workspace: TestWorkspace;
const upstreams: Partial<Record<Era, RawUpstream>> = {};

beforeAll(async () => {
  workspace = await (await sharedGateway()).createWorkspace();
  for (const era of ["modern", "legacy"] as const) {
    const upstream = await startRaw(script(era));
    upstreams[era] = upstream;
    await workspace.api("POST", "/upstreams", { slug: era, url: upstream.url, toolset: true });
  }
});

afterAll(() => Promise.all(Object.values(upstreams).map((upstream) => upstream.close())));

function own(era: Era, token = workspace.token): Place {
  return { endpoint: `${workspace.endpoint}/${era}`, token };
}

/** The last request for a method that reached the upstream. */
function seen(era: Era, method: string): RawRequest | undefined {
  return upstreams[era]?.requests.findLast((request) => methodOf(request) === method);
}

function metaOf(request: RawRequest | undefined): JsonObject {
  const { params }: { params?: JsonValue } = JSON.parse(request?.body ?? "{}");
  return isObject(params) && isObject(params._meta) ? params._meta : {};
}

const CELLS: [client: Era, upstream: Era][] = [["modern", "modern"], ["modern", "legacy"], ["legacy", "modern"], ["legacy", "legacy"]];

describe.each(CELLS)("a %s client with a %s upstream", (client, era) => {
  const ask = (place: Place, method: string, params: JsonObject = {}): Promise<Answer> => (client === "modern" ? modern(place, method, params) : legacy(place, method, params, null));

  test("asks it for its skills, one to one, and nothing is changed on the way", async () => {
    const answer = await ask(own(era), "skills/list", { cursor: "theirs", name: "n", uri: "u", arguments: { a: 1 } });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain(`"skills" : [{"uri":"skill://a/SKILL.md","n":12345678901234567890}], "nextCursor":"theirs"`);
    expect(answer.text).toContain('"ttlMs":7,"cacheScope":"private"');
    const request = seen(era, "skills/list");
    expect(JSON.parse(request?.body ?? "{}").params).toMatchObject({ cursor: "theirs", name: "n", uri: "u", arguments: { a: 1 } });
    expect(request?.headers["mcp-method"]).toBe(era === "modern" ? "skills/list" : undefined);
    expect(request?.headers["mcp-name"]).toBeUndefined();
  });

  test("hears that a method is unknown where it is: in the workspace, at the upstream, among the core's", async () => {
    const status = client === "modern" ? 404 : 200;
    for (const [place, method] of [[workspace, "skills/list"], [own(era), "skills/get"], [own(era), "tasks/list"], [own(era), "resources/burn"], [own(era), "burn"]] as const) {
      const answer = await ask(place, method);
      expect([method, answer.status, errorCode(answer)]).toEqual([method, status, -32601]);
    }
    expect(seen(era, "tasks/list")).toBeUndefined();
  });

  test("reads a page of an app that was never listed, one to one and in the workspace", async () => {
    const { tools } = resultOf(await ask(workspace, "tools/list"));
    const shown = (Array.isArray(tools) ? tools : []).find((tool) => isObject(tool) && tool.name === `${era}_show`);
    const uri = isObject(shown) && isObject(shown._meta) && isObject(shown._meta.ui) ? String(shown._meta.ui.resourceUri) : "";
    expect(resultOf(await ask(workspace, "resources/read", { uri }))).toMatchObject({ contents: [{ text: "<p>" }] });
    expect(resultOf(await ask(own(era), "resources/read", { uri: PAGE }))).toMatchObject({ contents: [{ uri: PAGE }] });
    expect(resultOf(await ask(own(era), "resources/read", { uri: "ui://page/other" }))).toMatchObject({ contents: [{ uri: "ui://page/other" }] });
    expect(resultOf(await ask(own(era), "tools/list"))).toMatchObject({ tools: [{ name: "show", _meta: { ui: { resourceUri: PAGE } } }] });
    expect(errorCode(await ask(workspace, "resources/read", { uri: "ui://page/other" }))).toBe(client === "modern" ? -32602 : -32002);
  });
});

test("a vendor's method is called by who may call, once, and not by who may only read", async () => {
  const { token } = Object(await workspace.api("POST", "/tokens", { name: "reader", scopes: ["mcp:read", "mcp:call"], readOnly: true }));
  expect((await modern(own("modern", token), "skills/list")).status).toBe(200);
  expect(errorCode(await modern(own("modern", token), "com.acme/do"))).toBe(-32601);
  expect((await modern(own("modern"), "com.acme/do", { x: 1 })).text).toContain('"skills" : [');
  expect(errorCode(await modern(own("modern"), "com.acme/lost"))).toBe(-32603);
  expect(upstreams.modern?.requests.filter((request) => methodOf(request) === "com.acme/lost")).toHaveLength(1);
  const { token: lister } = Object(await workspace.api("POST", "/tokens", { name: "lister", scopes: ["mcp:read"] }));
  expect((await modern(own("modern", lister), "com.acme/do")).status).toBe(403);
});

test("one to one a server's extensions are its own, in the workspace those that work for all alike", async () => {
  const extensionsOf = (answer: Answer) => Object(resultOf(answer).capabilities).extensions;
  const carried = { [UI]: {}, [SKILLS]: { directoryRead: true } };
  const tasks = { "io.modelcontextprotocol/tasks": {} };
  expect(extensionsOf(await modern(own("legacy"), "server/discover"))).toEqual({ ...carried, ...tasks });
  expect(extensionsOf(await modern(workspace, "server/discover"))).toEqual({ [UI]: {}, ...tasks });
  const handshake = (protocolVersion: string) => legacy(own("modern"), "initialize", { protocolVersion, capabilities: {}, clientInfo: { name: "t", version: "1" } }, null);
  expect(extensionsOf(await handshake("2025-11-25"))).toEqual(carried);
  expect(extensionsOf(await handshake("2025-06-18"))).toBeUndefined();
});

test("what a client can show of apps is told to its upstream, in the envelope or the handshake", async () => {
  const settings = { mimeTypes: ["text/html;profile=mcp-app"] };
  const _meta = { "io.modelcontextprotocol/clientCapabilities": { extensions: { [UI]: settings, "com.acme/own": {} } } };
  await modern(own("modern"), "tools/call", { name: "show", _meta });
  expect(metaOf(seen("modern", "tools/call"))["io.modelcontextprotocol/clientCapabilities"]).toEqual({ extensions: { [UI]: settings } });
  await modern(own("legacy"), "tools/call", { name: "show", _meta });
  expect(JSON.parse(seen("legacy", "initialize")?.body ?? "{}").params.capabilities).toEqual({ extensions: { [UI]: settings } });
});
