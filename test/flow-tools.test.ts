import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/model/json.ts";
import { AskedClient, nextMessage } from "./asked-client.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { messageProblems } from "./messages.ts";
import { asked, errorOf, textOf } from "./outcomes.ts";
import { type Answer, SocketClient } from "./socket-client.ts";
import { until } from "./until.ts";
import { type AskingUpstream, startAsking } from "./upstreams/asking.ts";
import { type ModernFixture, start as startModern } from "./upstreams/modern.ts";

/* Tools that ask while a flow calls them: the client is asked in their place, and the flow goes on with what they then give. */

let gateway: Gateway;
let workspace: TestWorkspace;
/** Legacy upstreams that ask in the middle of their calls, one for each test that says what they ask: the tests run at the same time. */
let old: AskingUpstream;
let ruled: AskingUpstream;
let left: AskingUpstream;
/** A server of the official SDK that asks by rounds. */
let fresh: ModernFixture;
let client: SocketClient;
/** The same workspace through the second Worker. */
let other: SocketClient;

beforeAll(async () => {
  [old, ruled, left, fresh] = await Promise.all([startAsking(), startAsking(), startAsking(), startModern()]);
  gateway = await startGateway({ second: {} });
  workspace = await gateway.createWorkspace();
  for (const [slug, { url }] of Object.entries({ old, ruled, left })) await workspace.api("POST", "/upstreams", { slug, url });
  await workspace.api("POST", "/upstreams", { slug: "new", url: fresh.url });
  // Before the agents: whatever version has those has this too.
  await workspace.api("PUT", "/rules", { rules: [{ id: "ask-first", what: { tools: ["ruled_ask"] }, effect: "ask" }] });
  const text = (node: string) => `{% $steps.${node}.content[0].text %}`;
  await apply("parks", [{ id: "t", type: "tool", tool: "old_ask" }], text("t"));
  await apply("rounds", [{ id: "t", type: "tool", tool: "new_test_input_required_result_multi_round" }], text("t"));
  await apply("samples", [{ id: "t", type: "tool", tool: "new_test_input_required_result_sampling" }], text("t"));
  const greets = { type: "tool", tool: "new_test_input_required_result_elicitation" };
  await apply("pair", [{ id: "a", ...greets }, { id: "b", ...greets }, { id: "sure", type: "ask", message: "Sure?" }], `{% [${"$steps.a.content[0].text"}, $steps.b.content[0].text, $steps.sure.action] %}`);
  await apply("each", [{ id: "t", ...greets, forEach: { items: [1, 2] } }]);
  await apply("allowed", [{ id: "t", type: "tool", tool: "ruled_ask" }], text("t"));
  await apply("leaves", [{ id: "t", type: "tool", tool: "left_ask" }]);
  client = new SocketClient(workspace);
  other = new SocketClient({ ...workspace, endpoint: gateway.secondOrigin + new URL(workspace.endpoint).pathname });
});

afterAll(async () => {
  client?.close();
  other?.close();
  await Promise.all([gateway?.stop(), old?.close(), ruled?.close(), left?.close(), fresh?.close()]);
});

async function apply(slug: string, nodes: object[], output?: JsonValue): Promise<void> {
  await workspace.api("PUT", `/agents/${slug}`, { name: slug, description: "Calls what asks.", inputSchema: { type: "object" }, flow: { nodes, ...(output !== undefined && { output }) } });
}

