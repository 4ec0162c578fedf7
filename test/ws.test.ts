import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/model/json.ts";
import { callTool, endSession, legacy, openSession } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { schemaProblems } from "./schemas.ts";
import { until } from "./until.ts";
import { Peer } from "./ws-client.ts";

/* MCP over a WebSocket: one session a connection, or modern requests; what it says when it closes; and how a client comes back. */

const RESUMED = fileURLToPath(new URL("workers/resumed.ts", import.meta.url));
/** On the second Worker a client is taken for gone soon. */
const HASTY = { keepAliveMs: 800 };

let gateway: Gateway;
let workspace: TestWorkspace;
let path: string;

beforeAll(async () => {
  gateway = await startGateway({ entry: RESUMED, second: { vars: { LIMITS: JSON.stringify(HASTY) } } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "conformance" });
  await workspace.api("POST", "/builtins", { set: "led" });
  path = `/w/${workspace.slug}/ws`;
});

afterAll(() => gateway?.stop());

function open(token = workspace.token, query = ""): Promise<Peer> {
  return Peer.open(gateway.origin, path + query, token);
}

function hasty(query = "", options = {}): Promise<Peer> {
  return Peer.open(gateway.secondOrigin, path + query, workspace.token, options);
}

async function mint(name: string, more: object = {}): Promise<{ token: string; id: string }> {
  const { token, info } = Object(await workspace.api("POST", "/tokens", { name, scopes: ["mcp:read", "mcp:call"], ...more }));
  return { token, id: info.id };
}

/** The name of a session's object. */
function objectOf(session: string): string {
  const [id] = JSON.parse(Buffer.from(session.split(".")[1] ?? "", "base64url").toString());
  return id;
}

function tell(...parts: string[]): Promise<unknown> {
  return fetch(`${gateway.origin}/led/${parts.join("/")}`).then((response) => response.json());
}

describe("a legacy session over one connection", () => {
  test("has handshake, calls, progress, a question and its answer", async () => {
    const peer = await open();
    expect(peer.socket.protocol).toBe("mcp");
    await peer.greet({ elicitation: {} });
    expect(peer.heard[0]).toMatchObject({ id: 0, result: { protocolVersion: "2025-11-25", serverInfo: { name: "causeway" } } });
    expect(schemaProblems("2025-11-25", "InitializeResult", peer.heard[0]?.result ?? null)).toEqual([]);
    expect(await peer.ask("p", "tools/call", { name: "test_tool_with_progress", _meta: { progressToken: 9 } })).toMatchObject({ result: { content: [{ type: "text" }] } });
    expect(peer.heard.filter(({ method }) => method === "notifications/progress").length).toBeGreaterThan(1);
    peer.say({ id: 2, method: "tools/call", params: { name: "test_elicitation", arguments: { message: "Who?" } } });
    const { id } = await until(() => peer.heard.find(({ method }) => method === "elicitation/create") ?? false);
    peer.say({ id, result: { action: "accept", content: { username: "u", email: "e@example.com" } } });
    expect(JSON.stringify(await peer.answer(2))).toContain("e@example.com");
    peer.close();
  });

  test("hears of changed lists, and nothing before it is initialized", async () => {
    const [peer, early] = [await open(), await open()];
    await peer.greet();
    await early.ask(0, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } });
    const changed = () => peer.heard.some(({ method }) => method === "notifications/tools/list_changed");
    await until(async () => (await callTool(workspace, "test_trigger_tool_change"), changed()));
    expect(early.heard).toHaveLength(1);
    peer.close();
    early.close();
  });
});

