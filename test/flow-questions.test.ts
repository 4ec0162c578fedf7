import { once } from "node:events";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/model/json.ts";
import { AskedClient, nextMessage } from "./asked-client.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { messageProblems } from "./messages.ts";
import { asked as askedIn, errorOf, textOf } from "./outcomes.ts";
import { type Answer, type SendOptions, type Sent, SocketClient } from "./socket-client.ts";
import { until } from "./until.ts";

/* What a flow asks a person, by its `ask` nodes: the run waits, and goes on with the answer. Effects are counted by a server outside. */

const FRAGILE = fileURLToPath(new URL("workers/fragile.ts", import.meta.url));
/** On the second Worker answers may take no longer than this. */
const PARKED_MS = 1_200;

let gateway: Gateway;
let workspace: TestWorkspace;
let client: SocketClient;
/** The same workspace through the second Worker. */
let hasty: SocketClient;
/** Paths of the requests that flows made, in their order; those that begin with /held wait for `release`. */
const effects: string[] = [];
let release = Promise.withResolvers<void>();
const outside = createServer(async (request, response) => {
  effects.push(request.url ?? "");
  if (request.url?.startsWith("/held")) await release.promise;
  response.setHeader("content-type", "application/json").end('{"done":true}');
});

beforeAll(async () => {
  outside.listen(0, "127.0.0.1");
  await once(outside, "listening");
  const address = outside.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  gateway = await startGateway({ entry: FRAGILE, second: { vars: { LIMITS: JSON.stringify({ parkedMs: PARKED_MS }) } } });
  workspace = await gateway.createWorkspace();
  const effect = (id: string, needs: string[], path = `/${id}/{tag}`) => ({ id, type: "http", method: "POST", url: url + path, path: { tag: "{% $input.tag %}" }, needs });
  const schema = { type: "object", properties: { reason: { type: "string", minLength: 3 } }, required: ["reason"] };
  const consent = { id: "consent", type: "ask", needs: ["before"], message: "{% 'Change ' & $input.tag & '?' %}", schema };
  await apply("change", [effect("before", []), consent, effect("after", ["consent"])], "{% $steps.consent.content.reason %}");
  await apply("slow", [effect("before", []), consent, effect("after", ["consent"], "/held/{tag}")], "{% $steps.consent.action %}");
  const name = { id: "name", type: "ask", message: "Who?", onDecline: "continue" };
  const more = { id: "more", type: "ask", needs: ["name"], message: "{% 'More, ' & $steps.name.action & '?' %}" };
  await apply("rounds", [name, { id: "colour", type: "ask", message: "Which?" }, more], { name: "{% $steps.name %}", more: "{% $steps.more.action %}" });
  const maybe = { ...consent, when: "{% $input.ask = true %}" };
  await apply("maybe", [effect("before", []), maybe, effect("after", ["consent"])], "{% $exists($steps.consent) %}");
  await apply("outer", [{ id: "inner", type: "tool", tool: "change", arguments: { tag: "{% $input.tag %}" } }]);
  client = new SocketClient(workspace);
  hasty = new SocketClient(elsewhere());
});

afterAll(async () => {
  client?.close();
  hasty?.close();
  await gateway?.stop();
  outside.closeAllConnections();
  outside.close();
});

async function apply(slug: string, nodes: object[], output?: JsonValue): Promise<void> {
  const inputSchema = { type: "object", properties: { tag: { type: "string" }, ask: { type: "boolean" } } };
  await workspace.api("PUT", `/agents/${slug}`, { name: slug, description: "Asks.", inputSchema, flow: { nodes, ...(output !== undefined && { output }) } });
}

function elsewhere(): { endpoint: string; token: string } {
  return { endpoint: gateway.secondOrigin + new URL(workspace.endpoint).pathname, token: workspace.token };
}

const FORM = { elicitation: { form: {} } };

interface Said extends SendOptions {
  capabilities?: JsonObject;
  by?: SocketClient;
}

function call(name: string, args: JsonObject, round: JsonObject = {}, { capabilities = FORM, by = client, ...options }: Said = {}): Sent {
  return by.modern("tools/call", { name, arguments: args, ...round, _meta: { "io.modelcontextprotocol/clientCapabilities": capabilities } }, options);
}

/** What an answer asks; held against the official schema. */
function asked(answer: Answer): ReturnType<typeof askedIn> {
  expect(messageProblems("2026-07-28", "server", answer.message, "tools/call")).toEqual([]);
  return askedIn(answer);
}

