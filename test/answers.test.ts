import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AskedClient, type Message, nextMessage as next } from "./asked-client.ts";
import { type Answer, modern, type Place, resultOf } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { type CountingUpstream, startCounting } from "./upstreams/counting.ts";

/* Answers to what a call asks that come twice, late, under another call's id, or from somebody else: none is delivered twice, and none to anybody else. */

const TOTAL_MS = 1_500;

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: CountingUpstream;
let there: Place;

beforeAll(async () => {
  upstream = await startCounting();
  gateway = await startGateway({ second: { vars: { LIMITS: JSON.stringify({ totalMs: TOTAL_MS }) } } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  await workspace.api("POST", "/builtins", { set: "conformance" });
  there = { endpoint: gateway.secondOrigin + new URL(workspace.endpoint).pathname, token: workspace.token };
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.close()]);
});

const CAN_ANSWER = { elicitation: { form: {} } };

function named(name: string): { result: unknown } {
  return { result: { action: "accept", content: { name } } };
}

function open(at: { endpoint: string; token: string } = workspace): Promise<AskedClient> {
  return AskedClient.open(at, gateway.secondOrigin, "2025-11-25", CAN_ANSWER);
}

function endOf(message: Message): string {
  return message.result?.content[0]?.text ?? JSON.stringify(message);
}

test("the same answer many times at once reaches the upstream once, and the next question not at all", async () => {
  const client = await open();
  const tag = randomUUID();
  const messages = client.call("up_ask", { tag, rounds: 2 });
  const first = await next(messages);
  const statuses = await Promise.all(Array.from({ length: 20 }, () => client.answer(first.id, named("Ann"))));
  expect(new Set(statuses)).toEqual(new Set([202]));
  const second = await next(messages);
  expect(second.id).not.toBe(first.id);
  // Still the first one's: late, and no answer to the second.
  await client.answer(first.id, named("Late"));
  await client.answer(second.id, named("Bob"));
  expect(endOf(await next(messages))).toBe(`done ${tag} by Ann,Bob`);
  expect(await client.answer(second.id, named("Later"))).toBe(202);
  expect(upstream.calls(tag)).toBe(1);
  expect(upstream.stray()).toBe(0);
});

test("two calls of one session: each answer goes to the call that asked, in whatever order they come", async () => {
  const client = await open();
  const [one, two] = [client.call("up_ask", { tag: "one" }), client.call("up_ask", { tag: "two" })];
  const [first, second] = [await next(one), await next(two)];
  await client.answer(second.id, named("Second"));
  expect(endOf(await next(two))).toBe("done two by Second");
  // The id of a call that is over, and ids that nobody gave out.
  for (const id of [second.id, 7, "7", "1", `${first.id}x`]) expect(await client.answer(id, named("Nobody"))).toBe(202);
  await client.answer(first.id, named("First"));
  expect(endOf(await next(one))).toBe("done one by First");
  expect(upstream.stray()).toBe(0);
});

test("another session's answer, or another principal's, reaches nobody", async () => {
  const { token } = Object(await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read", "mcp:call"] }));
  const [client, sameCaller, otherCaller] = [await open(), await open(), await open({ ...workspace, token })];
  const thief = client.as(token);
  const messages = client.call("up_ask", { tag: "mine" });
  const { id } = await next(messages);
  expect(await sameCaller.answer(id, named("Eve"))).toBe(202);
  expect(await otherCaller.answer(id, named("Eve"))).toBe(202);
  expect(await thief.answer(id, named("Eve"))).toBe(404);
  await client.answer(id, named("Ann"));
  expect(endOf(await next(messages))).toBe("done mine by Ann");
});

test("an answer that comes after the time is over changes nothing", async () => {
  const client = await open({ ...workspace, endpoint: there.endpoint });
  const messages = client.call("test_input_required_result_elicitation");
  const { id } = await next(messages);
  const rest: Message[] = [];
  for await (const message of messages) rest.push(message);
  expect(rest[0]).toMatchObject({ method: "notifications/cancelled", params: { requestId: id } });
  expect(rest.slice(1)).toHaveLength(1);
  expect(await client.answer(id, named("Late"))).toBe(202);
  const again = client.call("test_input_required_result_elicitation");
  const question = await next(again);
  expect(question.id).not.toBe(id);
  await client.answer(question.id, named("Ann"));
  expect(endOf(await next(again))).toContain("Ann");
});

test("a modern client's retry many times at once goes on once, and everybody hears the same end", async () => {
  const tag = randomUUID();
  const _meta = { "io.modelcontextprotocol/clientCapabilities": CAN_ANSWER };
  const call = (place: Place, round = {}) => modern(place, "tools/call", { name: "up_ask", arguments: { tag }, ...round, _meta });
  const { inputRequests, requestState = null } = resultOf(await call(workspace));
  const inputResponses = Object.fromEntries(Object.keys(Object(inputRequests)).map((key) => [key, { action: "accept", content: { name: "Ann" } }]));
  const retries: Promise<Answer>[] = Array.from({ length: 20 }, (_, nth) => call(nth % 2 === 0 ? workspace : there, { inputResponses, requestState }));
  const texts = (await Promise.all(retries)).map(({ message }) => Object(Object(message.result).content?.[0]).text ?? Object(message.error).message);
  // An upstream has sixteen places.
  expect([...new Set(texts.filter((text) => !text.includes("in flight")))]).toEqual([`done ${tag} by Ann`]);
  expect(upstream.calls(tag)).toBe(1);
  expect(upstream.stray()).toBe(0);
});
