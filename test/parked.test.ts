import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/model/json.ts";
import { AskedClient, nextMessage } from "./asked-client.ts";
import { Listener, openSession } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Ledger } from "./ledger.ts";
import { asked, errorOf, textOf } from "./outcomes.ts";
import { next, type SendOptions, type Sent, SocketClient, traceOf } from "./socket-client.ts";
import { until } from "./until.ts";
import { bench, callOf } from "./upstreams/context.ts";
import { type AskedCall, type AskingUpstream, startAsking } from "./upstreams/asking.ts";
import { type LegacyFixture, start as startSdk } from "./upstreams/legacy.ts";

/* Legacy upstreams that ask in the middle of a call: the call waits, with its stream, for the client's answers. */

const FRAGILE = fileURLToPath(new URL("workers/fragile.ts", import.meta.url));
/** On the second Worker a call waits no longer than this, and an upstream may be silent for half as long while nobody waits for answers. */
const PARKED_MS = 1_400;

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: AskingUpstream;
let sdk: LegacyFixture;
/** The same, and speaks 2025-06-18. */
let older: LegacyFixture;
let client: SocketClient;
/** The same workspace through the second Worker. */
let hasty: SocketClient;
let ledger: Ledger;

beforeAll(async () => {
  [upstream, sdk, older] = await Promise.all([startAsking(), startSdk(), startSdk(undefined, "2025-06-18")]);
  gateway = await startGateway({ entry: FRAGILE, second: { vars: { LIMITS: JSON.stringify({ parkedMs: PARKED_MS, idleMs: PARKED_MS / 2 }) } } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  await workspace.api("POST", "/upstreams", { slug: "sdk", url: sdk.url });
  await workspace.api("POST", "/upstreams", { slug: "older", url: older.url });
  client = new SocketClient(workspace);
  hasty = new SocketClient({ ...workspace, endpoint: gateway.secondOrigin + new URL(workspace.endpoint).pathname });
  ledger = new Ledger(gateway, workspace);
});

afterAll(async () => {
  client?.close();
  hasty?.close();
  await Promise.all([gateway?.stop(), upstream?.close(), sdk?.close(), older?.close()]);
});

const ALL = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const FORM = { message: "Who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } };

interface Said extends SendOptions {
  capabilities?: JsonObject;
  by?: SocketClient;
  args?: JsonObject;
}

/** A modern `tools/call`, or the retry of one. */
function call(name: string, round: JsonObject = {}, { capabilities = ALL, by = client, args = {}, ...options }: Said = {}): Sent {
  const _meta = { "io.modelcontextprotocol/clientCapabilities": capabilities };
  return by.modern("tools/call", { name, arguments: args, ...round, _meta }, options);
}

const accept = (name: string) => ({ action: "accept", content: { name } });

/** A call that has asked for a name and waits. */
async function parked(said: Said = {}): Promise<{ at: AskedCall; round: { inputResponses: JsonObject; requestState: JsonValue } }> {
  const sent = call("up_ask", {}, said);
  const at = await upstream.call();
  at.ask("who", "elicitation/create", FORM);
  const { keys, requestState } = asked(await sent.answer());
  return { at, round: { inputResponses: { [keys[0] ?? ""]: accept("Ann") }, requestState } };
}

/** What was POSTed to the upstream since; waits for as many messages. */
async function posted(since: number, count: number): Promise<JsonObject[]> {
  await until(() => upstream.posted.length >= since + count);
  return upstream.posted.slice(since);
}

describe("a modern client", () => {
  test("is asked what the upstream asks, and its retry goes on where the call stood", async () => {
    const before = { calls: upstream.calls(), posted: upstream.posted.length };
    const sent = call("up_ask", {}, { trace: traceOf(1) });
    const at = await upstream.call();
    at.ask(0, "elicitation/create", { ...FORM, elicitationId: "e", _meta: { progressToken: 0, kept: true } });
    const first = asked(await sent.answer());
    expect(Object.values(first.requests)).toEqual([{ method: "elicitation/create", params: { ...FORM, _meta: { kept: true } } }]);
    const retry = call("up_ask", { inputResponses: { [first.keys[0] ?? ""]: accept("Ann"), other: {} }, requestState: first.requestState }, { trace: traceOf(2), progressToken: "p" });
    expect(await posted(before.posted, 1)).toEqual([{ jsonrpc: "2.0", id: 0, result: accept("Ann") }]);
    at.end("Hello, Ann!");
    expect(textOf(await retry.answer())).toBe("Hello, Ann!");
    expect(upstream.calls()).toBe(before.calls + 1);
    expect(upstream.declared).toContainEqual(ALL);
    expect((await ledger.of(traceOf(1))).map(({ end }) => end)).toEqual(["input_required"]);
    expect((await ledger.of(traceOf(2))).map(({ end }) => end)).toEqual(["complete"]);
  });

  test("gets questions that come together in one map; what it leaves out is asked again", async () => {
    const sent = call("up_ask", {}, { progressToken: "p" });
    const at = await upstream.call();
    at.progress("begun");
    at.ask("a", "elicitation/create", FORM);
    at.ask("b", "roots/list");
    at.ask("c", "sampling/createMessage", { messages: [], maxTokens: 1 });
    const answer = await sent.answer();
    expect(answer.messages[0]).toMatchObject({ method: "notifications/progress", params: { progressToken: "p", message: "begun" } });
    const all = asked(answer);
    expect(Object.values(all.requests)).toMatchObject([{ method: "elicitation/create" }, { method: "roots/list" }, { method: "sampling/createMessage" }]);
    const before = upstream.posted.length;
    const [a = "", b = "", c = ""] = all.keys;
    const rest = asked(await call("up_ask", { inputResponses: { [b]: { roots: [] } }, requestState: all.requestState }).answer());
    expect(rest.keys).toEqual([a, c]);
    const last = call("up_ask", { inputResponses: { [a]: accept("Ann"), [c]: { role: "assistant" } }, requestState: rest.requestState });
    expect((await posted(before, 3)).map(({ id }) => id).sort()).toEqual(["a", "b", "c"]);
    at.end("done");
    expect(textOf(await last.answer())).toBe("done");
  });

  test("is asked in several rounds, and its reads and prompts wait as calls do", async () => {
    const before = upstream.posted.length;
    const { at, round } = await parked();
    const second = call("up_ask", round);
    at.ask("more", "elicitation/create", FORM);
    const again = asked(await second.answer());
    const third = call("up_ask", { inputResponses: { [again.keys[0] ?? ""]: accept("Bob") }, requestState: again.requestState });
    await posted(before, 2);
    at.end("both");
    expect(textOf(await third.answer())).toBe("both");

    const get = (more: JsonObject = {}) => client.modern("prompts/get", { name: "up_ask", ...more, _meta: { "io.modelcontextprotocol/clientCapabilities": ALL } });
    const sent = get();
    const prompt = await upstream.call();
    prompt.ask("p", "elicitation/create", FORM);
    const { keys, requestState } = asked(await sent.answer());
    const got = get({ inputResponses: { [keys[0] ?? ""]: accept("Ann") }, requestState });
    await posted(before, 3);
    prompt.end("prompted");
    expect(JSON.stringify((await got.answer()).result)).toContain("prompted");
  });

  test("that declared nothing, or not this, is not asked: the upstream is refused and the call goes on", async () => {
    const declared: JsonObject[] = [{}, { sampling: {} }];
    for (const capabilities of declared) {
      const before = upstream.posted.length;
      const sent = call("up_ask", {}, { capabilities });
      const at = await upstream.call();
      at.ask("x", "elicitation/create", FORM);
      expect(await posted(before, 1)).toMatchObject([{ id: "x", error: { code: -32601 } }]);
      at.end("unasked");
      expect(textOf(await sent.answer())).toBe("unasked");
      expect(upstream.posted.slice(before)).toHaveLength(1);
    }
  });

  test("a question on the session's own stream is asked as well, and the stream ends with the call", async () => {
    const { keys, requestState } = asked(await call("sdk_test_elicitation_aside").answer());
    const end = await call("sdk_test_elicitation_aside", { inputResponses: { [keys[0] ?? ""]: accept("Ann") }, requestState }).answer();
    expect(textOf(end)).toBe('Aside: action=accept, content={"name":"Ann"}');
    await until(() => sdk.listening() === 0);
  });

  test("gets the official SDK's server to the end of its rounds", async () => {
    const first = asked(await call("sdk_test_input_required_result_multi_round").answer());
    const second = asked(await call("sdk_test_input_required_result_multi_round", { inputResponses: { [first.keys[0] ?? ""]: accept("Ann") }, requestState: first.requestState }).answer());
    const content = { action: "accept", content: { color: "blue" } };
    const end = await call("sdk_test_input_required_result_multi_round", { inputResponses: { [second.keys[0] ?? ""]: content }, requestState: second.requestState }).answer();
    expect(textOf(end)).toBe("Ann likes blue");
  });
});

test.each<[string, JsonValue, string]>([
  ["one part of text", [{ type: "text", text: "Paris" }], "Paris"],
  ["several parts", [{ type: "text", text: "Paris" }, { type: "image", data: "aGk=", mimeType: "image/png" }], "Paris\n[image, image/png: this revision of the protocol cannot carry it]"],
])("a list of %s is one block for the official SDK's server of 2025-06-18 that wanted it sampled", async (_what, content, text) => {
  const args = { prompt: "Which capital?" };
  const { keys, requestState } = asked(await call("older_test_sampling", {}, { args }).answer());
  const inputResponses = { [keys[0] ?? ""]: { role: "assistant", model: "m", content } };
  expect(textOf(await call("older_test_sampling", { inputResponses, requestState }, { args }).answer())).toBe(`LLM response: ${text}`);
});

describe("the state of a call that waits", () => {
  test("is good once: the same answers get the same end, other ones are refused", async () => {
    const { at, round } = await parked();
    const before = { calls: upstream.calls(), posted: upstream.posted.length };
    const [one, two] = [call("up_ask", round), call("up_ask", round, { by: hasty })];
    await posted(before.posted, 1);
    at.end("once");
    expect([textOf(await one.answer()), textOf(await two.answer())]).toEqual(["once", "once"]);
    expect(textOf(await call("up_ask", round).answer())).toBe("once");
    const other = { ...round, inputResponses: { q1: accept("Eve") } };
    expect(errorOf(await call("up_ask", other).answer())).toMatchObject({ code: -32602, data: { reason: "invalid_request_state" } });
    expect(upstream.calls()).toBe(before.calls);
    expect(upstream.posted).toHaveLength(before.posted + 1);
  });

  test("is refused when it was changed, or comes with another call or from another caller", async () => {
    const { at, round } = await parked();
    const before = { calls: upstream.calls(), posted: upstream.posted.length };
    const { requestState } = round;
    const changed = String(requestState).slice(0, -2) + (String(requestState).endsWith("AA") ? "BB" : "AA");
    const made = await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read", "mcp:call"] });
    const stranger = new SocketClient({ ...workspace, token: String(Object(made).token) });
    const refused = [call("up_ask", { ...round, requestState: changed }), call("up_ask", round, { args: { a: 1 } }), call("up_other", round), call("up_ask", round, { by: stranger })];
    for (const sent of refused) expect(errorOf(await sent.answer())).toMatchObject({ code: -32602, data: { reason: "invalid_request_state" } });
    expect(upstream.posted).toHaveLength(before.posted);
    const good = call("up_ask", round);
    await posted(before.posted, 1);
    at.end("still there");
    expect(textOf(await good.answer())).toBe("still there");
    expect(upstream.calls()).toBe(before.calls);
    stranger.close();
  });
});

test("whoever learns where a call waits gets no further without being its caller", async () => {
  const own = bench(upstream.url, { upstream: { era: { revision: "2025-11-25", at: Date.now() } } });
  const first = own.run(callOf("tools/call", { name: "ask" }, { capabilities: ALL }));
  const at = await upstream.call();
  at.ask("who", "elicitation/create", FORM);
  const { outcome } = await first;
  const requestState = outcome.type === "input_required" ? (outcome.requestState ?? null) : null;
  const retry = callOf("tools/call", { name: "ask" }, { capabilities: ALL, requestState, inputResponses: { q1: accept("Eve") } });
  await expect(own.run(retry, { principal: "prn_other" })).rejects.toMatchObject({ code: "invalid" });
  at.end("mine");
  expect(await own.run(retry)).toMatchObject({ outcome: { type: "complete" } });
});

describe("a call that waits ends", () => {
  test("when nobody answers: cancelled for a form, an error for the rest, then cancelled itself", async () => {
    const sent = call("up_ask", {}, { by: hasty });
    const at = await upstream.call();
    const before = upstream.posted.length;
    at.ask("form", "elicitation/create", FORM);
    at.ask("roots", "roots/list");
    const { requestState } = asked(await sent.answer());
    // Three POSTs of their own: which arrives first is the network's matter.
    await until(() => ["form", "roots", undefined].every((id) => upstream.posted.slice(before).some((message) => message.id === id)));
    const told = upstream.posted.slice(before);
    expect(told).toContainEqual({ jsonrpc: "2.0", id: "form", result: { action: "cancel" } });
    expect(told).toContainEqual({ jsonrpc: "2.0", id: "roots", error: { code: -32603, message: "the client did not answer" } });
    expect(told).toContainEqual(expect.objectContaining({ method: "notifications/cancelled" }));
    expect(errorOf(await call("up_ask", { inputResponses: {}, requestState }).answer())).toMatchObject({ code: -32602 });
  });

  test("in words that say its outcome is unknown when the upstream dies, and is not sent again", async () => {
    const { at, round } = await parked();
    const before = upstream.calls();
    at.die();
    const answer = await call("up_ask", round).answer();
    expect(answer.result.isError).toBe(true);
    expect(textOf(answer)).toContain("unknown");
    expect(upstream.calls()).toBe(before);
  });

  test.each(["wait", "answer"])("in the same words when its object dies (%s)", async (lose) => {
    const { at, round } = await parked({ args: { lose } });
    const before = upstream.calls();
    if (lose === "wait") await until(() => at.gone());
    const answer = await call("up_ask", round, { args: { lose } }).answer();
    expect(answer.result.isError).toBe(true);
    expect(textOf(answer)).toContain("unknown");
    expect(upstream.calls()).toBe(before);
  });

  test("with the upstream's own end, when that no longer waits", async () => {
    const { at, round } = await parked();
    const before = upstream.posted.length;
    at.say({ method: "notifications/cancelled", params: { requestId: "who" } });
    at.end("without you");
    expect(textOf(await call("up_ask", round).answer())).toBe("without you");
    expect(upstream.posted).toHaveLength(before);
  });

  test.each(["before it asked", "after it was answered"])("when its client leaves %s", async (when) => {
    const before = upstream.posted.length;
    const answered = when === "after it was answered" ? await parked() : null;
    const sent = call("up_ask", answered?.round, { progressToken: "p" });
    const at = answered?.at ?? (await upstream.call());
    if (answered) await posted(before, 1);
    at.progress("on it");
    if (!answered) await next(sent.messages());
    sent.leave();
    await until(() => upstream.posted.slice(before).some(({ method }) => method === "notifications/cancelled"), 2_000);
  });
});

describe("a legacy client", () => {
  const open = (revision = "2025-11-25", capabilities: object = ALL) => AskedClient.open(workspace, gateway.secondOrigin, revision, capabilities);

  test("is asked on the stream of its call, by ids of our own, and the upstream gets its answer", async () => {
    const own = await open();
    const before = { calls: upstream.calls(), posted: upstream.posted.length };
    const messages = own.call("up_ask");
    const question = nextMessage(messages);
    const at = await upstream.call();
    at.ask(0, "elicitation/create", FORM);
    const { id, method, params } = await question;
    expect({ method, params }).toEqual({ method: "elicitation/create", params: FORM });
    expect(id).not.toBe(0);
    await own.answer(id, { result: accept("Ann") });
    const end = nextMessage(messages);
    expect(await posted(before.posted, 1)).toEqual([{ jsonrpc: "2.0", id: 0, result: accept("Ann") }]);
    at.ask(1, "roots/list");
    const second = await end;
    await own.answer(second.id, { result: { roots: [] } });
    const last = nextMessage(messages);
    expect((await posted(before.posted, 2)).at(-1)).toEqual({ jsonrpc: "2.0", id: 1, result: { roots: [] } });
    at.end("asked twice");
    expect(await last).toMatchObject({ id: 7, result: { content: [{ text: "asked twice" }] } });
    expect(upstream.calls()).toBe(before.calls + 1);
  });

  test.each(["sampling/createMessage", "roots/list", "elicitation/create"])("that answers %s with an error has it handed on, and the upstream decides what becomes of the call", async (method) => {
    const own = await open();
    const before = upstream.posted.length;
    const messages = own.call("up_ask");
    const question = nextMessage(messages);
    const at = await upstream.call();
    at.ask("s", method, method === "elicitation/create" ? FORM : { messages: [], maxTokens: 1 });
    await own.answer((await question).id, { error: { code: -1, message: "no", data: { why: "secret" } } });
    const end = nextMessage(messages);
    expect(await posted(before, 1)).toEqual([{ jsonrpc: "2.0", id: "s", error: { code: -1, message: "no" } }]);
    at.end("without it");
    expect(await end).toMatchObject({ id: 7, result: { content: [{ text: "without it" }] } });
  });

  test.each(["cancels its call", "ends its session"])("that %s while it is asked, from another Worker, ends the call at the upstream too", async (how) => {
    const own = await open();
    const before = { posted: upstream.posted.length, calls: upstream.calls() };
    const messages = own.call("up_ask");
    const question = nextMessage(messages);
    const at = await upstream.call();
    at.ask("who", "elicitation/create", FORM);
    const { id } = await question;
    const rest = (async () => {
      const said = [];
      for await (const message of messages) said.push(message);
      return said;
    })();
    if (how === "cancels its call") await own.cancel();
    else expect(await own.end()).toBe(200);
    await until(() => at.gone(), 8_000);
    const told = upstream.posted.slice(before.posted);
    expect(told).toContainEqual({ jsonrpc: "2.0", id: "who", result: { action: "cancel" } });
    await until(() => upstream.posted.slice(before.posted).some(({ method }) => method === "notifications/cancelled"));
    const ends = (await rest).filter((message) => message.id === 7);
    expect(ends).toHaveLength(1);
    expect(ends[0]?.result?.isError === true || ends[0]?.error !== undefined).toBe(true);
    // An answer that comes late finds nobody.
    await own.answer(id, { result: accept("Late") });
    expect(JSON.stringify(upstream.posted.slice(before.posted))).not.toContain("Late");
    expect(upstream.calls()).toBe(before.calls + 1);
  });

  test("whose connection breaks while its upstream works comes back to it, asked in between or not", async () => {
    const session = await openSession(workspace, "2025-11-25", ALL);
    const sent = Listener.call(workspace, session, "tools/call", { name: "up_ask", _meta: { progressToken: "p" } });
    const at = await upstream.call();
    at.progress("begun");
    const stream = await sent;
    await stream.heard(1);
    stream.close();
    at.ask("who", "elicitation/create", FORM);
    const there = { ...workspace, endpoint: gateway.secondOrigin + new URL(workspace.endpoint).pathname };
    const again = await Listener.get(there, session, stream.lastEventId);
    const [question] = await again.heard(1);
    expect(question).toMatchObject({ method: "elicitation/create", params: FORM });
    const before = upstream.posted.length;
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", authorization: `Bearer ${workspace.token}`, "mcp-session-id": session };
    await (await fetch(there.endpoint, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", id: question?.id, result: accept("Ann") }) })).text();
    expect(await posted(before, 1)).toEqual([{ jsonrpc: "2.0", id: "who", result: accept("Ann") }]);
    at.end("Hello, Ann!");
    expect((await again.heard(2))[1]).toMatchObject({ id: 1, result: { content: [{ text: "Hello, Ann!" }] } });
    await again.ended;
  });

  test("of an older revision is asked by the official SDK's server what that revision knows", async () => {
    const own = await open("2025-06-18", { elicitation: {} });
    const messages = own.call("sdk_test_elicitation", { message: "Who?" });
    const question = await nextMessage(messages);
    await own.answer(question.id, { result: { action: "accept", content: { username: "u", email: "e@example.com" } } });
    expect(JSON.stringify(await nextMessage(messages))).toContain('\\"username\\":\\"u\\"');
  });
});

test("a tool that never asked runs without an object; a question after all is refused, and the next call may ask", async () => {
  const quiet = async () => {
    const sent = call("up_other");
    const at = await upstream.call();
    return { sent, at };
  };
  for (let calls = 0; calls < 20; calls++) {
    const { sent, at } = await quiet();
    at.end("quiet");
    await sent.answer();
  }
  const before = upstream.posted.length;
  const surprised = await quiet();
  surprised.at.ask("x", "elicitation/create", FORM);
  expect(await posted(before, 1)).toEqual([{ jsonrpc: "2.0", id: "x", result: { action: "cancel" } }]);
  surprised.at.end("not asked");
  const answer = await surprised.sent.answer();
  expect(answer.result.isError).toBe(true);
  expect(textOf(answer)).toContain("call again");
  const { sent, at } = await quiet();
  at.ask("y", "elicitation/create", FORM);
  expect(asked(await sent.answer()).keys).toHaveLength(1);
});