const accept = (content: JsonObject) => ({ action: "accept", content });
const BECAUSE = { consent: accept({ reason: "because" }) };

/** Effects of one call, which has a tag of its own. */
function effectsOf(tag: string): string[] {
  return effects.filter((path) => path.endsWith(`/${tag}`)).map((path) => path.slice(1, -tag.length - 1));
}

/** A call that has asked, and the round that answers it. */
async function waiting(tag: string, name = "change", said: Said = {}): Promise<{ inputResponses: JsonObject; requestState: JsonValue }> {
  const { requestState } = asked(await call(name, { tag }, {}, said).answer());
  return { inputResponses: BECAUSE, requestState };
}

/** The run of the call with this tag, once it is as wanted. */
async function traced(agent: string, tag: string, status: string): Promise<{ run: JsonObject; nodes: JsonObject[] }> {
  return until(async () => {
    const { items }: any = await workspace.api("GET", `/runs?agent=${agent}`);
    for (const { id } of items) {
      const trace: any = await workspace.api("GET", `/runs/${id}`);
      if (trace.run.input.tag === tag && trace.run.status === status) return trace;
    }
    return false;
  });
}

describe("a modern client", () => {
  test("is asked, and its retry, at another Worker, goes on where the run stood", async () => {
    const { requests, requestState } = asked(await call("change", { tag: "m1" }).answer());
    expect(requests).toEqual({ consent: { method: "elicitation/create", params: { mode: "form", message: "Change m1?", requestedSchema: { type: "object", properties: { reason: { type: "string", minLength: 3 } }, required: ["reason"] } } } });
    expect(effectsOf("m1")).toEqual(["before"]);
    const { run, nodes } = await traced("change", "m1", "waiting");
    expect(run).toMatchObject({ finishedAt: null, output: null });
    expect(nodes).toMatchObject([{ node: "before", status: "completed" }, { node: "consent", type: "ask", status: "waiting", finishedAt: null }]);
    const end = await call("change", { tag: "m1" }, { inputResponses: { ...BECAUSE, other: accept({}) }, requestState }, { by: hasty }).answer();
    expect(textOf(end)).toBe("because");
    expect(Object(end.result._meta)["causeway/run"]).toBe(run.id);
    expect(effectsOf("m1")).toEqual(["before", "after"]);
    const whole = await traced("change", "m1", "completed");
    expect(whole.nodes).toMatchObject([
      { node: "before", status: "completed" },
      { node: "consent", status: "completed", input: { message: "Change m1?" }, output: { action: "accept", content: { reason: "because" } } },
      { node: "after", status: "completed" },
    ]);
    expect(whole.run).toMatchObject({ id: run.id, output: "because", startedAt: run.startedAt });
  });

  test("is asked several things at once, again what it left out, and in several rounds", async () => {
    const first = asked(await call("rounds", { tag: "r" }).answer());
    expect(Object.keys(first.requests)).toEqual(["name", "colour"]);
    const none = asked(await call("rounds", { tag: "r" }, { requestState: first.requestState }).answer());
    expect(none.requests).toEqual(first.requests);
    const second = asked(await call("rounds", { tag: "r" }, { inputResponses: { name: { action: "decline" } }, requestState: none.requestState }).answer());
    expect(Object.keys(second.requests)).toEqual(["colour", "more"]);
    expect(second.requests.more).toMatchObject({ params: { message: "More, decline?" } });
    const end = await call("rounds", { tag: "r" }, { inputResponses: { colour: accept({}), more: accept({}) }, requestState: second.requestState }).answer();
    expect(JSON.parse(textOf(end))).toEqual({ name: { action: "decline", content: null }, more: "accept" });
  });

  test.each(["decline", "cancel"])("that does not agree (%s) ends the run, and nothing behind the question happened", async (action) => {
    const { requestState } = await waiting(action);
    const end = await call("change", { tag: action }, { inputResponses: { consent: { action } }, requestState }).answer();
    expect(end.result).toMatchObject({ isError: true, _meta: { "causeway/error": { code: "forbidden", node: "consent", action } } });
    expect(effectsOf(action)).toEqual(["before"]);
    await traced("change", action, "failed");
  });

  test("that sends what does not fit is told so, and can still answer", async () => {
    const { requestState } = await waiting("bad");
    const bad: JsonObject[] = [{ consent: accept({}) }, { consent: accept({ reason: "x" }) }, { consent: { action: "yes" } }, { consent: { action: "accept", content: [] } }];
    for (const inputResponses of bad) {
      expect(errorOf(await call("change", { tag: "bad" }, { inputResponses, requestState }).answer())).toMatchObject({ code: -32602, data: { reason: "invalid_input_responses", problems: [expect.stringContaining("consent: ")] } });
    }
    expect(textOf(await call("change", { tag: "bad" }, { inputResponses: BECAUSE, requestState }).answer())).toBe("because");
    expect(effectsOf("bad")).toEqual(["before", "after"]);
  });

  test("that cannot ask is told so before anything happens, or where the question comes up", async () => {
    expect(errorOf(await call("change", { tag: "mute" }, {}, { capabilities: {} }).answer())).toMatchObject({ code: -32021, data: { requiredCapabilities: { elicitation: { form: {} } } } });
    expect(effectsOf("mute")).toEqual([]);
    expect(textOf(await call("maybe", { tag: "quiet" }, {}, { capabilities: {} }).answer())).toBe("false");
    expect(effectsOf("quiet")).toEqual(["before", "after"]);
    const late = await call("maybe", { tag: "late", ask: true }, {}, { capabilities: {} }).answer();
    expect(late.result).toMatchObject({ isError: true, _meta: { "causeway/error": { code: "unsupported", node: "consent" } } });
    expect(effectsOf("late")).toEqual(["before"]);
  });

  test("is asked by a flow within a flow, and no node of either runs twice", async () => {
    const { keys, requests, requestState } = asked(await call("outer", { tag: "outer" }).answer());
    expect(requests["inner/consent"]).toMatchObject({ method: "elicitation/create", params: { message: "Change outer?" } });
    expect(keys).toEqual(["inner/consent"]);
    expect(textOf(await call("outer", { tag: "outer" }, { inputResponses: { "inner/consent": BECAUSE.consent }, requestState }).answer())).toContain("because");
    expect(effectsOf("outer")).toEqual(["before", "after"]);
    await traced("outer", "outer", "completed");
    await traced("change", "outer", "completed");
  });

  test("that leaves after its answer stops the run, whose state is used up", async () => {
    const round = await waiting("leaver", "slow");
    const sent = call("slow", { tag: "leaver" }, round);
    await until(() => effectsOf("leaver").includes("held"));
    sent.leave();
    await traced("slow", "leaver", "cancelled");
    expect(errorOf(await call("slow", { tag: "leaver" }, { ...round, inputResponses: {} }).answer())).toMatchObject({ code: -32602 });
    expect(effectsOf("leaver")).toEqual(["before", "held"]);
  });
});

