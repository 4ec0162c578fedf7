import { setTimeout as sleep } from "node:timers/promises";
import type { Socket } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Running } from "../src/sessions/running.ts";
import { type Answer, endSession, legacy, openSession, type Place } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Ledger } from "./ledger.ts";
import { traceOf } from "./socket-client.ts";
import { until } from "./until.ts";
import { offering } from "./upstreams/offering.ts";
import { type RawUpstream, startRaw } from "./upstreams/raw.ts";

/* `notifications/cancelled` of a legacy client, sent to another Worker than the one in which the call runs. */

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: RawUpstream;
let ledger: Ledger;
let here: Place;
/** The other Worker over the same objects. */
let there: Place;
const arrivals: Socket[] = [];
let traces = 0;

beforeAll(async () => {
  upstream = await startRaw(offering(["wait"], (_, socket) => void arrivals.push(socket)));
  gateway = await startGateway({ second: {} });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  ledger = new Ledger(gateway, workspace);
  here = workspace;
  there = { endpoint: `${gateway.secondOrigin}/w/${workspace.slug}/mcp`, token: workspace.token };
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.close()]);
});

interface Waiting {
  answer: Promise<Answer>;
  /** The connection on which the upstream is asked. */
  socket: Socket;
  trace: string;
}

async function call(session: string, id: string | number = 1): Promise<Waiting> {
  const trace = traceOf(traces++);
  const answer = legacy(here, "tools/call", { name: "up_wait", _meta: { traceparent: trace } }, session, id);
  const [socket] = await until(() => arrivals.length > 0 && arrivals.splice(0, 1));
  if (!socket) throw new Error("no call has arrived");
  return { answer, socket, trace };
}

async function cancel(session: string, requestId: string | number, place = there): Promise<number> {
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", authorization: `Bearer ${place.token}`, "mcp-session-id": session };
  const body = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId, reason: "enough" } });
  const response = await fetch(place.endpoint, { method: "POST", headers, body });
  await response.text();
  return response.status;
}

async function expectCancelled({ socket, trace, answer }: Waiting): Promise<void> {
  await until(() => socket.destroyed, 4_000);
  expect((await answer).message).toMatchObject({ error: { message: "the client cancelled the call" } });
  expect(await ledger.of(trace)).toMatchObject([{ end: "cancelled", method: "tools/call" }]);
}

test("a call that runs longer than a second is ended from another Worker: the upstream is told, the record says so", async () => {
  const waiting = await call(await openSession(here), 0);
  const session = await openSession(here);
  const other = await call(session, "a");
  await sleep(1_500);
  expect(await cancel(session, "a")).toBe(202);
  await expectCancelled(other);
  expect(waiting.socket.destroyed).toBe(false);
  waiting.socket.destroy();
  await waiting.answer;
});

test("a cancel that comes before the call is known waits for it", async () => {
  const session = await openSession(here);
  const waiting = await call(session, 5);
  expect(await cancel(session, 5)).toBe(202);
  await expectCancelled(waiting);
});

test("neither another session's cancel nor another id's ends a call, even of the same principal", async () => {
  const session = await openSession(here);
  const stranger = await openSession(here);
  const waiting = await call(session, 1);
  await sleep(1_500);
  await cancel(stranger, 1);
  await cancel(session, "1");
  await cancel(session, 2, here);
  // The object has passed on what it had to by the time it has passed on this one.
  const later = await call(session, 3);
  await sleep(1_500);
  await cancel(session, 3);
  await expectCancelled(later);
  expect(waiting.socket.destroyed).toBe(false);
  await cancel(session, 1);
  await expectCancelled(waiting);
});

test("a session that is ended takes its running calls with it", async () => {
  const session = await openSession(here);
  const waiting = await call(session, 1);
  await sleep(1_500);
  expect((await endSession(there, session)).status).toBe(200);
  await expectCancelled(waiting);
});

test("a call that has not made itself known when its session ends, ends when it does", async () => {
  const session = await openSession(here);
  const waiting = await call(session, 1);
  expect((await endSession(there, session)).status).toBe(200);
  await expectCancelled(waiting);
});

test("a session is its principal's: with its id another one's good token finds nothing, and ends nothing", async () => {
  const session = await openSession(here);
  const { token } = Object(await workspace.api("POST", "/tokens", { name: "other", scopes: ["mcp:read", "mcp:call"] }));
  const theirs = { ...here, token };
  expect((await legacy(theirs, "tools/list", {}, null)).status).toBe(200);
  expect([await legacy(theirs, "tools/list", {}, session), await endSession(theirs, session)].map(({ status }) => status)).toEqual([404, 404]);
  expect((await legacy(there, "tools/list", {}, session)).status).toBe(200);
});

test.each([
  [999, 0],
  [1_000, 1],
])("a call that ends after %i ms has opened %i lines to its session", async (ms, lines) => {
  vi.useFakeTimers();
  try {
    let opened = 0;
    const open = new Promise<void>((resolve) => {
      const session = { fetch: async () => (resolve(), opened++, new Response(null)) };
      const running = new Running(() => session, "1", () => undefined);
      running.begin();
      vi.advanceTimersByTime(ms);
      running.end();
    });
    if (lines > 0) await open;
    vi.advanceTimersByTime(10_000);
    expect(opened).toBe(lines);
  } finally {
    vi.useRealTimers();
  }
});
