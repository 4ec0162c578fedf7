import type { Socket } from "node:net";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callTool } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Ledger } from "./ledger.ts";
import { next, SocketClient, traceOf } from "./socket-client.ts";
import { until } from "./until.ts";
import { called, offering, progressTokenOf } from "./upstreams/offering.ts";
import { chunk, endChunks, event, type RawRequest, type RawUpstream, startRaw, stream } from "./upstreams/raw.ts";

/* A client that leaves after any frame, and after any byte, of an answer: one record each, the work behind a modern call ends, that behind a legacy call goes on. */

const FRAMES = 4;
/** Of the answer to a call whose client looks at bytes; a stream of three frames is not as long. */
const BYTES = 900;
const AT_ONCE = 30;
/** Calls that the upstream is let do at once: those whose clients have left are among them. */
const PLACES = 200;

interface Arrival {
  request: RawRequest;
  socket: Socket;
}

let gateway: Gateway;
let workspace: TestWorkspace;
let upstream: RawUpstream;
let ledger: Ledger;
let traces = 0;
/** Calls that a test answers itself, by the tag among their arguments. */
const held = new Map<string, Arrival>();

beforeAll(async () => {
  upstream = await startRaw(
    offering(["held", "quick"], (request, socket) => {
      const { name, arguments: args } = JSON.parse(request.body).params;
      stream(socket);
      if (name === "held") return void held.set(String(args.tag), { request, socket });
      for (let nth = 0; nth < 3; nth++) chunk(socket, progressOf(request, nth));
      finish({ request, socket });
    }),
  );
  gateway = await startGateway({ vars: { LIMITS: JSON.stringify({ upstreamConcurrency: PLACES }) } });
  workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  ledger = new Ledger(gateway, workspace);
  await ledger.sql("update causeway.upstream set concurrency = $1", [PLACES], false);
  await workspace.api("POST", "/publish");
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.close()]);
});

function progressOf(request: RawRequest, nth: number): string {
  return event(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${progressTokenOf(request)},"progress":${nth},"message":"frame ${nth}"}}`);
}

function finish({ request, socket }: Arrival): void {
  chunk(socket, event(called(request)));
  endChunks(socket);
}

/** The ends of the records with these traces; there is exactly one each when a later call has its own. */
async function endsOf(wanted: readonly string[]): Promise<unknown[]> {
  await until(async () => {
    const seen = new Set((await ledger.records()).map(({ trace }) => trace));
    return wanted.every((trace) => seen.has(trace));
  });
  const records = (await ledger.records()).filter(({ trace, method }) => wanted.includes(String(trace)) && method === "tools/call");
  expect(records.map(({ trace }) => trace).sort()).toEqual([...wanted].sort());
  return records.map(({ end }) => end);
}

async function arrivalOf(tag: string): Promise<Arrival> {
  return until(() => held.get(tag) ?? false);
}

const AFTER = Array.from({ length: FRAMES + 1 }, (_, frames) => frames);

/** Leaves after as many frames. */
async function leaveAfter(era: "modern" | "legacy", frames: number, trace: string): Promise<Arrival> {
  const client = new SocketClient(workspace);
  const tag = `${era} ${frames}`;
  const sent = client[era]("tools/call", { name: "up_held", arguments: { tag } }, { trace, progressToken: 1 });
  const { request, socket } = await arrivalOf(tag);
  const messages = sent.messages();
  for (let nth = 0; nth < frames; nth++) {
    chunk(socket, progressOf(request, nth));
    await next(messages);
  }
  sent.leave();
  client.close();
  return { request, socket };
}

test("modern clients that leave after each frame: the calls are cancelled, at the upstream too", async () => {
  const wanted = AFTER.map(() => traceOf(traces++));
  const left = await Promise.all(AFTER.map((frames) => leaveAfter("modern", frames, wanted[frames] ?? "")));
  await Promise.all(left.map(({ socket }) => until(() => socket.destroyed, 2_000)));
  expect(new Set(await endsOf(wanted))).toEqual(new Set(["cancelled"]));
});

test("legacy clients that leave after each frame: the calls go on to their end", async () => {
  const wanted = AFTER.map(() => traceOf(traces++));
  const left = await Promise.all(AFTER.map((frames) => leaveAfter("legacy", frames, wanted[frames] ?? "")));
  // What the upstream still says is listened to, though nobody reads it.
  for (const [frames, { request, socket }] of left.entries()) for (let nth = frames; nth < FRAMES; nth++) chunk(socket, progressOf(request, nth));
  await callTool(workspace, "up_quick");
  expect(left.map(({ socket }) => socket.destroyed)).toEqual(AFTER.map(() => false));
  left.forEach(finish);
  expect(await endsOf(wanted)).toEqual(AFTER.map(() => "complete"));
});

/** Sends a request by hand and closes the connection as soon as `bytes` of the answer are there; fewer than that: when it has ended. */
function readBytes(era: "modern" | "legacy", trace: string, bytes: number): Promise<void> {
  const { hostname, port, pathname } = new URL(workspace.endpoint);
  const envelope = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
  const params = { name: "up_quick", arguments: {}, _meta: { progressToken: 1, ...(era === "modern" ? envelope : {}) } };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
  const headers = {
    host: `${hostname}:${port}`,
    authorization: `Bearer ${workspace.token}`,
    "content-type": "application/json",
    "content-length": String(body.length),
    accept: "application/json, text/event-stream",
    traceparent: trace,
    ...(era === "modern" ? { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "up_quick" } : { "mcp-protocol-version": "2025-11-25" }),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect({ host: hostname, port: Number(port) });
  let seen = 0;
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => resolve());
    socket.on("data", (data) => {
      seen += data.length;
      if (seen >= bytes || data.includes("\r\n0\r\n\r\n")) socket.destroy();
    });
    socket.write(`POST ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  });
}

test.each(["modern", "legacy"] as const)("%s clients that leave after each byte of an answer: one record each, and nothing stays open", async (era) => {
  const wanted: string[] = [];
  for (let bytes = 1; bytes <= BYTES; bytes += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, BYTES - bytes + 1) }, (_, nth) => ({ bytes: bytes + nth, trace: traceOf(traces++) }));
    await Promise.all(batch.map((one) => readBytes(era, one.trace, one.bytes)));
    wanted.push(...batch.map(({ trace }) => trace));
  }
  const ends = new Set(await endsOf(wanted));
  expect([...ends].filter((end) => end !== "complete" && !(era === "modern" && end === "cancelled"))).toEqual([]);
  // Every place is free.
  const tags = Array.from({ length: PLACES }, (_, nth) => `${era} free ${nth}`);
  const calls = tags.map((tag) => callTool(workspace, "up_held", { tag }));
  for (const tag of tags) await arrivalOf(tag);
  for (const tag of tags) finish(await arrivalOf(tag));
  for (const { status } of await Promise.all(calls)) expect(status).toBe(200);
}, 60_000);