describe("the state of a run that waits", () => {
  test("is good once: the same answers get the same end, also while the run goes on, and other ones are refused", async () => {
    release = Promise.withResolvers();
    const round = await waiting("once", "slow");
    const one = call("slow", { tag: "once" }, round);
    await until(() => effectsOf("once").includes("held"));
    const two = call("slow", { tag: "once" }, round, { by: hasty });
    const other = { ...round, inputResponses: { consent: accept({ reason: "another" }) } };
    expect(errorOf(await call("slow", { tag: "once" }, other).answer())).toMatchObject({ code: -32602, data: { reason: "invalid_request_state" } });
    release.resolve();
    expect([textOf(await one.answer()), textOf(await two.answer())]).toEqual(["accept", "accept"]);
    expect(textOf(await call("slow", { tag: "once" }, round).answer())).toBe("accept");
    expect(errorOf(await call("slow", { tag: "once" }, other).answer())).toMatchObject({ code: -32602, data: { reason: "invalid_request_state" } });
    expect(effectsOf("once")).toEqual(["before", "held"]);
  });

  test("of an earlier round gets the questions that followed, or is refused", async () => {
    const first = asked(await call("rounds", { tag: "early" }).answer());
    const answers = { name: accept({}), colour: accept({}) };
    const second = asked(await call("rounds", { tag: "early" }, { inputResponses: answers, requestState: first.requestState }).answer());
    const again = asked(await call("rounds", { tag: "early" }, { inputResponses: answers, requestState: first.requestState }).answer());
    expect(again.requests).toEqual(second.requests);
    const last = await call("rounds", { tag: "early" }, { inputResponses: { more: accept({}) }, requestState: again.requestState }).answer();
    expect(JSON.parse(textOf(last))).toMatchObject({ more: "accept" });
    expect(errorOf(await call("rounds", { tag: "early" }, { inputResponses: answers, requestState: first.requestState }).answer())).toMatchObject({ code: -32602 });
  });

  test("is refused when it was changed, or comes with another call or from another caller", async () => {
    const round = await waiting("bound");
    const state = String(round.requestState);
    const made = await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read", "mcp:call"] });
    const stranger = new SocketClient({ ...workspace, token: String(Object(made).token) });
    const changed = { ...round, requestState: state.slice(0, -2) + (state.endsWith("AA") ? "BB" : "AA") };
    const refused = [call("change", { tag: "bound" }, changed), call("change", { tag: "other" }, round), call("slow", { tag: "bound" }, round), call("change", { tag: "bound" }, round, { by: stranger })];
    for (const sent of refused) expect(errorOf(await sent.answer())).toMatchObject({ code: -32602, data: { reason: "invalid_request_state" } });
    expect(effectsOf("bound")).toEqual(["before"]);
    expect(textOf(await call("change", { tag: "bound" }, round).answer())).toBe("because");
    stranger.close();
  });

  test("is of no use to whoever learns which run it is, without being its caller", async () => {
    const round = await waiting("whose");
    const { run } = await traced("change", "whose", "waiting");
    const objects: any = await gateway.runtime.miniflare.getDurableObjectNamespace("RUN", "causeway");
    const object = objects.get(objects.idFromName(String(run.id)));
    expect(await object.resume({ owner: JSON.stringify([workspace.id, "tok_other"]), round: 1, responses: BECAUSE, token: "t", lastsMs: 1_000 })).toEqual({ type: "refused" });
    expect(textOf(await call("change", { tag: "whose" }, round).answer())).toBe("because");
    expect(effectsOf("whose")).toEqual(["before", "after"]);
  });

  test("goes on with the flow that it began with, whatever was published since", async () => {
    await apply("changing", [{ id: "q", type: "ask", message: "Old?" }], "old");
    const { requestState } = asked(await call("changing", {}).answer());
    await apply("changing", [{ id: "other", type: "ask", message: "New?" }], "new");
    expect(textOf(await call("changing", {}, { inputResponses: { q: accept({}) }, requestState }).answer())).toBe("old");
  });

  test.each(["pause-before", "pause-after", "resume-before", "resume-after"])("outlives its object (which dies at %s)", async (when) => {
    const tag = `lose-${when}`;
    const round = await waiting(tag);
    const inputResponses = { ...round.inputResponses, [`lose-${when}`]: {} };
    expect(textOf(await call("change", { tag }, { ...round, inputResponses }).answer())).toBe("because");
    expect(effectsOf(tag)).toEqual(["before", "after"]);
  });

  test("is used up by a Worker that was lost on the way, and the trace says that the outcome is unknown", async () => {
    const round = await waiting("lost");
    const inputResponses = { ...round.inputResponses, "lose-worker": {} };
    expect((await call("change", { tag: "lost" }, { ...round, inputResponses }).answer()).result).toMatchObject({ isError: true, _meta: { "causeway/error": { code: "conflict" } } });
    const { run } = await traced("change", "lost", "failed");
    expect(run.error).toMatchObject({ message: expect.stringContaining("unknown") });
    expect(errorOf(await call("change", { tag: "lost" }, round).answer())).toMatchObject({ code: -32602 });
    expect(effectsOf("lost")).toEqual(["before"]);
  });

  test("is too old after its time, and the run has ended unanswered in its trace", async () => {
    const round = await waiting("old", "change", { by: hasty });
    const { nodes } = await traced("change", "old", "cancelled");
    expect(nodes).toMatchObject([{ node: "before", status: "completed" }, { node: "consent", status: "cancelled" }]);
    expect(errorOf(await call("change", { tag: "old" }, round).answer())).toMatchObject({ code: -32602, data: { reason: "invalid_request_state" } });
    expect(effectsOf("old")).toEqual(["before"]);
  });
});

