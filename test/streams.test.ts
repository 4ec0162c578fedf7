import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/model/json.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { type HoldingUpstream, startHolding } from "./holding.ts";
import { Ledger } from "./ledger.ts";
import { next, type Sent, SocketClient, traceOf } from "./socket-client.ts";
import { until } from "./until.ts";

/* What comes back over time: listeners and what they hear, progress, and which answers are streams. */

const WATCHED = fileURLToPath(new URL("workers/watched.ts", import.meta.url));
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
/** Of the second Worker: its streams do not grow old, and its calls may take less time than its streams. */
const HASTY = { streamAgeMs: 8_000, totalMs: 1_500, keepAliveMs: 100, jsonWaitMs: 200 };

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: HoldingUpstream;
let first: SocketClient;
/** Of the second Worker over the same objects. */
let second: SocketClient;

beforeAll(async () => {
  upstream = await startHolding();
  gateway = await startGateway({ entry: WATCHED, second: { vars: { LIMITS: JSON.stringify(HASTY) } } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "watched" });
  await workspace.api("POST", "/builtins", { set: "conformance" });
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  first = new SocketClient(workspace, 64);
  second = new SocketClient({ endpoint: `${gateway.secondOrigin}/w/${workspace.slug}/mcp`, token: workspace.token }, 64);
});

afterAll(async () => {
  first?.close();
  second?.close();
  await Promise.all([gateway?.stop(), upstream?.close()]);
});

function listen(client: SocketClient, notifications: JsonObject, id: string | number = "sub", trace?: string): Sent {
  return client.modern("subscriptions/listen", { notifications }, { id, ...(trace && { trace }) });
}

async function listeners(): Promise<number> {
  const response = await fetch(`${gateway.origin}/watched/${workspace.id}`);
  return Object(await response.json()).listeners;
}

function changed(kind: "tools" | "prompts", id: string | number): JsonObject {
  return { jsonrpc: "2.0", method: `notifications/${kind}/list_changed`, params: { _meta: { [SUBSCRIPTION]: id } } };
}

/** Tells every listener that prompts changed: what comes before it was meant for the listener, what comes after was not missed. */
async function announcePrompts(): Promise<void> {
  await first.modern("tools/call", { name: "test_trigger_prompt_change" }).answer();
}

