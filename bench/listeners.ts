import { Agent, request, type IncomingMessage } from "node:http";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { startGateway, type TestWorkspace } from "../test/harness/gateway.ts";
import { Void } from "./rounds.ts";
import { answer, call } from "./shots.ts";
import { residentMiB } from "./workerd.ts";

const PRINCIPALS = 200;
/** Of each principal, half of them modern, half GET streams of legacy sessions. */
const STREAMS = 10;
const SETTLE_MS = 60_000;
const AT_ONCE = 50;
const PATIENCE_MS = 30_000;

/** What 2,000 listeners who hear nothing cost workerd in MiB of resident memory, and how many ms a change takes to the last of them. */
export async function listeners(note: (line: string) => void): Promise<{ memory: number; reach: number }> {
  const gateway = await startGateway({ entry: fileURLToPath(new URL("worker.ts", import.meta.url)) });
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const streams: Stream[] = [];
  try {
    const workspace = await gateway.createWorkspace();
    await workspace.api("POST", "/builtins", { names: ["bench/echo", "bench/announce"] });
    const tokens = await tokensOf(workspace);
    const endpoint = `${[...gateway.runtime.origins.values()][0]}/w/${workspace.slug}/mcp`;
    for (const token of tokens) await answer(call(endpoint, token, "echo", { text: "warm" }));
    const idle = residentMiB();
    for (let at = 0; at < tokens.length * STREAMS; at += AT_ONCE) {
      streams.push(...(await Promise.all(Array.from({ length: AT_ONCE }, (_, nth) => openStream(endpoint, tokens[(at + nth) % PRINCIPALS] ?? "", (at + nth) % (2 * PRINCIPALS) < PRINCIPALS, agent)))));
    }
    note(`listeners: ${streams.length} open, ${(residentMiB() - idle).toFixed(0)} MiB at once`);
    await sleep(SETTLE_MS);
    const memory = residentMiB() - idle;
    const start = performance.now();
    await answer(call(endpoint, workspace.token, "announce", {}));
    const heard = await Promise.all(streams.map((stream) => stream.heard));
    const reach = Math.max(...heard) - start;
    note(`listeners: ${memory.toFixed(0)} MiB after ${SETTLE_MS / 1000} s, a change reached the last of them in ${reach.toFixed(0)} ms`);
    return { memory, reach };
  } finally {
    for (const { incoming } of streams) incoming.destroy();
    agent.destroy();
    await gateway.stop();
  }
}

interface Stream {
  incoming: IncomingMessage;
  /** When it said that the tools changed. */
  heard: Promise<number>;
}

async function openStream(endpoint: string, token: string, modern: boolean, agent: Agent): Promise<Stream> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", accept: "application/json, text/event-stream" };
  const incoming = modern ? await listen(endpoint, headers, agent) : await get(endpoint, headers, agent);
  incoming.setEncoding("utf8");
  const heard = new Promise<number>((resolve, reject) => {
    incoming.on("data", (text: string) => text.includes("tools/list_changed") && resolve(performance.now()));
    incoming.on("close", () => reject(new Void("a listener lost its stream")));
    setTimeout(() => reject(new Void("a listener was not told")), SETTLE_MS + 10 * PATIENCE_MS).unref();
  });
  heard.catch(() => undefined);
  return { incoming, heard };
}

function listen(endpoint: string, headers: Record<string, string>, agent: Agent): Promise<IncomingMessage> {
  const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params: { notifications: { toolsListChanged: true }, _meta } });
  return send("POST", endpoint, { ...headers, "mcp-protocol-version": "2026-07-28", "mcp-method": "subscriptions/listen" }, agent, body);
}

async function get(endpoint: string, headers: Record<string, string>, agent: Agent): Promise<IncomingMessage> {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "1" } };
  const opened = await send("POST", endpoint, headers, agent, JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }));
  opened.resume();
  return send("GET", endpoint, { ...headers, accept: "text/event-stream", "mcp-session-id": String(opened.headers["mcp-session-id"]) }, agent);
}

function send(method: string, url: string, headers: Record<string, string>, agent: Agent, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent }, (incoming) => (incoming.statusCode === 200 ? resolve(incoming) : reject(new Void(`a listener was answered ${incoming.statusCode}`))));
    sent.on("error", reject);
    sent.end(body);
  });
}

async function tokensOf(workspace: TestWorkspace): Promise<string[]> {
  const made: string[] = [];
  for (let nth = 0; nth < PRINCIPALS; nth++) made.push(String(Object(await workspace.api("POST", "/tokens", { name: `listener ${nth}`, scopes: ["mcp:read", "mcp:call"] })).token));
  return made;
}