test("a client that knows tasks is asked inside its task", async () => {
  const capabilities = { ...FORM, extensions: { "io.modelcontextprotocol/tasks": {} } };
  const { requests, requestState } = asked(await call("change", { tag: "task" }, {}, { capabilities }).answer());
  expect(Object.keys(requests)).toEqual(["consent"]);
  expect(textOf(await call("change", { tag: "task" }, { inputResponses: BECAUSE, requestState }, { capabilities }).answer())).toBe("because");
  expect(effectsOf("task")).toEqual(["before", "after"]);
});

test("an idempotency key holds over the rounds: the whole call happens once", async () => {
  const keyed = (round: JsonObject = {}) => client.modern("tools/call", { name: "change", arguments: { tag: "keyed" }, ...round, _meta: { "io.modelcontextprotocol/clientCapabilities": FORM, "causeway/idempotencyKey": "k-1" } }).answer();
  const { requestState } = asked(await keyed());
  const round = { inputResponses: BECAUSE, requestState };
  expect(textOf(await keyed(round))).toBe("because");
  expect(textOf(await keyed())).toBe("because");
  expect(effectsOf("keyed")).toEqual(["before", "after"]);
});

describe("a legacy client", () => {
  test.each(["2025-06-18", "2025-11-25"])("of %s is asked on the stream of its call, and its answer at another Worker goes on", async (revision) => {
    const own = await AskedClient.open(workspace, gateway.secondOrigin, revision, FORM);
    const messages = own.call("change", { tag: revision });
    const { id, method, params } = await nextMessage(messages);
    expect({ method, message: params?.message }).toEqual({ method: "elicitation/create", message: `Change ${revision}?` });
    await own.answer(id, { result: accept({ reason: "because" }) });
    expect(await nextMessage(messages)).toMatchObject({ id: 7, result: { content: [{ text: "because" }] } });
    expect(effectsOf(revision)).toEqual(["before", "after"]);
  });

  test("that answers with an error has not agreed", async () => {
    const own = await AskedClient.open(workspace, gateway.secondOrigin, "2025-11-25", FORM);
    const messages = own.call("change", { tag: "error" });
    await own.answer((await nextMessage(messages)).id, { error: { code: -1, message: "no" } });
    expect(await nextMessage(messages)).toMatchObject({ result: { isError: true, content: [{ text: expect.stringContaining("node consent") }] } });
    expect(effectsOf("error")).toEqual(["before"]);
  });

  test("that is cancelled while it is asked leaves a run that was cancelled", async () => {
    const own = await AskedClient.open(workspace, gateway.secondOrigin, "2025-11-25", FORM);
    const messages = own.call("change", { tag: "cancelled" });
    await nextMessage(messages);
    await own.cancel();
    await traced("change", "cancelled", "cancelled");
    expect(effectsOf("cancelled")).toEqual(["before"]);
  });

  test.each(["2025-11-25", "2024-11-05"])("of %s that cannot be asked is told so before anything happens", async (revision) => {
    const own = await AskedClient.open(workspace, gateway.secondOrigin, revision, {});
    expect(await nextMessage(own.call("change", { tag: `mute-${revision}` }))).toMatchObject({ result: { isError: true, content: [{ text: expect.stringContaining("asks a person") }] } });
    expect(effectsOf(`mute-${revision}`)).toEqual([]);
  });
});