describe("modern requests", () => {
  const META = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
  const modern = (peer: Peer, id: string | number, method: string, params: JsonObject = {}) => peer.say({ id, method, params: { ...params, _meta: { ...META, ...Object(params._meta) } } });

  test("are answered without a handshake, headers or not, and beside a legacy session", async () => {
    const peer = await open();
    modern(peer, 1, "tools/call", { name: "test_x_mcp_header", arguments: { region: "us-east" } });
    expect(await peer.answer(1)).toMatchObject({ id: 1, result: { resultType: "complete", content: [{ text: expect.stringContaining("us-east") }] } });
    modern(peer, 2, "server/discover");
    expect(schemaProblems("2026-07-28", "DiscoverResult", (await peer.answer(2)).result ?? null)).toEqual([]);
    await peer.greet();
    modern(peer, 3, "tools/call", { name: "test_simple_text" });
    expect(await peer.answer(3)).toMatchObject({ result: { resultType: "complete" } });
    expect(await peer.ask(4, "tools/call", { name: "test_simple_text" })).not.toHaveProperty("result.resultType");
    peer.close();
  });

  test("listen, and are ended by notifications/cancelled alone", async () => {
    const peer = await open();
    modern(peer, "sub", "subscriptions/listen", { notifications: { toolsListChanged: true } });
    const told = () => peer.heard.filter(({ params }) => Object(Object(params)._meta)["io.modelcontextprotocol/subscriptionId"] === "sub");
    await until(() => told().length === 1);
    await callTool(workspace, "test_trigger_tool_change");
    await until(() => told().length === 2);
    expect(told().map(({ method }) => method)).toEqual(["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"]);
    modern(peer, "led", "tools/call", { name: "led", arguments: { name: "over-ws" }, _meta: { progressToken: "p" } });
    await until(async () => (await tell("say", "over-ws", "one")) === true);
    await until(() => peer.heard.some(({ method }) => method === "notifications/progress"));
    for (const requestId of ["sub", "led"]) peer.say({ method: "notifications/cancelled", params: { requestId } });
    modern(peer, "last", "tools/call", { name: "test_trigger_tool_change" });
    await peer.answer("last");
    await until(async () => (await tell("ended", "over-ws")) === "the client disconnected");
    expect(told()).toHaveLength(2);
    expect(peer.heard.filter(({ id }) => id === "led" || id === "sub")).toEqual([]);
    peer.close();
  });
});