const ALL = { elicitation: { form: {} }, sampling: {}, roots: {} };
const FORM = { message: "Who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } };
const accept = (content: JsonObject) => ({ action: "accept", content });

async function call(name: string, round: JsonObject = {}, { by = client, capabilities = ALL }: { by?: SocketClient; capabilities?: JsonObject } = {}): Promise<Answer> {
  const answer = await by.modern("tools/call", { name, arguments: {}, ...round, _meta: { "io.modelcontextprotocol/clientCapabilities": capabilities } }).answer();
  expect(messageProblems("2026-07-28", "server", answer.message, "tools/call")).toEqual([]);
  return answer;
}

/** The trace of the latest run of this agent. */
async function traceOf(agent: string, status: string): Promise<{ nodes: JsonObject[] }> {
  return until(async () => {
    const { items }: any = await workspace.api("GET", `/runs?agent=${agent}`);
    const trace: any = items[0] && (await workspace.api("GET", `/runs/${items[0].id}`));
    return trace?.run.status === status && trace;
  });
}

describe("a modern client is asked in the place of a flow", () => {
  test("by a legacy upstream in the middle of its call, which is made once and goes on at another Worker", async () => {
    const before = old.calls();
    const sent = call("parks");
    const at = await old.call();
    at.ask("who", "elicitation/create", FORM);
    const { keys, requests, requestState } = asked(await sent);
    expect(requests[keys[0] ?? ""]).toMatchObject({ method: "elicitation/create", params: { message: "Who?" } });
    const retried = call("parks", { inputResponses: { [keys[0] ?? ""]: accept({ name: "Ann" }) }, requestState }, { by: other });
    await until(() => old.posted.some(({ id, result }) => id === "who" && JSON.stringify(result).includes("Ann")));
    at.end("thanks, Ann");
    expect(textOf(await retried)).toBe("thanks, Ann");
    expect(old.calls() - before).toBe(1);
    const { nodes } = await traceOf("parks", "completed");
    expect(nodes).toMatchObject([{ node: "t", status: "completed", attempts: 2, calls: [expect.any(String), expect.any(String)] }]);
  });

  test("by a modern upstream, round after round", async () => {
    const first = asked(await call("rounds"));
    expect(first.keys).toEqual(["t/step1"]);
    const second = asked(await call("rounds", { inputResponses: { "t/step1": accept({ name: "Ann" }) }, requestState: first.requestState }));
    expect(second.keys).toEqual(["t/step2"]);
    expect(textOf(await call("rounds", { inputResponses: { "t/step2": accept({ color: "blue" }) }, requestState: second.requestState }, { by: other }))).toContain("blue");
  });

  test("for what its model says", async () => {
    const { keys, requests, requestState } = asked(await call("samples"));
    expect(requests[keys[0] ?? ""]).toMatchObject({ method: "sampling/createMessage" });
    const sampled = { role: "assistant", content: { type: "text", text: "Paris" }, model: "m" };
    expect(textOf(await call("samples", { inputResponses: { [keys[0] ?? ""]: sampled }, requestState }))).toContain("Paris");
  });

  test("by two tools and the flow itself at once; what it leaves out is asked again, and no other", async () => {
    const first = asked(await call("pair"));
    expect(first.keys.sort()).toEqual(["a/user_name", "b/user_name", "sure"]);
    const second = asked(await call("pair", { inputResponses: { "a/user_name": accept({ name: "Ann" }), sure: accept({}) }, requestState: first.requestState }));
    expect(second.keys).toEqual(["b/user_name"]);
    const end = textOf(await call("pair", { inputResponses: { "b/user_name": accept({ name: "Bob" }) }, requestState: second.requestState }));
    expect(end).toMatch(/Ann.*Bob.*accept/);
  });

  test("by a rule that wants each call of the tool allowed by a person", async () => {
    const { keys, requestState } = asked(await call("allowed"));
    const retried = call("allowed", { inputResponses: { [keys[0] ?? ""]: accept({ approve: true }) }, requestState });
    (await ruled.call()).end("done");
    expect(textOf(await retried)).toBe("done");
  });
});

test("an answer that is none is refused, uses nothing up, and can be sent anew", async () => {
  const { requestState } = asked(await call("rounds"));
  expect(errorOf(await call("rounds", { inputResponses: { "t/step1": "Ann" }, requestState }))).toMatchObject({ code: -32602 });
  expect(asked(await call("rounds", { inputResponses: { "t/step1": accept({ name: "Ann" }) }, requestState })).keys).toEqual(["t/step2"]);
});

test("a legacy client is asked on the stream of its call", async () => {
  const own = await AskedClient.open(workspace, gateway.secondOrigin, "2025-11-25", ALL);
  const messages = own.call("rounds");
  const first = await nextMessage(messages);
  expect(first).toMatchObject({ method: "elicitation/create", params: { message: expect.stringContaining("Step 1") } });
  await own.answer(first.id, { result: accept({ name: "Ann" }) });
  await own.answer((await nextMessage(messages)).id, { result: accept({ color: "green" }) });
  expect(await nextMessage(messages)).toMatchObject({ id: 7, result: { content: [{ text: expect.stringContaining("green") }] } });
});

test("a legacy client that cancels while it is asked leaves a run that was cancelled, though it began in an object of its own", async () => {
  const own = await AskedClient.open(workspace, gateway.secondOrigin, "2025-11-25", ALL);
  const messages = own.call("leaves");
  const asking = nextMessage(messages);
  const at = await left.call();
  at.ask("who", "elicitation/create", FORM);
  expect(await asking).toMatchObject({ method: "elicitation/create" });
  await own.cancel();
  await traceOf("leaves", "cancelled");
});

test("a refusal with an error ends what cannot hear it, and is no consent", async () => {
  const own = await AskedClient.open(workspace, gateway.secondOrigin, "2025-11-25", ALL);
  const messages = own.call("samples");
  await own.answer((await nextMessage(messages)).id, { error: { code: -1, message: "no" } });
  expect(await nextMessage(messages)).toMatchObject({ result: { isError: true, content: [{ text: expect.stringContaining("refused") }] } });
});

test("a client that declared nothing is asked nothing, and learns why", async () => {
  const end = await call("rounds", {}, { capabilities: {} });
  expect(end.result).toMatchObject({ isError: true, _meta: { "causeway/error": { node: "t" } } });
});

test("a node that calls its tool for each of several items cannot pass a question on", async () => {
  expect((await call("each")).result).toMatchObject({ isError: true, _meta: { "causeway/error": { node: "t" } } });
});