describe("the official clients", () => {
  const requestInit = () => ({ headers: { Authorization: `Bearer ${workspace.token}` } });

  test("v2 answers by itself and gets the end", async () => {
    const official = new Client({ name: "official", version: "2" }, { capabilities: FORM, versionNegotiation: { mode: "auto" } });
    official.setRequestHandler("elicitation/create", async ({ params }) => ({ action: "accept", content: { reason: params.message } }));
    await official.connect(new StreamableHTTPClientTransport(new URL(workspace.endpoint), { requestInit: requestInit() }));
    expect(await official.callTool({ name: "change", arguments: { tag: "v2" } })).toMatchObject({ content: [{ text: "Change v2?" }] });
    expect(effectsOf("v2")).toEqual(["before", "after"]);
    await official.close();
  });

  test("v1 answers by itself and gets the end", async () => {
    const official = new LegacyClient({ name: "official", version: "1" }, { capabilities: FORM });
    official.setRequestHandler(ElicitRequestSchema, async ({ params }) => ({ action: "accept", content: { reason: params.message } }));
    await official.connect(new LegacyTransport(new URL(workspace.endpoint), { requestInit: requestInit() }));
    expect(await official.callTool({ name: "change", arguments: { tag: "v1" } })).toMatchObject({ content: [{ text: "Change v1?" }] });
    expect(effectsOf("v1")).toEqual(["before", "after"]);
    await official.close();
  });
});
