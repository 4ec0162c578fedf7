import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { next, SocketClient, traceOf } from "./socket-client.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Ledger } from "./ledger.ts";
import { until } from "./until.ts";
import { called, offering, progressTokenOf, toolOf } from "./upstreams/offering.ts";
import { chunk, endChunks, event, type RawRequest, type RawUpstream, reply, startRaw, stream } from "./upstreams/raw.ts";

/* A client that leaves: the work behind a modern call ends with it, that behind a legacy call does not. One audit record either way. */

const WATCHED = fileURLToPath(new URL("workers/watched.ts", import.meta.url));
const FLOOD = 1_000;
const IDLE_MS = 3_000;

/** A call that has arrived at the upstream. */
interface Arrival {
  request: RawRequest;
  socket: Socket;
}

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: RawUpstream;
/** A database that takes a statement and never answers. */
let database: RawUpstream;
let client: SocketClient;
let ledger: Ledger;
const arrivals: Arrival[] = [];
const statements: Socket[] = [];
let traces = 0;

beforeAll(async () => {
  upstream = await startRaw(offering(["wait", "stream", "half"], (request, socket) => {
    if (toolOf(request) === "stream") stream(socket);
    if (toolOf(request) === "stream") chunk(socket, progressOf(request, "begun"));
    if (toolOf(request) === "half") socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{");
    arrivals.push({ request, socket });
  }));
  database = await startRaw((_, socket) => void statements.push(socket));
  gateway = await startGateway({ entry: WATCHED, vars: { LIMITS: JSON.stringify({ idleMs: IDLE_MS }) } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "watched" });
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  await workspace.api("POST", "/connections", { kind: "postgres", name: "stuck", url: `postgresql://u:p@${new URL(database.url).host}/db` });
  await workspace.api("PUT", "/agents/two-steps", AGENT);
  client = new SocketClient(workspace);
  ledger = new Ledger(gateway, workspace);
});

afterAll(async () => {
  client?.close();
  await Promise.all([gateway?.stop(), upstream?.close(), database?.close()]);
});

const AGENT = `
name: Two steps
description: Asks a database and then an upstream.
inputSchema: { type: object }
flow:
  nodes:
    - { id: first, type: sql, connection: stuck, query: select 1 }
    - { id: second, type: tool, needs: [first], tool: up_wait }
`;

function progressOf(request: RawRequest, message: string): string {
  return event(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${progressTokenOf(request)},"progress":1,"message":"${message}"}}`);
}

async function arrival(): Promise<Arrival> {
  await until(() => arrivals.length > 0);
  const [first] = arrivals.splice(0);
  if (!first) throw new Error("no call has arrived");
  return first;
}

/** Rejects when the connection is still open after the two seconds that the design gives. */
async function closes(socket: Socket): Promise<void> {
  await until(() => socket.destroyed, 2_000);
}

/** The end of the call with this trace; fails when it has more than one record by the time that a later call has its own. */
async function endOf(trace: string): Promise<unknown> {
  await ledger.of(trace);
  const later = traceOf(traces++);
  await client.modern("tools/call", { name: "echo" }, { trace: later }).answer();
  await ledger.of(later);
  const records = await ledger.of(trace);
  expect(records).toHaveLength(1);
  return records[0]?.end;
}

/** A client that takes no stream waits on another path than one that does. */
const ACCEPTS = ["application/json, text/event-stream", "application/json"];

test.each(ACCEPTS)("a modern client that accepts %s leaves while the upstream is silent: the upstream's connection closes", async (accept) => {
  const trace = traceOf(traces++);
  const sent = client.modern("tools/call", { name: "up_wait" }, { trace, accept });
  const { socket } = await arrival();
  sent.leave();
  await closes(socket);
  expect(await endOf(trace)).toBe("cancelled");
});

test.each(["up_stream", "up_half"])("the answer to a modern call of %s stops halfway for too long: the client hears of it, and the upstream's connection closes", async (name) => {
  const trace = traceOf(traces++);
  const sent = client.modern("tools/call", { name }, { trace });
  const { socket } = await arrival();
  expect((await sent.answer()).result).toMatchObject({ isError: true });
  await closes(socket);
  expect(await endOf(trace)).toBe("error_result");
});

test("a modern client leaves in the middle of a stream: the upstream's connection closes", async () => {
  const trace = traceOf(traces++);
  const sent = client.modern("tools/call", { name: "up_stream" }, { trace, progressToken: 1 });
  expect(await next(sent.messages())).toMatchObject({ method: "notifications/progress", params: { message: "begun" } });
  const { socket } = await arrival();
  sent.leave();
  await closes(socket);
  expect(await endOf(trace)).toBe("cancelled");
});

test("a modern client that takes no stream leaves after the call has said something: the upstream's connection closes", async () => {
  const trace = traceOf(traces++);
  const sent = client.modern("tools/call", { name: "up_stream" }, { trace, progressToken: 1, accept: "application/json" });
  const { socket } = await arrival();
  // What the gateway had to say is behind it when a client that takes a stream has heard the same.
  await hearing();
  sent.leave();
  await closes(socket);
  expect(await endOf(trace)).toBe("cancelled");
});

test("a modern client leaves in the middle of a builtin's stream: its signal fires", async () => {
  const trace = traceOf(traces++);
  const sent = client.modern("tools/call", { name: "trickle" }, { trace, progressToken: 1 });
  await next(sent.messages());
  sent.leave();
  expect(await endOf(trace)).toBe("cancelled");
});

test("a modern client leaves while an agent asks its database: the request is aborted and no later node runs", async () => {
  const trace = traceOf(traces++);
  const sent = client.modern("tools/call", { name: "two-steps" }, { trace });
  const [socket] = await until(() => statements.length > 0 && statements.splice(0));
  expect(socket?.destroyed).toBe(false);
  sent.leave();
  await until(() => socket?.destroyed === true, 2_000);
  expect(await endOf(trace)).toBe("cancelled");

  const { items } = Object(await workspace.api("GET", "/runs"));
  expect(items).toHaveLength(1);
  const run = await until(async () => {
    const found = Object(await workspace.api("GET", `/runs/${items[0].id}`));
    return found.run.status !== "running" && found;
  });
  expect(run.run).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
  expect(run.nodes).toMatchObject([{ node: "first", status: "cancelled" }]);
  expect(arrivals).toEqual([]);
  expect((await ledger.records()).filter(({ name, parent }) => name === "up_wait" && parent !== null)).toEqual([]);
});

test("a reader that takes nothing holds the reply back, and counts as gone when that lasts", async () => {
  const trace = traceOf(traces++);
  const sent = client.modern("tools/call", { name: "flood", arguments: { times: FLOOD } }, { trace, progressToken: 1 });
  await sent.head;
  expect(await endOf(trace)).toBe("cancelled");
  const { flooded } = Object(await (await fetch(`${gateway.origin}/watched/-`)).json());
  expect(flooded).toBeGreaterThan(0);
  expect(flooded).toBeLessThan(FLOOD);
  // The connection is not left hanging: what was on its way arrives, then it ends.
  await expect(sent.answer()).rejects.toThrow("aborted");
});

test("a reader that only pauses gets everything", async () => {
  const trace = traceOf(traces++);
  const sent = client.modern("tools/call", { name: "flood", arguments: { times: FLOOD } }, { trace, progressToken: 1 });
  const messages = sent.messages();
  await next(messages);
  await fetch(`${gateway.origin}/watched/-`);
  let count = 1;
  for await (const message of messages) count += message.method === "notifications/progress" ? 1 : 0;
  expect(count).toBe(FLOOD);
  expect(await endOf(trace)).toBe("complete");
});

test.each(ACCEPTS)("a legacy client that accepts %s leaves while the upstream is silent: the call goes on to its end", async (accept) => {
  const trace = traceOf(traces++);
  const sent = client.legacy("tools/call", { name: "up_wait" }, { trace, accept });
  const { request, socket } = await arrival();
  sent.leave();
  // The gateway has heard of it once a modern call, left after it, is cancelled.
  await leaveModern();
  expect(socket.destroyed).toBe(false);
  reply(socket, 200, "application/json", called(request));
  expect(await endOf(trace)).toBe("complete");
});

test("a legacy client leaves in the middle of a stream: the call goes on to its end", async () => {
  const trace = traceOf(traces++);
  const sent = client.legacy("tools/call", { name: "up_stream" }, { trace, progressToken: "p" });
  await next(sent.messages());
  const { request, socket } = await arrival();
  sent.leave();
  await leaveModern();
  expect(socket.destroyed).toBe(false);
  chunk(socket, progressOf(request, "more"));
  chunk(socket, event(called(request)));
  endChunks(socket);
  expect(await endOf(trace)).toBe("complete");
});

test("a legacy client that takes no stream leaves after the call has said something: the call goes on to its end", async () => {
  const trace = traceOf(traces++);
  const sent = client.legacy("tools/call", { name: "up_stream" }, { trace, progressToken: "p", accept: "application/json" });
  const { request, socket } = await arrival();
  await hearing();
  sent.leave();
  await leaveModern();
  expect(socket.destroyed).toBe(false);
  chunk(socket, event(called(request)));
  endChunks(socket);
  expect(await endOf(trace)).toBe("complete");
});

test("a legacy client leaves while its batch waits: each call goes on to its end", async () => {
  const trace = traceOf(traces++);
  const sent = client.batch([{ method: "tools/call", params: { name: "up_wait" } }, { method: "ping", params: {} }], { trace });
  const { request, socket } = await arrival();
  sent.leave();
  await leaveModern();
  expect(socket.destroyed).toBe(false);
  reply(socket, 200, "application/json", called(request));
  const records = await until(async () => {
    const found = await ledger.of(trace);
    return found.length === 2 && found;
  });
  expect(records.map(({ method, end }) => [method, end]).sort()).toEqual([["ping", "complete"], ["tools/call", "complete"]]);
});

/** Hears of the progress of a call made now, and leaves. */
async function hearing(): Promise<void> {
  const sent = client.modern("tools/call", { name: "up_stream" }, { progressToken: 1 });
  await next(sent.messages());
  const { socket } = await arrival();
  sent.leave();
  await closes(socket);
}

async function leaveModern(): Promise<void> {
  const sent = client.modern("tools/call", { name: "up_wait" });
  const { socket } = await arrival();
  sent.leave();
  await closes(socket);
}
