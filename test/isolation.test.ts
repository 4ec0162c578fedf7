import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isObject, type JsonObject } from "../src/model/json.ts";
import { AskedClient, type Message } from "./asked-client.ts";
import { type Answer, endSession, legacy, Listener, modern, openSession, type Place, resultOf } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { type CountingUpstream, NOTES, startCounting } from "./upstreams/counting.ts";
import { until } from "./until.ts";

/*
 * Fifty workspaces that do the same at the same time: the same JSON-RPC ids, progress tokens, idempotency keys, tool names and resources at one upstream, of both
 * eras, with questions, cancels and streams. Every byte that comes back is searched for another one's mark.
 */

const WORKSPACES = 50;
const SLOW = "slow";

interface Tenant {
  workspace: TestWorkspace;
  mark: string;
  here: Place;
  there: Place;
  /** All that this workspace's clients were sent. */
  bytes: string[];
}

let gateway: Gateway;
let upstream: CountingUpstream;
let tenants: Tenant[];

beforeAll(async () => {
  upstream = await startCounting();
  gateway = await startGateway({ second: {} });
  tenants = await Promise.all(
    Array.from({ length: WORKSPACES }, async () => {
      const workspace = await gateway.createWorkspace();
      await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
      const there = { endpoint: gateway.secondOrigin + new URL(workspace.endpoint).pathname, token: workspace.token };
      return { workspace, mark: `mark-${randomBytes(8).toString("hex")}`, here: workspace, there, bytes: [] };
    }),
  );
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
  await upstream?.close();
});

const CAN_ANSWER = { elicitation: { form: {} } };
const META = { progressToken: "p", "io.modelcontextprotocol/clientCapabilities": CAN_ANSWER };
const KEYED = { ...META, "causeway/idempotencyKey": "the same" };

function kept(tenant: Tenant, answer: Answer): Answer {
  tenant.bytes.push(JSON.stringify([...answer.headers]), answer.text);
  return answer;
}

function textOf({ message }: Pick<Answer, "message">): string {
  return String(Object(Object(message.result).content?.[0]).text ?? Object(message.error).message);
}

/** The answers to what is asked, each with this workspace's mark in it. */
function answersOf(tenant: Tenant, requests: JsonObject): JsonObject {
  return Object.fromEntries(Object.keys(requests).map((key) => [key, { action: "accept", content: { name: tenant.mark } }]));
}

async function modernClient(tenant: Tenant): Promise<void> {
  const { mark, here, there } = tenant;
  const call = async (place: Place, name: string, round: JsonObject = {}) => kept(tenant, await modern(place, "tools/call", { name, arguments: { tag: mark, ms: 100 }, ...round, _meta: KEYED }, 1));
  const [first, again, question] = await Promise.all([call(here, "up_act"), call(there, "up_act"), call(here, "up_ask")]);
  // Which of the two runs is chance; the other one waits for it, though not for ever.
  const texts = new Set([textOf(first), textOf(again)]);
  texts.delete("a call with this idempotency key is still running");
  expect([...texts]).toEqual([`done ${mark}`]);
  const { inputRequests, requestState = null } = resultOf(question);
  if (!isObject(inputRequests)) throw new Error(`not asked: ${question.text}`);
  const end = await call(there, "up_ask", { inputResponses: answersOf(tenant, inputRequests), requestState });
  expect([end.message.id, textOf(end)]).toEqual([1, `done ${mark} by ${mark}`]);
}