describe("a listener", () => {
  test("is first told what will be heard: what it asked for and is known, under its own id", async () => {
    const sent = listen(first, { toolsListChanged: true, promptsListChanged: false, resourceSubscriptions: ["test://a"], moonChanged: true }, 7);
    expect(await next(sent.messages())).toEqual({
      jsonrpc: "2.0",
      method: "notifications/subscriptions/acknowledged",
      params: { notifications: { toolsListChanged: true, resourceSubscriptions: ["test://a"] }, _meta: { [SUBSCRIPTION]: 7 } },
    });
    const { headers } = await sent.head;
    expect(headers["content-type"]).toBe("text/event-stream");
    expect(headers["server-timing"]).toMatch(/^auth;dur=\d+$/);
    sent.leave();
  });

  test("of either Worker hears of a publish, and then finds it in the list", async () => {
    const clients = [first, second, first, second];
    const sent = clients.map((client, index) => listen(client, { toolsListChanged: true }, `s-${index}`));
    const streams = sent.map((one) => one.messages());
    await Promise.all(streams.map(next));
    await workspace.api("PATCH", "/tools/echo", { enabled: false });
    expect(await Promise.all(streams.map(next))).toEqual(clients.map((_, index) => changed("tools", `s-${index}`)));
    for (const client of [first, second]) expect(await toolsOf(client)).not.toContain("echo");
    await workspace.api("PATCH", "/tools/echo", { enabled: true });
    expect(await Promise.all(streams.map(next))).toEqual(clients.map((_, index) => changed("tools", `s-${index}`)));
    for (const client of [first, second]) expect(await toolsOf(client)).toContain("echo");
    sent.forEach((one) => one.leave());
  });

  test("hears nothing that it did not ask for, also beside another of the same client", async () => {
    const both = [listen(first, { toolsListChanged: true }, 1), listen(first, { promptsListChanged: true }, 2), listen(second, { toolsListChanged: true, promptsListChanged: true }, 3)];
    const [tools, prompts, all] = both.map((one) => one.messages());
    if (!tools || !prompts || !all) throw new Error("three streams");
    await Promise.all([tools, prompts, all].map(next));
    await first.modern("tools/call", { name: "test_trigger_tool_change" }).answer();
    await announcePrompts();
    expect(await next(tools)).toEqual(changed("tools", 1));
    expect(await next(prompts)).toEqual(changed("prompts", 2));
    expect([await next(all), await next(all)]).toEqual([changed("tools", 3), changed("prompts", 3)]);
    await first.modern("tools/call", { name: "test_trigger_tool_change" }).answer();
    expect(await next(tools)).toEqual(changed("tools", 1));
    both.forEach((one) => one.leave());
  });

  test("that leaves is let go of by the Hub", async () => {
    await until(async () => (await listeners()) === 0);
    const sent = [listen(first, { toolsListChanged: true }), listen(second, { toolsListChanged: true })];
    await Promise.all(sent.map((one) => next(one.messages())));
    expect(await listeners()).toBe(2);
    sent[0]?.leave();
    await until(async () => (await listeners()) === 1);
    sent[1]?.leave();
    await until(async () => (await listeners()) === 0);
  });

  test("that leaves before it was acknowledged is let go of too", async () => {
    const hasty = Array.from({ length: 40 }, async (_, index) => {
      const sent = listen(first, { toolsListChanged: true });
      await sent.flushed;
      await sleep(index);
      sent.leave();
    });
    await Promise.all(hasty);
    // Whoever came in before this one has been let in by now.
    const last = listen(first, { toolsListChanged: true });
    await next(last.messages());
    await until(async () => (await listeners()) === 1);
    last.leave();
    await until(async () => (await listeners()) === 0);
  });

  test("is sent comments while nothing happens, and a closing result when the stream is old, long after a call would have ended", async () => {
    const trace = traceOf(1);
    const started = Date.now();
    const sent = listen(second, { toolsListChanged: true }, "old", trace);
    let text = "";
    for await (const chunk of sent.text()) text += chunk;
    expect(Date.now() - started).toBeGreaterThan(HASTY.totalMs * 2);
    expect(text.split(": keep-alive\n\n").length).toBeGreaterThan(5);
    const events = text.split("\n\n").filter((block) => block.startsWith("event: message\ndata: ")).map((block) => JSON.parse(block.slice("event: message\ndata: ".length)));
    expect(events).toMatchObject([
      { method: "notifications/subscriptions/acknowledged" },
      { id: "old", result: { resultType: "complete", _meta: { [SUBSCRIPTION]: "old" } } },
    ]);
    const ledger = new Ledger(gateway, workspace);
    expect(await ledger.of(trace)).toMatchObject([{ method: "subscriptions/listen", end: "complete" }]);
  });

  test("whose token expires is sent away at that moment", async () => {
    const expiresAt = new Date(Date.now() + 2_000).toISOString();
    const { token } = Object(await workspace.api("POST", "/tokens", { name: "expiring", scopes: ["mcp:read"], expiresAt }));
    const theirs = new SocketClient({ endpoint: workspace.endpoint, token });
    const { messages } = await listen(theirs, { toolsListChanged: true }).answer();
    expect(messages).toMatchObject([{ method: "notifications/subscriptions/acknowledged" }, { result: { resultType: "complete" } }]);
    expect((await theirs.modern("tools/list").answer()).status).toBe(401);
    theirs.close();
  });

  test("whose token is revoked is sent away", async () => {
    const { token, info } = Object(await workspace.api("POST", "/tokens", { name: "short-lived", scopes: ["mcp:read"] }));
    const theirs = new SocketClient({ endpoint: workspace.endpoint, token });
    const [sent, other] = [listen(theirs, { promptsListChanged: true }, 1), listen(first, { promptsListChanged: true }, 2)];
    const [stream, others] = [sent.messages(), other.messages()];
    await Promise.all([next(stream), next(others)]);
    await workspace.api("DELETE", `/tokens/${info.id}`);
    expect(await next(stream)).toMatchObject({ id: 1, result: { resultType: "complete" } });
    await announcePrompts();
    expect(await next(others)).toEqual(changed("prompts", 2));
    other.leave();
    theirs.close();
  });
});

