import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";

/**
 * A modern upstream with one tool, `hold`: it reports progress and then waits until the test releases it. A caller that sees
 * the progress only when the call has ended never gets that far.
 */
export interface HoldingUpstream {
  url: string;
  /** Announces one call; it ends after `release`. Calls that were not announced never end. */
  next(): { release(): void };
  close(): Promise<void>;
}

const HOLD = { name: "hold", description: "Reports progress and waits", inputSchema: { type: "object" } };
const NEVER = new Promise<void>(() => {});
const FRESH = { ttlMs: 0, cacheScope: "private" };

export async function startHolding(): Promise<HoldingUpstream> {
  const announced: Promise<void>[] = [];
  const server = createServer((request, response) => void answer(request, response, announced));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the upstream has no port");
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    next: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      announced.push(promise);
      return { release: resolve };
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, announced: Promise<void>[]): Promise<void> {
  const message: JsonValue = JSON.parse((await text(request)) || "{}");
  const { id = null, method, params } = isObject(message) ? message : {};
  switch (method) {
    case "server/discover":
      return end(response, id, { ...FRESH, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } });
    case "tools/list":
      return end(response, id, { ...FRESH, tools: [HOLD] });
    case "tools/call":
      return hold(response, id, params, announced.shift() ?? NEVER);
    default:
      response.writeHead(404, { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } }));
  }
}

async function hold(response: ServerResponse, id: JsonValue, params: JsonValue | undefined, released: Promise<void>): Promise<void> {
  const meta = isObject(params) && isObject(params._meta) ? params._meta : {};
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const progress = { progressToken: meta.progressToken ?? null, progress: 1, message: "holding" };
  response.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: progress }));
  await released;
  response.end(event({ jsonrpc: "2.0", id, result: { resultType: "complete", content: [{ type: "text", text: "released" }] } }));
}

function end(response: ServerResponse, id: JsonValue, result: JsonObject): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id, result: { resultType: "complete", ...result } }));
}

function event(message: JsonObject): string {
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`;
}
