import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { isObject, type JsonObject, type JsonValue } from "../../src/model/json.ts";

/**
 * One server that many tenants share, modern at `/modern` and with sessions at `/legacy`: everything has the same name for all of them, every answer
 * comes after a random delay and carries the mark of the tenant whose secret it was asked with.
 */
export interface SharedUpstream {
  origin: string;
  /** Requests in the session of another tenant, or with a secret that nobody has. */
  breaches: string[];
  close(): Promise<void>;
}

const MOST_MS = 40;
const FRESH = { resultType: "complete", ttlMs: 0, cacheScope: "private" };
const INPUT = { type: "object", properties: { text: { type: "string" } } };

/** `marks`: a tenant's mark by its secret. */
export async function startShared(marks: ReadonlyMap<string, string>): Promise<SharedUpstream> {
  const breaches: string[] = [];
  const sessions = new Map<string, string>();
  const server = createServer(async (request, response) => {
    const secret = (request.headers.authorization ?? "").replace("Bearer ", "");
    const message: JsonValue = JSON.parse((await text(request)) || "null");
    await pause(Math.random() * MOST_MS);
    const mark = marks.get(secret);
    const legacy = request.url === "/legacy";
    if (mark === undefined || (legacy && !inOwnSession(request, message, sessions, secret))) {
      breaches.push(`${request.url} ${JSON.stringify(message)}`);
      response.writeHead(400).end();
    } else if (request.method !== "POST" || !isObject(message) || message.id === undefined) response.writeHead(202).end();
    else answer(response, message, mark, legacy, () => openSession(sessions, secret));
  });
  // workerd may send the next request at the moment an idle connection is closed, and would report a lost connection
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    breaches,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function inOwnSession(request: IncomingMessage, message: JsonValue, sessions: ReadonlyMap<string, string>, secret: string): boolean {
  const session = request.headers["mcp-session-id"];
  if (typeof session === "string") return sessions.get(session) === secret;
  return isObject(message) && (message.method === "initialize" || message.method === "server/discover");
}

function openSession(sessions: Map<string, string>, secret: string): string {
  const session = randomUUID();
  sessions.set(session, secret);
  return session;
}

function answer(response: ServerResponse, { id = null, method, params }: JsonObject, mark: string, legacy: boolean, open: () => string): void {
  const asked = isObject(params) ? params : {};
  const result = resultOf(String(method), asked, mark, legacy);
  const body = result ? { jsonrpc: "2.0", id, result } : { jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } };
  const session = method === "initialize" ? { "mcp-session-id": open() } : {};
  if (method !== "tools/call") {
    response.writeHead(200, { "content-type": "application/json", ...session }).end(JSON.stringify(body));
    return;
  }
  const { progressToken = null } = isObject(asked._meta) ? asked._meta : {};
  const progress = { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, progress: 1, message: `on it for ${mark}` } };
  response.writeHead(200, { "content-type": "text/event-stream" });
  if (progressToken !== null) response.write(`data: ${JSON.stringify(progress)}\n\n`);
  setTimeout(() => response.end(`data: ${JSON.stringify(body)}\n\n`), Math.random() * MOST_MS);
}

function resultOf(method: string, params: JsonObject, mark: string, legacy: boolean): JsonObject | null {
  const capabilities = { tools: {}, prompts: {}, resources: {} };
  switch (method) {
    case "server/discover":
      return legacy ? null : { ...FRESH, supportedVersions: ["2026-07-28"], capabilities };
    case "initialize":
      return { protocolVersion: "2025-11-25", capabilities, serverInfo: { name: "shared", version: "1" } };
    case "tools/list":
      return { ...FRESH, tools: [{ name: "echo", description: `Echoes for ${mark}`, inputSchema: INPUT }] };
    case "prompts/list":
      return { ...FRESH, prompts: [{ name: "greet", description: `Greets for ${mark}` }] };
    case "resources/list":
      return { ...FRESH, resources: [{ uri: "shared://notes", name: "notes", description: `Notes of ${mark}` }] };
    case "resources/templates/list":
      return { ...FRESH, resourceTemplates: [] };
    case "tools/call":
      return { resultType: "complete", content: [{ type: "text", text: `${mark} said ${JSON.stringify(params.arguments)}` }] };
    case "prompts/get":
      return { resultType: "complete", messages: [{ role: "user", content: { type: "text", text: `hello ${mark}` } }] };
    case "resources/read":
      return { ...FRESH, contents: [{ uri: String(params.uri), text: `notes of ${mark}` }] };
    default:
      return null;
  }
}
