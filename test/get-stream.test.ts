import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema, ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callTool, endSession, getStream, legacy, Listener, openSession, type Place } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { schemaProblems } from "./schemas.ts";
import { until } from "./until.ts";

/* The GET stream of a legacy session, held by one Worker and fed from another. */

const WATCHED = fileURLToPath(new URL("workers/watched.ts", import.meta.url));
const RESOURCE = "test://watched-resource";
const TOOLS = { jsonrpc: "2.0", method: "notifications/tools/list_changed", params: {} };
const PROMPTS = { jsonrpc: "2.0", method: "notifications/prompts/list_changed", params: {} };

let gateway: Gateway;
let workspace: TestWorkspace;
/** Another Worker over the same objects; its streams do not grow old. */
let there: Place;

beforeAll(async () => {
  const hasty = { streamAgeMs: 3_000, keepAliveMs: 100 };
  gateway = await startGateway({ entry: WATCHED, second: { vars: { LIMITS: JSON.stringify(hasty) } } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "watched" });
  await workspace.api("POST", "/builtins", { set: "conformance" });
  there = { endpoint: `${gateway.secondOrigin}/w/${workspace.slug}/mcp`, token: workspace.token };
});

afterAll(() => gateway?.stop());

/** Tells every listener that prompts changed: what comes before it was meant for the listener, what comes after was not missed. */
async function announcePrompts(): Promise<void> {
  await callTool(there, "test_trigger_prompt_change");
}

function update(uri: string): Promise<unknown> {
  return callTool(there, "update", { uri });
}

function updated(uri: string): object {
  return { jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } };
}

