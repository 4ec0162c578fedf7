import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, callTool, legacy, openSession, type Place } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Ledger } from "./ledger.ts";
import { type Sent, SocketClient, traceOf } from "./socket-client.ts";
import { type CountingUpstream, startCounting } from "./upstreams/counting.ts";
import { until } from "./until.ts";

/* A thousand calls and a thousand cancels at once, of either era: each ends its own call and no other, and nothing of them stays. */

const CALLS = 1_000;
/** Calls in between that nobody cancels. */
const SPARED = 50;
const SESSIONS = 10;
const FOREVER = 60_000;
/** What the gateway lets through to one upstream at once; the second Worker no more than this. */
const MOST = 256;
const FEW = 4;

const WATCHED = fileURLToPath(new URL("workers/watched.ts", import.meta.url));

let gateway: Gateway;
let workspace: TestWorkspace;
let upstreams: CountingUpstream[];
let there: Place;

beforeAll(async () => {
  upstreams = await Promise.all(Array.from({ length: 5 }, startCounting));
  const limits = (upstreamConcurrency: number) => ({ LIMITS: JSON.stringify({ upstreamConcurrency }) });
  gateway = await startGateway({ entry: WATCHED, vars: limits(MOST), second: { vars: limits(FEW) } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "watched" });
  for (const [nth, { url }] of upstreams.entries()) await workspace.api("POST", "/upstreams", { slug: `up${nth}`, url });
  await new Ledger(gateway, workspace).sql("update causeway.upstream set concurrency = $1", [MOST], false);
  await workspace.api("POST", "/publish");
  there = { endpoint: gateway.secondOrigin + new URL(workspace.endpoint).pathname, token: workspace.token };
});

afterAll(async () => {
  await gateway?.stop();
  await Promise.all((upstreams ?? []).map((upstream) => upstream.close()));
});

const open = () => upstreams.reduce((sum, upstream) => sum + upstream.open(), 0);
const tool = (nth: number) => `up${nth % upstreams.length}_act`;

function textOf({ message }: Pick<Answer, "message">): string {
  return String(Object(Object(message.result).content?.[0]).text ?? Object(message.error).message);
}

/** The upstream's places are all free: as many calls as there are places go through, and one more does not. */
async function expectFree(place: Place, places: number): Promise<void> {
  const client = new SocketClient({ endpoint: place.endpoint, token: workspace.token }, places);
  const sent = await until(() => filled(place, client, places), 60_000);
  for (const call of sent) call.leave();
  client.close();
  await until(() => open() === 0);
  expect(textOf(await until(async () => refusedFor(await callTool(place, "up0_act", { tag: "next" }))))).toBe("done next");
}

/** Calls in all places; false while some are taken by calls whose clients have left and of which the gateway has yet to hear. */
async function filled(place: Place, client: SocketClient, places: number): Promise<Sent[] | false> {
  const sent = Array.from({ length: places }, () => client.modern("tools/call", { name: "up0_act", arguments: { tag: "free", ms: FOREVER } }));
  let refused = false;
  for (const call of sent) call.answer().then(() => (refused = true), () => undefined);
  await until(() => refused || open() === places);
  const full = `the upstream has ${places} calls in flight, which is its limit`;
  if (!refused && textOf(await callTool(place, "up0_act", { tag: "one more" })) === full) return sent;
  for (const call of sent) call.leave();
  await until(() => open() === 0);
  return false;
}

/** The gateway hears of clients that left a moment after they did. */
function refusedFor(answer: Answer): Answer | false {
  return textOf(answer).includes("in flight") ? false : answer;
}

test("modern clients that leave: every call ends, at the upstream too, and its place is free", async () => {
  const client = new SocketClient(workspace, CALLS + SPARED);
  const ledger = new Ledger(gateway, workspace);
  const sent: Sent[] = [];
  for (let nth = 0; nth < CALLS; nth++) sent.push(client.modern("tools/call", { name: tool(nth), arguments: { tag: `m${nth}`, ms: FOREVER } }, { trace: traceOf(nth) }));
  await until(() => open() === CALLS);
  const spared = Array.from({ length: SPARED }, (_, nth) => client.modern("tools/call", { name: tool(nth), arguments: { tag: `spared ${nth}`, ms: 200 } }, { id: nth }).answer());
  for (const call of sent) call.leave();
  for (const [nth, answer] of (await Promise.all(spared)).entries()) expect([answer.message.id, textOf(answer)]).toEqual([nth, `done spared ${nth}`]);
  await until(() => open() === 0);
  await expectFree(workspace, MOST);
  await until(async () => (await ledger.records()).filter(({ end, trace }) => end === "cancelled" && trace !== null).length === CALLS);
  client.close();
}, 90_000);

test("calls beyond the places and clients that leave while they wait: no place is lost", async () => {
  const client = new SocketClient({ endpoint: there.endpoint, token: workspace.token }, CALLS);
  const sent = Array.from({ length: CALLS }, (_, nth) => client.modern("tools/call", { name: "up0_act", arguments: { tag: `o${nth}`, ms: FOREVER } }));
  await until(() => open() === FEW);
  for (const call of sent) call.leave();
  await until(() => open() === 0);
  await expectFree(there, FEW);
  client.close();
}, 90_000);

test("legacy clients that cancel: each notice ends the call of its session and id, and no other", async () => {
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => openSession(workspace)));
  const each = CALLS / SESSIONS;
  // The same ids in every session.
  const calls = sessions.flatMap((session, at) =>
    Array.from({ length: each }, (_, id) => legacy(workspace, "tools/call", { name: tool(id), arguments: { tag: `l${at} ${id}`, ms: FOREVER } }, session, id)),
  );
  const spared = sessions.map((session, at) => legacy(workspace, "tools/call", { name: tool(at), arguments: { tag: `kept ${at}`, ms: 12_000 } }, session, `kept`));
  await until(() => open() === CALLS + SESSIONS);
  const notices = sessions.flatMap((session) => Array.from({ length: each }, (_, id) => cancel(id % 2 === 0 ? workspace : there, session, id)));
  expect(new Set(await Promise.all(notices))).toEqual(new Set([202]));
  for (const [nth, answer] of (await Promise.all(calls)).entries()) expect([answer.message.id, textOf(answer)]).toEqual([nth % each, "the client cancelled the call"]);
  for (const [at, answer] of (await Promise.all(spared)).entries()) expect([answer.message.id, textOf(answer)]).toEqual(["kept", `done kept ${at}`]);
  await until(() => open() === 0);
  await expectFree(workspace, MOST);
  // Nothing that was cancelled comes back under a new call with its id.
  for (const session of sessions) expect(textOf(await legacy(workspace, "tools/call", { name: "up1_act", arguments: { tag: "again", ms: 1_200 } }, session, 1))).toBe("done again");
}, 90_000);

async function cancel(place: Place, session: string, requestId: number): Promise<number> {
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", authorization: `Bearer ${place.token}`, "mcp-session-id": session };
  const response = await fetch(place.endpoint, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } }) });
  await response.text();
  return response.status;
}
