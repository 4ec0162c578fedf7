import type { Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EverythingServer, startEverything } from "../src/dev/companion.ts";
import { listUpstream } from "../src/targets/mcp/list.ts";
import { callTool, resultOf, toolNames } from "./caller.ts";
import { sharedGateway } from "./harness/gateway.ts";
import { until } from "./until.ts";
import { bench, callOf } from "./upstreams/context.ts";
import { chunk, errorTo, event, methodOf, type RawRequest, type RawUpstream, reply, startRaw, stream } from "./upstreams/raw.ts";

/* Upstreams that speak nothing but HTTP+SSE of 2024-11-05. */

let everything: EverythingServer;
const raws: RawUpstream[] = [];

beforeAll(async () => {
  everything = await startEverything(0, "sse");
});
afterAll(async () => {
  await Promise.all([everything?.stop(), ...raws.map((raw) => raw.close())]);
});

const LISTING = { headers: {}, timeoutMs: 20_000 };

test("the official server-everything is found out, listed and called", async () => {
  const own = bench(everything.url);
  const listing = await listUpstream(own.platform, { url: everything.url, ...LISTING });
  expect(listing.tools.map((tool) => JSON.parse(tool).name)).toEqual(expect.arrayContaining(["echo", "trigger-long-running-operation"]));
  expect(listing.prompts.length + listing.resources.length).toBeGreaterThan(1);
  const { outcome } = await own.run(callOf("tools/call", { name: "echo", arguments: { message: "hallo" } }));
  expect(JSON.stringify(outcome)).toContain("hallo");
  const args = { duration: 0.4, steps: 4 };
  const { notifications } = await own.run(callOf("tools/call", { name: "trigger-long-running-operation", arguments: args }, { progressToken: '"p"' }));
  expect(notifications.map(({ method }) => method)).toContain("notifications/progress");
});

test("a modern client calls it through the gateway", async () => {
  const workspace = await (await sharedGateway()).createWorkspace();
  await workspace.api("POST", "/upstreams", { slug: "old", url: everything.url });
  expect(await toolNames(workspace)).toContain("old_echo");
  expect(JSON.stringify(resultOf(await callTool(workspace, "old_echo", { message: "hallo" })))).toContain("hallo");
});

/** Takes GET only; says `endpoint`, and answers on the stream as `answer` decides; `initialize` with the error that `refuses` gives, if any. */
async function channelServer(endpoint: string, answer: (request: RawRequest, open: Socket) => void, refuses: (request: RawRequest) => string | null = () => null): Promise<RawUpstream> {
  let open: Socket | null = null;
  const raw = await startRaw((request, socket) => {
    if (request.method === "GET") {
      open = socket;
      stream(socket);
      return chunk(socket, `event: endpoint\ndata: ${endpoint}\n\n`);
    }
    const said = methodOf(request);
    if (said === "server/discover" || (said === "initialize" && open === null)) return reply(socket, 405, "text/plain", "");
    socket.write("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
    const refused = said === "initialize" ? refuses(request) : null;
    if (open && refused !== null) chunk(open, event(errorTo(request, refused)));
    else if (open && said === "initialize") chunk(open, event(answerOf(request, '{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"raw","version":"1"}}')));
    else if (open && said !== "notifications/initialized") answer(request, open);
  });
  raws.push(raw);
  return raw;
}

function answerOf(request: RawRequest, result: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(JSON.parse(request.body).id)},"result":${result}}`;
}

test("it is remembered: the next call does not try to POST first; every call has its own connection, closed after it", async () => {
  const raw = await channelServer("messages?s=1", (request, open) => chunk(open, event(answerOf(request, '{"content":[],"big":12345678901234567890}'))));
  const own = bench(raw.url);
  const call = () => own.run(callOf("tools/call", { name: "t" }));
  const { outcome } = await call();
  expect(outcome).toMatchObject({ result: '{"content":[],"big":12345678901234567890}' });
  const first = raw.requests.map((request) => `${request.method} ${methodOf(request)}`.trim());
  expect(first).toEqual(["POST server/discover", "POST initialize", "GET", "POST initialize", "POST notifications/initialized", "POST tools/call"]);
  await call();
  expect(raw.requests.slice(first.length).map((request) => `${request.method} ${methodOf(request)}`.trim())).toEqual(first.slice(2));
});

test("one that refuses to initialize and names its revision is asked with that one", async () => {
  const refused = '{"code":-32602,"message":"Unsupported protocol version","data":{"supported":["2024-11-05"]}}';
  const says = (request: RawRequest, open: Socket) => chunk(open, event(answerOf(request, '{"content":[]}')));
  const raw = await channelServer("messages", says, (request) => (request.body.includes('"2024-11-05"') ? null : refused));
  expect((await bench(raw.url).run(callOf("tools/call", { name: "t" }))).outcome).toMatchObject({ type: "complete" });
  expect(raw.requests.filter((request) => request.method === "POST").map(methodOf).slice(-4)).toEqual(["initialize", "initialize", "notifications/initialized", "tools/call"]);
});

test("what it sends may be a batch", async () => {
  const progress = (token: string) => `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"${token}","progress":1}}`;
  const raw = await channelServer("messages", (request, open) => chunk(open, event(`[${progress(JSON.parse(request.body).params._meta.progressToken)},${answerOf(request, '{"content":[]}')}]`)));
  const { outcome, notifications } = await bench(raw.url).run(callOf("tools/call", { name: "t" }, { progressToken: '"p"' }));
  expect([notifications.length, outcome]).toEqual([1, { type: "complete", result: '{"content":[]}' }]);
});

test("a call that is cancelled is said so before its connection closes", async () => {
  const raw = await channelServer("messages", () => undefined);
  const own = bench(raw.url);
  const ctx = own.context();
  const pending = own.start(callOf("tools/call", { name: "t" }), ctx).next();
  pending.catch(() => undefined);
  const called = await until(() => raw.requests.find((request) => methodOf(request) === "tools/call") ?? false);
  ctx.abort();
  await expect(pending).rejects.toMatchObject({ code: "cancelled" });
  const cancelled = await until(() => raw.requests.find((request) => methodOf(request) === "notifications/cancelled") ?? false);
  expect(JSON.parse(cancelled.body).params.requestId).toBe(JSON.parse(called.body).id);
});

test("an endpoint at another origin gets nothing", async () => {
  const stranger = await startRaw((_, socket) => reply(socket, 202, "text/plain", ""));
  raws.push(stranger);
  const raw = await channelServer(stranger.url, () => undefined);
  await expect(bench(raw.url).run(callOf("tools/call", { name: "t" }))).rejects.toMatchObject({ code: expect.stringMatching(/^upstream/) });
  await expect(listUpstream(bench(raw.url).platform, { url: raw.url, ...LISTING })).rejects.toMatchObject({ code: expect.stringMatching(/^upstream/) });
  expect(stranger.requests).toEqual([]);
});

test("a server that is neither is an upstream's refusal, and stays one", async () => {
  const raw = await startRaw((_, socket) => reply(socket, 404, "text/plain", "no"));
  raws.push(raw);
  await expect(bench(raw.url).run(callOf("tools/call", { name: "t" }))).rejects.toMatchObject({ code: "upstream", data: { status: 404 } });
  await expect(listUpstream(bench(raw.url).platform, { url: raw.url, ...LISTING })).rejects.toMatchObject({ code: "upstream", data: { status: 404 } });
});