describe("a connection closes", () => {
  test("with 1003 for what is no text, 1009 for what is too long, 1002 for what is no JSON", async () => {
    const binary = await open();
    binary.socket.send(new Uint8Array([1]));
    expect(await binary.closed).toMatchObject({ code: 1003 });
    const long = await open();
    long.socket.send(`"${"x".repeat(1_100_000)}"`);
    expect(await long.closed).toMatchObject({ code: 1009 });
    const rubbish = await open();
    rubbish.socket.send("{");
    expect(await rubbish.closed).toMatchObject({ code: 1002 });
    expect(rubbish.heard).toMatchObject([{ error: { code: -32700 } }]);
  });

  test("with 4401 when its token is revoked, in the middle of a call too, and when it expires", async () => {
    const { token, id } = await mint("short-lived");
    const [idle, busy] = [await open(token), await open(token)];
    await busy.greet();
    busy.say({ id: 1, method: "tools/call", params: { name: "led", arguments: { name: "revoked" }, _meta: { progressToken: "p" } } });
    await until(async () => (await tell("say", "revoked", "one")) === true);
    const revoked = Date.now();
    await workspace.api("DELETE", `/tokens/${id}`);
    for (const peer of [idle, busy]) expect(await peer.closed).toEqual({ code: 4401, reason: "access has ended" });
    expect(Date.now() - revoked).toBeLessThan(30_000);
    const expiring = await mint("expiring", { expiresAt: new Date(Date.now() + 1_500).toISOString() });
    expect(await (await open(expiring.token)).closed).toEqual({ code: 4401, reason: "the credential has expired" });
  });

  test("with 4404 when its session is ended, and what was kept of it is gone, whatever its calls still say", async () => {
    const peer = await open();
    const session = await peer.greet();
    peer.say({ id: 1, method: "tools/call", params: { name: "led", arguments: { name: "ended" }, _meta: { progressToken: "p" } } });
    await until(async () => (await tell("say", "ended", "one")) === true);
    await until(() => peer.heard.some(({ method }) => method === "notifications/progress"));
    expect(await tell("stored", objectOf(session))).toBeGreaterThan(0);
    await endSession(workspace, session);
    expect(await peer.closed).toMatchObject({ code: 4404 });
    await tell("say", "ended", "two");
    await until(async () => (await tell("ended", "ended")) !== null);
    expect(await tell("stored", objectOf(session))).toBe(0);
  });

  test("with 4408 when its client answers no ping; one that does stays", async () => {
    const [mute, live] = [await hasty("", { mute: true }), await hasty()];
    await Promise.all([mute.greet(), live.greet()]);
    expect(await mute.closed).toMatchObject({ code: 4408 });
    expect(mute.pings).toBeGreaterThan(0);
    await until(() => live.pings > 3);
    expect(await live.ask(1, "ping")).toMatchObject({ result: {} });
    live.close();
  });

  test("before it opens when there is no token, no subprotocol, no upgrade, or another toolset", async () => {
    await expect(open("cwy_wrong")).rejects.toThrow("refused");
    const { hostname, port } = new URL(gateway.origin);
    const socket = connect(Number(port), hostname);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\nauthorization: Bearer ${workspace.token}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`);
    const status = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(String(data).slice(0, 12))));
    socket.destroy();
    expect(status).toBe("HTTP/1.1 400");
    expect((await fetch(gateway.origin + path)).status).toBe(426);
    await expect(Peer.open(gateway.origin, `${path}/nowhere`, workspace.token)).rejects.toThrow("refused");
  });
});

describe("a client whose connection broke", () => {
  let calls = 0;
  async function led(peer: Peer): Promise<{ name: string; say: (text: string) => Promise<unknown> }> {
    const name = `ws-${++calls}`;
    peer.say({ id: name, method: "tools/call", params: { name: "led", arguments: { name }, _meta: { progressToken: name } } });
    await until(async () => (await tell("say", name, "one")) === true);
    await until(() => peer.heard.some(({ method }) => method === "notifications/progress"));
    return { name, say: (text) => tell("say", name, text) };
  }
  /** What a peer had since the handshake's answer. */
  const had = (peer: Peer) => peer.heard.length - 1;
  const said = (peer: Peer) => peer.heard.map(({ id, params }) => Object(params).message ?? id);

  test("comes back at another Worker and hears the rest of its call, each message once, and goes on in its session", async () => {
    const first = await open();
    const session = await first.greet();
    const { name, say } = await led(first);
    await first.ask("p", "ping");
    first.close();
    await first.closed;
    await say("two");
    const second = await hasty(`?session=${session}&after=${had(first)}`);
    await until(() => second.heard.length > 0);
    await say("end");
    await second.answer(name);
    expect(said(second)).toEqual(["two", name]);
    expect(await second.ask("q", "tools/call", { name: "test_simple_text" })).toMatchObject({ result: { content: [{ type: "text" }] } });
    const third = await open(workspace.token, `?session=${session}&after=0`);
    await until(() => third.heard.length >= 5);
    expect(said(third)).toEqual(["one", "p", "two", name, "q"]);
    expect(await second.closed).toMatchObject({ code: 4409 });
    third.close();
  });

  test("because its session's object was lost hears the rest too, of a call that was never sent again", async () => {
    const peer = await open();
    const session = await peer.greet();
    const { name, say } = await led(peer);
    await tell("lose", objectOf(session));
    expect(await peer.closed).toMatchObject({ code: 1012 });
    const again = await open(workspace.token, `?session=${session}&after=${had(peer)}`);
    await say("two");
    await say("end");
    await again.answer(name);
    expect(said(again)).toEqual(["two", name]);
    again.close();
  });

  test("is told when what it missed is not kept, and refused with a session that is not its own", async () => {
    const peer = await open();
    const session = await peer.greet();
    const { name, say } = await led(peer);
    await say("large");
    await peer.answer(name);
    const late = await open(workspace.token, `?session=${session}&after=0`);
    expect(await late.closed).toMatchObject({ code: 4410 });
    const { token } = await mint("other");
    await expect(open(token, `?session=${session}&after=0`)).rejects.toThrow("refused");
    await expect(open(workspace.token, `?session=${session}x&after=0`)).rejects.toThrow("refused");
    await expect(open(workspace.token, `?session=${session}&after=-1`)).rejects.toThrow("refused");
  });
});

test("a toolset has its own", async () => {
  await workspace.api("POST", "/toolsets", { slug: "few", tools: ["test_simple_text"] });
  const narrow = await mint("narrow", { toolset: "few" });
  const peer = await Peer.open(gateway.origin, `${path}/few`, narrow.token);
  await peer.greet();
  const { result } = await peer.ask(1, "tools/list");
  expect(Object(result).tools).toMatchObject([{ name: "test_simple_text" }]);
  await expect(open(narrow.token)).rejects.toThrow("refused");
  peer.close();
  // Not over a session of the whole workspace either.
  expect((await legacy({ ...workspace, token: narrow.token }, "tools/list", {}, null)).status).toBe(404);
  expect(await openSession(workspace)).toMatch(/^s1\./);
});
