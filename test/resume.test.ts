import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/model/json.ts";
import { callTool, endSession, getStream, legacy, Listener, openSession, type Place } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { schemaProblems } from "./schemas.ts";
import { until } from "./until.ts";

/* `Last-Event-ID`: a legacy client whose connection broke comes back, to another Worker, and hears the rest. */

const RESUMED = fileURLToPath(new URL("workers/resumed.ts", import.meta.url));
const RESOURCE = "test://watched-resource";
const TOOLS = { jsonrpc: "2.0", method: "notifications/tools/list_changed", params: {} };
const PROMPTS = { jsonrpc: "2.0", method: "notifications/prompts/list_changed", params: {} };
const RESOURCES = { jsonrpc: "2.0", method: "notifications/resources/list_changed", params: {} };
const UPDATED = { jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri: RESOURCE } };

/** Messages that a session's object keeps here. */
const KEPT = 20;

let gateway: Gateway;
let workspace: TestWorkspace;
/** Another Worker over the same objects. */
let there: Place;

beforeAll(async () => {
  const vars = { LIMITS: JSON.stringify({ replayEvents: KEPT }) };
  gateway = await startGateway({ entry: RESUMED, vars, second: { vars } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "conformance" });
  await workspace.api("POST", "/builtins", { set: "led" });
  there = { endpoint: `${gateway.secondOrigin}/w/${workspace.slug}/mcp`, token: workspace.token };
});

afterAll(() => gateway?.stop());

function tell(...path: string[]): Promise<unknown> {
  return fetch(`${gateway.origin}/led/${path.map(encodeURIComponent).join("/")}`).then((response) => response.json());
}

/** The name of a session's object. */
function objectOf(session: string): string {
  const [id] = JSON.parse(Buffer.from(session.split(".")[1] ?? "", "base64url").toString());
  return id;
}

let calls = 0;
/** A call that a test leads, on its stream. */
async function led(session: string, place: Place = workspace, id: string | number = 7): Promise<{ stream: Listener; name: string; say: (text: string) => Promise<unknown> }> {
  const name = `call-${++calls}`;
  const stream = await Listener.call(place, session, "tools/call", { name: "led", arguments: { name }, _meta: { progressToken: "p" } }, id);
  return { stream, name, say: (text) => tell("say", name, text) };
}

const messagesOf = (stream: Listener) => stream.messages.map(({ params, result }) => Object(params).message ?? Object(result).content?.[0]?.text);
const announce = (what: "tool" | "prompt") => callTool(there, `test_trigger_${what}_change`);