async function legacyClient(tenant: Tenant): Promise<void> {
  const { mark, here, there } = tenant;
  const session = await openSession(here);
  const act = (place: Place, id: string | number, ms: number) => legacy(place, "tools/call", { name: "up_act", arguments: { tag: `${mark} ${SLOW}`, ms }, _meta: { progressToken: "p" } }, session, id).then((answer) => kept(tenant, answer));
  const [cancelled, other] = [act(here, 7, 30_000), act(there, "7", 2_500)];
  const client = await AskedClient.open(tenant.workspace, gateway.secondOrigin, "2025-11-25", CAN_ANSWER);
  const ends: Message[] = [];
  for await (const message of client.call("up_ask", { tag: mark })) {
    tenant.bytes.push(JSON.stringify(message));
    if (message.method) await client.answer(message.id, { result: { action: "accept", content: { name: mark } } });
    else ends.push(message);
  }
  expect(ends).toMatchObject([{ id: 7, result: { content: [{ text: `done ${mark} by ${mark}` }] } }]);
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", authorization: `Bearer ${here.token}`, "mcp-session-id": session };
  await fetch(there.endpoint, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } }) });
  expect(textOf(await cancelled)).toBe("the client cancelled the call");
  expect(textOf(await other)).toBe(`done ${mark} ${SLOW}`);
}

/** What others hold is no use: a session id, a state and an answer of another workspace. */
async function trespasser(tenant: Tenant, victim: Tenant): Promise<void> {
  const [own, theirs] = [await openSession(tenant.here), await openSession(victim.there)];
  expect(kept(tenant, await legacy(tenant.here, "ping", {}, theirs)).status).toBe(404);
  expect(kept(tenant, await endSession(tenant.there, theirs)).status).toBe(404);
  expect((await legacy(victim.there, "ping", {}, theirs)).status).toBe(200);
  expect((await legacy(tenant.here, "ping", {}, own)).status).toBe(200);
  const asked = kept(victim, await modern(victim.here, "tools/call", { name: "up_ask", arguments: { tag: victim.mark }, _meta: META }, 1));
  const { inputRequests, requestState = null } = resultOf(asked);
  const stolen = kept(tenant, await modern(tenant.here, "tools/call", { name: "up_ask", arguments: { tag: victim.mark }, inputResponses: answersOf(tenant, Object(inputRequests)), requestState, _meta: META }, 1));
  // It was sent by this client itself: the mark in its own arguments is no breach, and none comes back.
  expect(Object(stolen.message.error)).toMatchObject({ code: -32602, data: { reason: "invalid_request_state" } });
  const rightful = kept(victim, await modern(victim.there, "tools/call", { name: "up_ask", arguments: { tag: victim.mark }, inputResponses: answersOf(victim, Object(inputRequests)), requestState, _meta: META }, 1));
  expect(textOf(rightful)).toBe(`done ${victim.mark} by ${victim.mark}`);
}

test(`${WORKSPACES} workspaces with the same ids at once: no call, question, cancel or answer crosses`, async () => {
  await Promise.all(tenants.flatMap((tenant) => [modernClient(tenant), legacyClient(tenant)]));
  const marks = tenants.map(({ mark }) => mark);
  for (const { bytes, mark } of tenants) {
    const found = new Set(bytes.join("\n").match(/mark-[0-9a-f]{16}/g));
    expect([...found]).toEqual([mark]);
  }
  // Each key ran once in its own workspace, though it was the same in all of them.
  expect(marks.map((mark) => upstream.calls(mark))).toEqual(marks.map(() => 3));
}, 60_000);

test("what belongs to another workspace is refused, and still good for its owner", async () => {
  await Promise.all(tenants.slice(0, 10).map((tenant, nth) => trespasser(tenant, tenants[nth + 10] ?? tenant)));
}, 60_000);

test("a change is told to the listeners of its own workspace", async () => {
  const [first, ...others] = await Promise.all(tenants.slice(0, 10).map(({ there }) => Listener.open(there, { toolsListChanged: true, resourceSubscriptions: [NOTES] })));
  await tenants[0]?.workspace.api("PATCH", "/tools/up_act", { description: "changed" });
  await until(() => first?.messages.some(({ method }) => method === "notifications/tools/list_changed") ?? false);
  for (const listener of others) expect(listener.messages).toHaveLength(1);
  for (const listener of [first, ...others]) listener?.close();
}, 30_000);