describe("a stream", () => {
  test("needs a session that is its caller's, and a client that takes a stream", async () => {
    const session = await openSession(workspace);
    const status = async (headers: Record<string, string>, place: Place = workspace) => (await getStream(place, headers)).status;
    expect(await status({})).toBe(405);
    expect(await status({ "mcp-session-id": "made-up" })).toBe(404);
    expect(await status({ "mcp-session-id": session, accept: "application/json" })).toBe(406);
    expect(await status({ "mcp-session-id": session, "mcp-protocol-version": "1999-01-01" })).toBe(400);
    expect(await status({ "mcp-session-id": session }, { ...workspace, token: null })).toBe(401);
    const { token } = Object(await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read"] }));
    expect(await status({ "mcp-session-id": session }, { ...workspace, token })).toBe(404);
  });

  test("carries changes of lists, as the revision words them", async () => {
    const stream = await Listener.get(workspace, await openSession(workspace));
    await workspace.api("PATCH", "/tools/echo", { enabled: false });
    expect(await stream.heard(1)).toEqual([TOOLS]);
    await announcePrompts();
    expect(await stream.heard(2)).toEqual([TOOLS, PROMPTS]);
    for (const message of stream.messages) expect(schemaProblems("2025-11-25", "ServerNotification", message)).toEqual([]);
    stream.close();
  });

  test("carries what comes within a moment together, each change once", async () => {
    const stream = await Listener.get(workspace, await openSession(workspace));
    await Promise.all(Array.from({ length: 8 }, () => callTool(there, "test_trigger_tool_change")));
    await announcePrompts();
    await until(() => stream.messages.some(({ method }) => method === PROMPTS.method));
    expect(stream.messages.filter(({ method }) => method === TOOLS.method).length).toBeLessThan(8);
    stream.close();
  });

  test("carries updates of the resources that the session subscribes to while it is open, and of no others", async () => {
    const [session, other] = [await openSession(workspace), await openSession(workspace)];
    await legacy(there, "resources/subscribe", { uri: RESOURCE }, session);
    const [stream, others] = [await Listener.get(workspace, session), await Listener.get(there, other)];
    const heard = async (uri: string) => until(async () => (await update(uri), stream.messages.some(({ params }) => Object(params).uri === uri)));
    await heard(RESOURCE);
    await legacy(there, "resources/subscribe", { uri: "test://static-text" }, session);
    await heard("test://static-text");
    await legacy(there, "resources/unsubscribe", { uri: RESOURCE }, session);
    await announcePrompts();
    await until(() => stream.messages.at(-1)?.method === PROMPTS.method);
    const before = stream.messages.length;
    await update(RESOURCE);
    await update("test://static-text");
    expect((await stream.heard(before + 1)).at(-1)).toEqual(updated("test://static-text"));
    expect(await others.heard(1)).toEqual([PROMPTS]);
    stream.close();
    others.close();
  });

  test("says nothing of a resource that its caller may not read", async () => {
    const session = await openSession(workspace);
    await legacy(workspace, "resources/subscribe", { uri: "test://hidden" }, session);
    const stream = await Listener.get(workspace, session);
    await update("test://hidden");
    await update("test://hidden");
    await announcePrompts();
    await until(() => stream.messages.some(({ method }) => method === PROMPTS.method));
    expect(stream.messages).toEqual([PROMPTS]);
    stream.close();
  });

  test("takes the place of the one before", async () => {
    const session = await openSession(workspace);
    const first = await Listener.get(workspace, session);
    const second = await Listener.get(there, session);
    await first.ended;
    await announcePrompts();
    expect(await second.heard(1)).toEqual([PROMPTS]);
    expect(first.messages).toEqual([]);
    second.close();
  });

  test("is sent comments, and ends without a message when it is old", async () => {
    const stream = await Listener.get(there, await openSession(there));
    await stream.ended;
    expect(stream.text.split(": keep-alive\n\n").length).toBeGreaterThan(5);
    expect(stream.messages).toEqual([]);
  });

  test("ends with its session, which is gone everywhere", async () => {
    const session = await openSession(workspace);
    const stream = await Listener.get(workspace, session);
    await endSession(there, session);
    await stream.ended;
    await until(async () => (await getStream(workspace, { "mcp-session-id": session })).status === 404, 6_000);
  });

  test("ends when its token is revoked", async () => {
    const { token, info } = Object(await workspace.api("POST", "/tokens", { name: "short-lived", scopes: ["mcp:read"] }));
    const theirs = { ...workspace, token };
    const session = await openSession(theirs);
    const stream = await Listener.get(theirs, session);
    await workspace.api("DELETE", `/tokens/${info.id}`);
    await stream.ended;
    await until(async () => (await getStream(theirs, { "mcp-session-id": session })).status === 401, 6_000);
  });
});

test("a stream that is opened by what was known of a token just before it was revoked ends soon", async () => {
  const { token, info } = Object(await workspace.api("POST", "/tokens", { name: "short-lived", scopes: ["mcp:read"] }));
  const theirs = { ...workspace, token };
  const session = await openSession(theirs);
  await legacy(theirs, "tools/list", {}, session);
  await workspace.api("DELETE", `/tokens/${info.id}`);
  // On a slow machine it may be known already; then it is not opened.
  const stream = await Listener.get(theirs, session).catch(() => null);
  await stream?.ended;
  await until(async () => (await getStream(theirs, { "mcp-session-id": session })).status === 401, 6_000);
});

describe("the official client", () => {
  test("of v1 hears of changed lists and updated resources", async () => {
    const client = new Client({ name: "a-stranger", version: "1" });
    const heard: string[] = [];
    client.setNotificationHandler(ToolListChangedNotificationSchema, ({ method }) => void heard.push(method));
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params.uri));
    const requestInit = { headers: { authorization: `Bearer ${workspace.token}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(workspace.endpoint), { requestInit }));
    await client.subscribeResource({ uri: RESOURCE });
    await until(async () => (await update(RESOURCE), heard.includes(RESOURCE)));
    await callTool(there, "test_trigger_tool_change");
    await until(() => heard.includes("notifications/tools/list_changed"));
    await client.close();
  });
});