async function toolsOf(client: SocketClient): Promise<unknown[]> {
  const { result } = await client.modern("tools/list").answer();
  return Array.isArray(result.tools) ? result.tools.map((tool) => Object(tool).name) : [];
}

describe("a call", () => {
  const HOLD = { name: "up_hold" };
  const JSON_ONLY = "application/json";
  const SSE_ONLY = "text/event-stream";

  test("has its progress sent while it runs", async () => {
    const sent = first.modern("tools/call", { name: "trickle" }, { progressToken: "p" });
    expect(await next(sent.messages())).toMatchObject({ method: "notifications/progress", params: { progressToken: "p", progress: 1, message: "begun" } });
    sent.leave();
  });

  test.each(["modern", "legacy"] as const)("of a %s client that says nothing for long becomes a stream, and stays JSON for a client that takes no stream", async (era) => {
    const [patient, streamed] = [upstream.next(), upstream.next()];
    const json = second[era]("tools/call", HOLD, { accept: JSON_ONLY });
    const stream = second[era]("tools/call", HOLD);
    const { statusCode, headers } = await stream.head;
    expect([statusCode, headers["content-type"]]).toEqual([200, SSE_ONLY]);
    patient.release();
    streamed.release();
    for (const [sent, type] of [[json, JSON_ONLY], [stream, SSE_ONLY]] as const) {
      expect(await sent.answer()).toMatchObject({ status: 200, type, messages: [{ id: 1, result: { content: [{ text: "released" }] } }] });
    }
  });

  test.each([
    [undefined, JSON_ONLY],
    [JSON_ONLY, JSON_ONLY],
    [SSE_ONLY, SSE_ONLY],
    ["*/*", JSON_ONLY],
  ])("that is quick, for a client that accepts %s: %s", async (accept, type) => {
    const { status, messages, ...answer } = await first.modern("tools/call", { name: "echo" }, { ...(accept && { accept }) }).answer();
    expect({ status, type: answer.type }).toEqual({ status: 200, type });
    expect(messages).toMatchObject([{ id: 1, result: { content: [{ text: "echo" }] } }]);
  });

  test("has its progress left out for a client that takes no stream", async () => {
    const { type, messages } = await first.modern("tools/call", { name: "test_tool_with_progress" }, { progressToken: 1, accept: JSON_ONLY }).answer();
    expect(type).toBe(JSON_ONLY);
    expect(messages).toMatchObject([{ id: 1, result: { content: [{ type: "text" }] } }]);
  });

  test.each([
    ["a capability that is missing", { name: "test_missing_capability" }, 400, -32021],
    ["a tool that is not there", { name: "nowhere" }, 200, -32602],
  ])("that fails before anything was sent has the status of its error: %s", async (_name, params, status, code) => {
    expect(await first.modern("tools/call", params).answer()).toMatchObject({ status, type: JSON_ONLY, message: { id: 1, error: { code } } });
    expect(await first.modern("tools/call", params, { accept: JSON_ONLY }).answer()).toMatchObject({ status, message: { error: { code } } });
    expect(await first.modern("tools/call", params, { accept: SSE_ONLY }).answer()).toMatchObject({ status: 200, type: SSE_ONLY, messages: [{ id: 1, error: { code } }] });
  });

  test("that fails in the middle of its stream says so in the stream", async () => {
    const answer = await second.modern("tools/call", { name: "trickle" }, { progressToken: 1 }).answer();
    expect(answer).toMatchObject({ status: 200, type: SSE_ONLY });
    // What is between them are heartbeats.
    expect([answer.messages[0], answer.message]).toMatchObject([{ method: "notifications/progress", params: { message: "begun" } }, { id: 1, result: { isError: true, _meta: { "causeway/error": { code: "timeout" } } } }]);
  });

  test("tells how long access and target took; a stream only what is known when it starts", async () => {
    const quick = await first.modern("tools/call", { name: "echo" }).answer();
    expect(quick.headers["server-timing"]).toMatch(/^auth;dur=\d+, target;dur=\d+$/);
    const streamed = await first.modern("tools/call", { name: "test_tool_with_progress" }, { progressToken: 1 }).answer();
    expect(streamed.headers["server-timing"]).toMatch(/^auth;dur=\d+$/);
  });
});