describe("the stream of a call", () => {
  test("starts with its place and goes on where the client lost it, at another Worker, each message once", async () => {
    const session = await openSession(workspace);
    const { stream, say } = await led(session);
    await until(() => stream.text.includes("\n\n"));
    expect(stream.text).toMatch(/^id: c\..+\nretry: \d+\ndata: \n\n$/);
    await say("one");
    await stream.heard(1);
    stream.close();
    await say("two");
    const again = await Listener.get(there, session, stream.lastEventId);
    await again.heard(1);
    await say("three");
    await again.heard(2);
    await say("end");
    await again.ended;
    expect(messagesOf(again)).toEqual(["two", "three", "ended"]);
    for (const message of again.messages.slice(0, 2)) expect(schemaProblems("2025-11-25", "ServerNotification", message)).toEqual([]);
    expect(again.messages.at(-1)).toMatchObject({ id: 7, result: { content: [{ text: "ended" }] } });
    const whole = await Listener.get(there, session, stream.lastEventId?.replace(/\d+$/, "0"));
    await whole.ended;
    expect(messagesOf(whole)).toEqual(["one", "two", "three", "ended"]);
  });

  test("of a call that ended meanwhile gives its end, and nothing once that was heard", async () => {
    const session = await openSession(workspace);
    const { stream, say } = await led(session, workspace, "a.b");
    await say("one");
    await stream.heard(1);
    stream.close();
    await say("end");
    const again = await Listener.get(there, session, stream.lastEventId);
    await again.ended;
    expect(again.messages).toMatchObject([{ id: "a.b", result: { content: [{ text: "ended" }] } }]);
    const nothing = await Listener.get(there, session, again.lastEventId);
    await nothing.ended;
    expect(nothing.messages).toEqual([]);
  });

  test("has no event without data before 2025-11-25, and no event ids before 2025-03-26", async () => {
    const { stream, say } = await led(await openSession(workspace, "2025-06-18"));
    await say("one");
    await stream.heard(1);
    expect(stream.text).toMatch(/^event: message\nid: c\./);
    await say("end");
    await stream.ended;
    const name = `call-${++calls}`;
    const oldest = Listener.call(workspace, await openSession(workspace, "2024-11-05"), "tools/call", { name: "led", arguments: { name }, _meta: { progressToken: 1 } });
    await until(async () => (await tell("say", name, "one")) === true);
    await tell("say", name, "end");
    await (await oldest).ended;
    expect((await oldest).text).toMatch(/^event: message\ndata: /);
    expect((await oldest).text).not.toMatch(/^id:/m);
  });

  test("belongs to its session: neither another session of the same caller nor another caller hears of it", async () => {
    const session = await openSession(workspace);
    const { stream, say } = await led(session);
    await say("one");
    await stream.heard(1);
    const stranger = await Listener.get(there, await openSession(workspace), stream.lastEventId);
    await stranger.ended;
    expect(stranger.messages).toMatchObject([{ id: 7, error: { data: { reason: "outcome_unknown" } } }]);
    const { token } = Object(await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read", "mcp:call"] }));
    const headers = { "mcp-session-id": session, "last-event-id": stream.lastEventId ?? "" };
    expect((await getStream({ ...there, token }, headers)).status).toBe(404);
    await say("end");
    await stream.heard(2);
  });

  test("whose end was too large to keep, or whose object died, ends in words that say so", async () => {
    const session = await openSession(workspace);
    const unknown = { id: 7, error: { message: expect.stringContaining("unknown"), data: { reason: "outcome_unknown" } } };
    const large = await led(session);
    await until(() => large.stream.lastEventId !== null);
    large.stream.close();
    await large.say("large");
    const again = await Listener.get(there, session, large.stream.lastEventId);
    await again.ended;
    expect(again.messages).toMatchObject([unknown]);

    const lost = await led(session);
    await lost.say("one");
    await lost.stream.heard(1);
    await tell("lose", objectOf(session));
    const late = await Listener.get(there, session, lost.stream.lastEventId);
    await late.ended;
    expect(late.messages).toMatchObject([unknown]);
    await lost.say("end");
    // The call itself goes on.
    expect((await lost.stream.heard(2)).at(-1)).toMatchObject({ id: 7, result: { content: [{ text: "ended" }] } });
  });

  test("is kept up to its bound: what is older cannot be had again, what is newer can", async () => {
    const session = await openSession(workspace);
    const { stream, say } = await led(session);
    for (let nth = 1; nth <= KEPT + 5; nth++) await say(String(nth));
    await stream.heard(KEPT + 5);
    const at = (seq: number) => stream.lastEventId?.replace(/\d+$/, String(seq)) ?? null;
    const early = await Listener.get(there, session, at(3));
    await early.ended;
    expect(early.messages).toMatchObject([{ id: 7, error: { data: { reason: "outcome_unknown" } } }]);
    const late = await Listener.get(there, session, at(5));
    await late.heard(KEPT);
    expect(messagesOf(late)).toEqual(Array.from({ length: KEPT }, (_, nth) => String(nth + 6)));
    await say("end");
    await late.ended;
  });

  test("is not kept for a tool that does not ask for it: its calls touch no object", async () => {
    const session = await openSession(workspace);
    const stream = await Listener.call(workspace, session, "tools/call", { name: "test_tool_with_progress", _meta: { progressToken: 1 } });
    await stream.ended;
    expect(stream.text).not.toMatch(/^id:/m);
    expect(await tell("stored", objectOf(session))).toBe(0);
  });

  test("is gone with its session", async () => {
    const session = await openSession(workspace);
    const { stream, say } = await led(session);
    await say("one");
    await stream.heard(1);
    stream.close();
    expect(await tell("stored", objectOf(session))).toBeGreaterThan(0);
    await endSession(there, session);
    expect(await tell("stored", objectOf(session))).toBe(0);
    await until(async () => (await getStream(workspace, { "mcp-session-id": session, "last-event-id": stream.lastEventId ?? "" })).status === 404, 6_000);
  });
});

describe("the session's own stream", () => {
  test("tells what happened while its client was away, and rather twice than not at all", async () => {
    const session = await openSession(workspace);
    await legacy(workspace, "resources/subscribe", { uri: RESOURCE }, session);
    const stream = await Listener.get(workspace, session);
    await announce("prompt");
    await stream.heard(1);
    expect(stream.text).toMatch(/^id: g\.[\w-]{8}\.0\nretry: \d+\ndata: \n\nevent: message\nid: g\.[\w-]{8}\.1\n/);
    stream.close();
    await announce("tool");
    const again = await Listener.get(there, session, stream.lastEventId);
    expect(await again.heard(4)).toEqual([TOOLS, PROMPTS, RESOURCES, UPDATED]);
    await announce("prompt");
    expect((await again.heard(5)).at(-1)).toEqual(PROMPTS);
    // No event of a session has the id of another (MCP 2025-11-25, resumability).
    const ids = [stream, again].flatMap(({ text }) => [...text.matchAll(/^id: (.+)$/gm)].map(([, id]) => id));
    expect(new Set(ids).size).toBe(8);
    again.close();
  });

  test("says that everything may have changed when nobody wrote down what did", async () => {
    const session = await openSession(workspace);
    await legacy(workspace, "resources/subscribe", { uri: RESOURCE }, session);
    const stream = await Listener.get(workspace, session);
    await announce("prompt");
    await stream.heard(1);
    await tell("lose", objectOf(session));
    await stream.ended;
    const again = await Listener.get(there, session, stream.lastEventId);
    expect(await again.heard(4)).toEqual([TOOLS, PROMPTS, RESOURCES, UPDATED]);
    again.close();
  });

  test("opens anew for an event id that is not ours", async () => {
    const session = await openSession(workspace);
    for (const id of ["1", "g.x", "c.short.MQ.1", "made up"]) {
      const stream = await Listener.get(workspace, session, id);
      await announce("tool");
      await until(() => stream.messages.length > 0);
      expect(stream.messages).toEqual([TOOLS]);
      stream.close();
    }
  });
});

test("a stream whose token was revoked says nothing more, taken up again or not, and its call ends", async () => {
  const { token, info } = Object(await workspace.api("POST", "/tokens", { name: "short-lived", scopes: ["mcp:read", "mcp:call"] }));
  const theirs = { ...workspace, token };
  const session = await openSession(theirs);
  const { stream, name, say } = await led(session, theirs);
  await say("one");
  await stream.heard(1);
  const again = await Listener.get({ ...there, token }, session, stream.lastEventId);
  await workspace.api("DELETE", `/tokens/${info.id}`);
  await until(async () => (await tell("ended", name)) !== null);
  await stream.ended;
  expect(stream.messages.at(-1)).toMatchObject({ id: 7, error: { data: { reason: "access_lost" } } });
  await say("secret");
  await again.ended;
  expect(stream.text + again.text).not.toContain("secret");
  expect((await getStream(theirs, { "mcp-session-id": session, "last-event-id": stream.lastEventId ?? "" })).status).toBe(401);
});

test("what is kept goes by its age, and the object with it", async () => {
  const session = await openSession(workspace);
  const { stream, say } = await led(session);
  await say("one");
  await stream.heard(1);
  await say("end");
  await stream.ended;
  const place = stream.lastEventId?.replace(/\d+$/, "1") ?? null;
  try {
    await tell("ahead", String(4 * 60_000));
    await tell("ring", objectOf(session));
    expect(await tell("stored", objectOf(session))).toBeGreaterThan(0);
    await tell("ahead", String(6 * 60_000));
    await tell("ring", objectOf(session));
    expect(await tell("stored", objectOf(session))).toBe(0);
    const late = await Listener.get(workspace, session, place);
    await late.ended;
    expect(late.messages).toMatchObject([{ id: 7, error: { data: { reason: "outcome_unknown" } } }]);
  } finally {
    await tell("ahead", "0");
  }
});

test("the official client of v1 comes back by itself and gets its result", async () => {
  const client = new Client({ name: "a-stranger", version: "1" });
  const headers = { authorization: `Bearer ${workspace.token}` };
  let cut: (() => void) | null = null;
  const posts: string[] = [];
  const cutting: typeof fetch = async (input, init) => {
    const body = String(init?.body ?? "");
    posts.push(`${init?.method ?? "GET"} ${JSON.parse(body || "{}").method ?? ""}`);
    const response = await fetch(input, init);
    if (!body.includes('"tools/call"') || !response.body) return response;
    const reader = response.body.getReader();
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (cut = () => (controller.error(new Error("cut")), void reader.cancel())),
      pull: async (controller) => {
        const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }));
        if (value) controller.enqueue(value);
        if (done) await new Promise(() => undefined);
      },
    });
    return new Response(stream, response);
  };
  await client.connect(new StreamableHTTPClientTransport(new URL(workspace.endpoint), { requestInit: { headers }, fetch: cutting }));
  const name = `call-${++calls}`;
  const params: JsonObject = { name: "led", arguments: { name } };
  const result = client.request({ method: "tools/call", params }, CallToolResultSchema, { onprogress: () => cut?.() });
  await until(async () => (await tell("say", name, "one")) === true);
  await until(() => posts.filter((post) => post === "GET ").length >= 2, 10_000);
  await tell("say", name, "end");
  expect((await result).content).toEqual([{ type: "text", text: "ended" }]);
  expect(posts.filter((post) => post === "POST tools/call")).toHaveLength(1);
  await client.close();
});
