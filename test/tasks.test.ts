import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";
import { Listener } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Ledger } from "./ledger.ts";
import { schemaProblems } from "./schemas.ts";
import { type Answer, type SendOptions, type Sent, SocketClient, traceOf } from "./socket-client.ts";
import { until } from "./until.ts";
import { type AskedCall, type AskingUpstream, startAsking } from "./upstreams/asking.ts";
import { type LegacyTasked, type ModernTasked, startLegacyTasked, startModernTasked } from "./upstreams/tasked.ts";

/* Calls that outlive their request: tasks for clients that know them, handles and heartbeats for the others; and tasks of upstreams. */

const FRAGILE = fileURLToPath(new URL("workers/fragile.ts", import.meta.url));
const TASKS = "io.modelcontextprotocol/tasks";
const KNOWS = { elicitation: { form: {} }, roots: {}, extensions: { [TASKS]: {} } };
const KNOWS_NOT = { elicitation: { form: {} } };
const FORM = { message: "Who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } };
/** The second Worker waits less long before it makes a task of a call. */
const HASTY = { taskAfterMs: 300, handleAfterMs: 300, runWaitMs: 300, keepAliveMs: 100, jsonWaitMs: 100, taskTtlMs: 6_000 };
const RUNNER = `
slug: runner
name: Runner
description: Asks the upstream and passes its answer on
inputSchema: { type: object }
flow:
  nodes:
    - { id: asked, type: tool, tool: up_other, arguments: {} }
  output: { said: "{% $steps.asked.content[0].text %}" }
`;

const ASKER = `
slug: asker
name: Asker
description: Asks the upstream, and then a person
inputSchema: { type: object }
flow:
  nodes:
    - { id: told, type: tool, tool: up_other, arguments: {} }
    - { id: who, type: ask, needs: [told], message: "{% $steps.told.content[0].text & ': who?' %}", schema: { type: object, properties: { name: { type: string } } } }
  output: "{% $steps.who.content.name %}"
`;

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: AskingUpstream;
let modernTasked: ModernTasked;
let legacyTasked: LegacyTasked;
/** The same workspace through the second Worker. */
let place: { endpoint: string; token: string };
let client: SocketClient;
let ledger: Ledger;
/** The first task of all, which is over early. */
let first = "";

beforeAll(async () => {
  [upstream, modernTasked, legacyTasked] = await Promise.all([startAsking(), startModernTasked(), startLegacyTasked()]);
  gateway = await startGateway({ entry: FRAGILE, second: { vars: { LIMITS: JSON.stringify(HASTY) } } });
  workspace = await gateway.createWorkspace();
  for (const [slug, { url }] of Object.entries({ up: upstream, modern: modernTasked, legacy: legacyTasked })) await workspace.api("POST", "/upstreams", { slug, url });
  await workspace.api("POST", "/builtins", { set: "conformance" });
  await workspace.api("PUT", "/agents/runner", RUNNER);
  await workspace.api("PUT", "/agents/asker", ASKER);
  place = { endpoint: gateway.secondOrigin + new URL(workspace.endpoint).pathname, token: workspace.token };
  client = new SocketClient(place);
  ledger = new Ledger(gateway, workspace);
});

afterAll(async () => {
  client?.close();
  await Promise.all([gateway?.stop(), upstream?.close(), modernTasked?.close(), legacyTasked?.close()]);
});

interface Said extends SendOptions {
  capabilities?: JsonObject;
  by?: SocketClient;
  args?: JsonObject;
}

function send(method: string, params: JsonObject, { capabilities = KNOWS, by = client, ...options }: Said = {}): Sent {
  return by.modern(method, { ...params, _meta: { "io.modelcontextprotocol/clientCapabilities": capabilities } }, options);
}

function call(name: string, said: Said = {}, round: JsonObject = {}): Sent {
  return send("tools/call", { name, arguments: said.args ?? {}, ...round }, said);
}

/** What the extension's schema has against it; an answer that is no such thing is one long complaint. */
function fits(definition: string, { message, result }: Answer): JsonObject {
  expect([message.error, schemaProblems("ext-tasks", definition, result)]).toEqual([undefined, []]);
  return result;
}

async function created(sent: Sent): Promise<string> {
  const result = fits("CreateTaskResult", await sent.answer());
  expect(result).toMatchObject({ resultType: "task", status: "working" });
  return String(result.taskId);
}

async function get(taskId: string, said: Said = {}): Promise<JsonObject> {
  return fits("GetTaskResult", await send("tasks/get", { taskId }, said).answer());
}

function reached(taskId: string, status: string): Promise<JsonObject> {
  return until(async () => {
    const task = await get(taskId);
    return task.status === status && task;
  });
}

async function errorOf(sent: Sent): Promise<JsonObject> {
  const { message, status } = await sent.answer();
  return { status, ...(isObject(message.error) ? message.error : { result: message.result ?? null }) };
}

/** A call of the upstream that has become a task, and its other end. */
async function task(said: Said = {}): Promise<{ id: string; at: AskedCall }> {
  const sent = call("up_ask", said);
  const at = await upstream.call();
  return { id: await created(sent), at };
}

async function posted(since: number, method: string, ms?: number): Promise<JsonObject> {
  return until(() => upstream.posted.slice(since).find((message) => message.method === method) ?? false, ms);
}

async function stranger(): Promise<{ by: SocketClient; id: string }> {
  const made = Object(await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read", "mcp:call"] }));
  return { by: new SocketClient({ ...place, token: String(made.token) }), id: String(made.info?.id ?? made.id) };
}

const text = (value: JsonValue | undefined) => JSON.stringify(value);
const accept = (name: string) => ({ action: "accept", content: { name } });

describe("a call that takes long", () => {
  test("becomes a task: the same call, looked at until it has its result", async () => {
    const before = upstream.calls();
    const sent = call("up_ask", { progressToken: "p", trace: traceOf(100) });
    const at = await upstream.call();
    const id = await created(sent);
    expect(await get(id)).toMatchObject({ taskId: id, status: "working", pollIntervalMs: 1000, ttlMs: HASTY.taskTtlMs });
    at.progress("half way");
    await until(async () => (await get(id)).statusMessage === "half way");
    at.end("at last");
    first = id;
    expect(await reached(id, "completed")).toMatchObject({ resultType: "complete", result: { content: [{ type: "text", text: "at last" }] } });
    expect(upstream.calls()).toBe(before + 1);
    await until(async () => (await ledger.of(traceOf(100))).length === 2);
    const [asked, ran] = await ledger.of(traceOf(100));
    expect([asked, ran]).toMatchObject([{ end: "task", parent: null }, { end: "complete", parent: asked?.id, name: "up_ask", target: expect.stringContaining("mcp ") }]);
  });

  test("is no task when it ends soon, nor for a client that did not say it knows them", async () => {
    const soon = call("up_ask");
    (await upstream.call()).end("soon");
    expect((await soon.answer()).result).toMatchObject({ resultType: "complete", content: [{ text: "soon" }] });
    const unaware = call("up_ask", { capabilities: KNOWS_NOT });
    const at = await upstream.call();
    await unaware.head; // The answer has begun, after the time in which the other one became a task.
    at.end("later");
    expect((await unaware.answer()).result).toMatchObject({ resultType: "complete", content: [{ text: "later" }] });
  });

  test("asks inside the task, and goes on with the answers", async () => {
    const { id, at } = await task();
    at.ask("a", "elicitation/create", FORM);
    at.ask("b", "roots/list");
    const asked = await reached(id, "input_required");
    const [first = "", second = ""] = Object.keys(Object(asked.inputRequests));
    expect(Object.values(Object(asked.inputRequests))).toEqual([{ method: "elicitation/create", params: FORM }, { method: "roots/list", params: {} }]);
    const before = upstream.posted.length;
    fits("UpdateTaskResult", await send("tasks/update", { taskId: id, inputResponses: { [first]: accept("Ann"), other: {} } }).answer());
    expect(Object.keys(Object((await get(id)).inputRequests))).toEqual([second]);
    fits("UpdateTaskResult", await send("tasks/update", { taskId: id, inputResponses: { [first]: accept("Eve"), [second]: { roots: [] } } }).answer());
    await until(() => upstream.posted.length === before + 2);
    expect(upstream.posted.slice(before)).toEqual(expect.arrayContaining([{ jsonrpc: "2.0", id: "a", result: accept("Ann") }, { jsonrpc: "2.0", id: "b", result: { roots: [] } }]));
    at.ask("c", "elicitation/create", FORM);
    const again = Object.keys(Object((await reached(id, "input_required")).inputRequests));
    expect(again).toHaveLength(1);
    expect([first, second]).not.toContain(again[0]);
    await send("tasks/update", { taskId: id, inputResponses: { [again[0] ?? ""]: accept("Bob") } }).answer();
    at.end("all of them");
    expect(text((await reached(id, "completed")).result)).toContain("all of them");
  });

  test("of a flow that asks is asked inside the task, and runs nothing twice", async () => {
    const before = upstream.calls();
    const sent = call("asker");
    const at = await upstream.call();
    const id = await created(sent);
    at.end("told");
    expect((await reached(id, "input_required")).inputRequests).toMatchObject({ who: { method: "elicitation/create", params: { message: "told: who?" } } });
    fits("UpdateTaskResult", await send("tasks/update", { taskId: id, inputResponses: { who: accept("Ann") } }).answer());
    expect(await reached(id, "completed")).toMatchObject({ result: { content: [{ type: "text", text: "Ann" }] } });
    expect(upstream.calls()).toBe(before + 1);
  });

  test("is cancelled at its upstream, and stays so", async () => {
    const before = upstream.posted.length;
    const { id, at } = await task();
    fits("CancelTaskResult", await send("tasks/cancel", { taskId: id }).answer());
    expect(await get(id)).toMatchObject({ status: "cancelled" });
    await posted(before, "notifications/cancelled");
    at.end("too late");
    fits("CancelTaskResult", await send("tasks/cancel", { taskId: id }).answer());
    expect(await get(id)).toMatchObject({ status: "cancelled" });
  });

  test("ends with its client before it is a task, and does not afterwards", async () => {
    const before = upstream.posted.length;
    const left = call("up_ask");
    await upstream.call();
    left.leave();
    await posted(before, "notifications/cancelled");
    const { id, at } = await task();
    client.close();
    client = new SocketClient(place);
    at.end("unwatched");
    expect(text((await reached(id, "completed")).result)).toContain("unwatched");
  });

  test("that breaks is failed, or completed with the tool's own error", async () => {
    const broken = await created(call("protocol_error_job"));
    expect(await reached(broken, "failed")).toMatchObject({ error: { code: -32603, message: "The job broke" } });
    const failing = await created(call("failing_job"));
    expect(await reached(failing, "completed")).toMatchObject({ result: { isError: true } });
    const { id, at } = await task();
    at.die();
    expect(await reached(id, "completed")).toMatchObject({ result: { isError: true, _meta: { "causeway/error": { code: "upstream" } } } });
  });

  test("of a tool that was quick in twenty calls stays with its request once, and the next one is a task again", async () => {
    const other = async (said: string) => {
      const sent = call("up_other");
      const at = await upstream.call();
      return { sent, at, end: () => at.end(said) };
    };
    for (let calls = 0; calls < 20; calls++) {
      const { sent, end } = await other("quick");
      end();
      await sent.answer();
    }
    const here = await other("slow");
    await here.sent.head;
    // Longer than it takes to become a task.
    await new Promise((resolve) => setTimeout(resolve, 2 * HASTY.taskAfterMs));
    here.end();
    expect((await here.sent.answer()).result).toMatchObject({ resultType: "complete", content: [{ text: "slow" }] });
    const again = await other("slow again");
    const id = await created(again.sent);
    again.end();
    await reached(id, "completed");
  });

  test("under an idempotency key is one task, however often it is sent", async () => {
    const before = upstream.calls();
    const keyed = () => client.modern("tools/call", { name: "up_ask", arguments: {}, _meta: { "io.modelcontextprotocol/clientCapabilities": KNOWS, "causeway/idempotencyKey": "once" } });
    const sent = keyed();
    const at = await upstream.call();
    const id = await created(sent);
    expect(await created(keyed())).toBe(id);
    at.end("once");
    expect(await reached(id, "completed")).toMatchObject({ ttlMs: 86_400_000 });
    expect(upstream.calls()).toBe(before + 1);
  });
});

describe("a task", () => {
  test("is its caller's alone, and of this workspace; to anybody else it is as unknown as any", async () => {
    const { id, at } = await task();
    const { by } = await stranger();
    const elsewhere = await gateway.createWorkspace();
    const outside = new SocketClient({ endpoint: gateway.secondOrigin + new URL(elsewhere.endpoint).pathname, token: elsewhere.token });
    const changed = id.slice(0, -2) + (id.endsWith("AA") ? "BB" : "AA");
    for (const [said, taskId] of [[{ by }, id], [{ by: outside }, id], [{}, changed], [{}, "task:none"]] as const) {
      for (const method of ["tasks/get", "tasks/cancel", "tasks/update"]) {
        expect(await errorOf(send(method, { taskId, inputResponses: {} }, said))).toMatchObject({ status: 200, code: -32602, message: "unknown task" });
      }
    }
    expect(await get(id)).toMatchObject({ status: "working" });
    at.end("mine");
    by.close();
    outside.close();
  });

  test("can be looked at from any isolate, but only by who declares the extension on that request", async () => {
    const { id, at } = await task();
    const first = new SocketClient(workspace);
    expect(await get(id, { by: first })).toMatchObject({ taskId: id, status: "working" });
    for (const method of ["tasks/get", "tasks/cancel", "tasks/update"]) {
      expect(await errorOf(send(method, { taskId: id, inputResponses: {} }, { capabilities: KNOWS_NOT }))).toMatchObject({ status: 400, code: -32021, data: { requiredCapabilities: { extensions: { [TASKS]: {} } } } });
    }
    at.end("done");
    first.close();
  });

  test("whose object is lost has failed with an unknown outcome, and is not sent again", async () => {
    const before = upstream.calls();
    const { id } = await task({ args: { lose: "cancel" } });
    await send("tasks/cancel", { taskId: id }).answer();
    expect(await get(id)).toMatchObject({ status: "failed", error: { code: -32603, data: { reason: "outcome_unknown" } } });
    const asking = await task({ args: { lose: "update" } });
    asking.at.ask("q", "elicitation/create", FORM);
    const { inputRequests } = await reached(asking.id, "input_required");
    await send("tasks/update", { taskId: asking.id, inputResponses: Object.fromEntries(Object.keys(Object(inputRequests)).map((key) => [key, accept("Ann")])) }).answer();
    expect(await get(asking.id)).toMatchObject({ status: "failed", error: { data: { reason: "outcome_unknown" } } });
    // The first Worker leaves time for that.
    const first = new SocketClient(workspace);
    const early = call("up_ask", { by: first, args: { lose: "early" } });
    await upstream.call();
    expect((await early.answer()).result).toMatchObject({ isError: true, _meta: { "causeway/error": { reason: "outcome_unknown" } } });
    expect(upstream.calls()).toBe(before + 3);
    first.close();
  });

  test("ends within ten seconds when its caller's right is taken away", async () => {
    const { by, id } = await stranger();
    const before = upstream.posted.length;
    await task({ by });
    await workspace.api("DELETE", `/tokens/${id}`);
    await posted(before, "notifications/cancelled", 10_000);
    by.close();
  });

  test("is told of on a listen stream, from how it stands to its end", async () => {
    const [{ id, at }, { by }] = [await task(), await stranger()];
    const foreign = await task({ by });
    const meta = { "io.modelcontextprotocol/clientCapabilities": KNOWS };
    const listener = await listen([id, foreign.id, "unknown"], meta);
    at.ask("q", "elicitation/create", FORM);
    const [, , asked] = await listener.heard(3);
    const { inputRequests } = Object(asked?.params);
    await send("tasks/update", { taskId: id, inputResponses: Object.fromEntries(Object.keys(Object(inputRequests)).map((key) => [key, accept("Ann")])) }).answer();
    foreign.at.end("not yours");
    at.end("told");
    const messages = await listener.heard(5);
    expect(messages[0]).toMatchObject({ method: "notifications/subscriptions/acknowledged", params: { notifications: { taskIds: [id] } } });
    expect(messages.slice(1).map(({ method, params }) => [method, Object(params).taskId, Object(params).status])).toEqual(["working", "input_required", "working", "completed"].map((status) => ["notifications/tasks", id, status]));
    expect(messages.slice(1).flatMap((message) => schemaProblems("ext-tasks", "TaskStatusNotification", message))).toEqual([]);
    expect(Object(messages[4]?.params)).toMatchObject({ result: { content: [{ text: "told" }] }, _meta: { "io.modelcontextprotocol/subscriptionId": "listen" } });
    listener.close();
    by.close();
  });

  test("is not listened to without the extension", async () => {
    await expect(listen(["x"], { "io.modelcontextprotocol/clientCapabilities": {} })).rejects.toThrow("-32021");
  });
});

async function listen(taskIds: string[], _meta: JsonObject): Promise<Listener> {
  return Listener.open(place, { taskIds }, _meta);
}

describe("a modern upstream's task", () => {
  test("is handed on to a client that knows tasks, under an id of its own", async () => {
    const at = modernTasked.jobs.length;
    const sent = call("modern_job");
    const job = await modernTasked.job(at);
    const answer = await sent.answer();
    const id = String(fits("CreateTaskResult", answer).taskId);
    expect(answer.result).toMatchObject({ resultType: "task", status: "working", vendor: "12345678901234567890" });
    expect(text(answer.message)).not.toContain(job.id);
    Object.assign(job, { status: "input_required", inputRequests: { who: { method: "elicitation/create", params: { mode: "form", ...FORM } } } });
    expect(await get(id)).toMatchObject({ taskId: id, status: "input_required", inputRequests: { who: { method: "elicitation/create" } } });
    fits("UpdateTaskResult", await send("tasks/update", { taskId: id, inputResponses: { who: accept("Ann") } }).answer());
    expect(modernTasked.asked.at(-1)).toMatchObject({ method: "tasks/update", params: { taskId: job.id, inputResponses: { who: accept("Ann") } } });
    const { by } = await stranger();
    const asked = modernTasked.asked.length;
    expect(await errorOf(send("tasks/get", { taskId: id }, { by }))).toMatchObject({ code: -32602 });
    expect(modernTasked.asked).toHaveLength(asked);
    const listener = await listen([id], { "io.modelcontextprotocol/clientCapabilities": KNOWS });
    Object.assign(job, { status: "completed", result: { content: [{ type: "text", text: "theirs" }] } });
    const [, working, done] = await listener.heard(3);
    expect([working, done].map((message) => Object(message?.params))).toMatchObject([{ taskId: id, status: "working" }, { taskId: id, status: "completed", result: { content: [{ text: "theirs" }] } }]);
    listener.close();
    const other = await created(call("modern_job"));
    fits("CancelTaskResult", await send("tasks/cancel", { taskId: other }).answer());
    expect((await modernTasked.job(at + 1)).status).toBe("cancelled");
    by.close();
  });

  test("is driven to its end for a client that does not, its questions put as any other", async () => {
    const at = modernTasked.jobs.length;
    const sent = call("modern_job", { capabilities: KNOWS_NOT, progressToken: 7 });
    const job = await modernTasked.job(at);
    job.statusMessage = "busy";
    await until(() => modernTasked.asked.filter(({ params }) => params.taskId === job.id).length > 1);
    Object.assign(job, { status: "input_required", inputRequests: { who: { method: "elicitation/create", params: { mode: "form", ...FORM } } } });
    const asked = await sent.answer();
    expect(text(asked.messages)).toContain("busy");
    expect(asked.result).toMatchObject({ resultType: "input_required", inputRequests: { who: { method: "elicitation/create" } } });
    const retry = call("modern_job", { capabilities: KNOWS_NOT }, { inputResponses: { who: accept("Ann") }, requestState: asked.result.requestState ?? null });
    await until(() => modernTasked.asked.some(({ method, params }) => method === "tasks/update" && params.taskId === job.id));
    Object.assign(job, { status: "completed", result: { content: [{ type: "text", text: "driven" }] } });
    expect((await retry.answer()).result).toMatchObject({ resultType: "complete", content: [{ text: "driven" }] });
    expect(modernTasked.jobs).toHaveLength(at + 1);

    const failing = call("modern_job", { capabilities: {} });
    Object.assign(await modernTasked.job(at + 1), { status: "failed", error: { code: 4711, message: "no" } });
    expect(await errorOf(failing)).toMatchObject({ code: 4711, message: "no" });
    const leaving = call("modern_job", { capabilities: {} });
    const left = await modernTasked.job(at + 2);
    await until(() => modernTasked.asked.some(({ params }) => params.taskId === left.id));
    leaving.leave();
    await until(() => left.status === "cancelled");
  });
});

describe("a legacy upstream's task", () => {
  test("is driven to its end, its questions put to the client", async () => {
    const at = legacyTasked.count();
    const plain = call("legacy_job", { capabilities: {} });
    await legacyTasked.finish(at, "Hello");
    expect((await plain.answer()).result).toMatchObject({ resultType: "complete", content: [{ text: "Hello, nobody" }] });
    const asked = (await call("legacy_job", { capabilities: KNOWS_NOT, args: { ask: true } }).answer()).result;
    expect(asked).toMatchObject({ resultType: "input_required" });
    const [key = ""] = Object.keys(Object(asked.inputRequests));
    expect(text(asked.inputRequests)).not.toContain("related-task");
    const retry = call("legacy_job", { capabilities: KNOWS_NOT, args: { ask: true } }, { inputResponses: { [key]: accept("Ann") }, requestState: asked.requestState ?? null });
    await legacyTasked.finish(at + 1, "Hello");
    const { result } = await retry.answer();
    expect(result).toMatchObject({ content: [{ text: "Hello, Ann" }] });
    expect(text(result)).not.toContain("related-task");
    expect(legacyTasked.count()).toBe(at + 2);
    const awaited = legacyTasked.awaited();
    const leaving = call("legacy_job", { capabilities: {} });
    await until(() => legacyTasked.awaited() > awaited);
    leaving.leave();
    await until(async () => (await legacyTasked.status(at + 2)) === "cancelled");
  });

  test("is one of ours to a client that knows tasks, its questions inside", async () => {
    const at = legacyTasked.count();
    const id = await created(call("legacy_job", { args: { ask: true, afterMs: 600 } }));
    const { inputRequests } = await reached(id, "input_required");
    const [key = ""] = Object.keys(Object(inputRequests));
    await send("tasks/update", { taskId: id, inputResponses: { [key]: accept("Ann") } }).answer();
    await legacyTasked.finish(at, "Hello");
    expect(text((await reached(id, "completed")).result)).toContain("Hello, Ann");
    const other = await created(call("legacy_job"));
    await send("tasks/cancel", { taskId: other }).answer();
    await until(async () => (await legacyTasked.status(at + 1)) === "cancelled");
  });
});

describe("a client without tasks", () => {
  test("gets a handle of a long run, and with wait_for_run the result", async () => {
    const before = upstream.calls();
    const sent = call("runner", { capabilities: {} });
    const at = await upstream.call();
    const handle = (await sent.answer()).result;
    const run = String(Object(handle._meta)["causeway/run"]);
    expect(text(handle.content)).toContain(run);
    expect(handle.isError).toBeUndefined();
    const wait = (said: Said = {}) => call("wait_for_run", { capabilities: {}, args: { run, seconds: 5 }, ...said });
    expect(text((await wait().answer()).result.content)).toContain("still going on");
    const { by } = await stranger();
    expect((await wait({ by }).answer()).result).toMatchObject({ isError: true, _meta: { "causeway/error": { code: "not_found" } } });
    at.end("at last");
    await until(async () => text((await wait().answer()).result).includes("at last"));
    expect(upstream.calls()).toBe(before + 1);
    by.close();
  });

  test("is listed the tool that waits, with the workspace's first agent", async () => {
    const { result } = await client.modern("tools/list").answer();
    const names = Array.isArray(result.tools) ? result.tools.map((tool) => Object(tool).name) : [];
    expect(names).toEqual(expect.arrayContaining(["runner", "wait_for_run", "legacy_job"]));
    expect(text(result.tools)).not.toContain("taskSupport");
  });

  test("of the official SDK waits as well, in a session", async () => {
    const sdk = new Client({ name: "t", version: "1" });
    const transport = new StreamableHTTPClientTransport(new URL(place.endpoint), { requestInit: { headers: { authorization: `Bearer ${place.token}` } } });
    await sdk.connect(transport);
    const first = sdk.callTool({ name: "runner", arguments: {} });
    const at = await upstream.call();
    const run = String(Object((await first)._meta)["causeway/run"]);
    at.end("for the SDK");
    await until(async () => JSON.stringify(await sdk.callTool({ name: "wait_for_run", arguments: { run } })).includes("for the SDK"));
    expect((await sdk.listTools()).tools.map(({ name }) => name)).toContain("legacy_job");
    const begun = legacyTasked.count();
    const job = sdk.callTool({ name: "legacy_job", arguments: {} });
    await legacyTasked.finish(begun, "Hi");
    expect(await job).toMatchObject({ content: [{ text: "Hi, nobody" }] });
    await sdk.close();
  });

  test("hears heartbeats where it asked for progress, which always grows", async () => {
    const sent = call("up_ask", { capabilities: {}, progressToken: "p" });
    const at = await upstream.call();
    const heard: number[] = [];
    for await (const { method, params, result } of sent.messages()) {
      if (result) break;
      expect([method, Object(params).progressToken]).toEqual(["notifications/progress", "p"]);
      heard.push(Number(Object(params).progress));
      // What the upstream says is `progress: 1` each time, which is less than the beats after it say.
      if (heard.length === 3 || heard.length === 6) at.progress("one of its own");
      if (heard.length > 6 && Object(params).message === "one of its own") at.end("done");
    }
    expect(heard.length).toBeGreaterThan(6);
    expect(heard).toEqual([...new Set(heard)].sort((a, b) => a - b));
  });
});

test("a task whose time to live is over is unknown", async () => {
  expect(first).not.toBe("");
  await until(async () => (await errorOf(send("tasks/get", { taskId: first }))).code === -32602);
});
