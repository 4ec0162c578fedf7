import { connect } from "node:net";
import { beforeAll, expect, test } from "vitest";
import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";
import { freshWorkspace, type TestWorkspace } from "./harness/workspace.ts";
import { until } from "./until.ts";

/* MCP over a WebSocket, by a client of Node's own. */

let workspace: TestWorkspace;
beforeAll(async () => {
  workspace = await freshWorkspace({ fixtures: true });
});

interface Peer {
  socket: WebSocket;
  heard: JsonObject[];
  closed: Promise<number>;
}

async function open(token = workspace.token): Promise<Peer> {
  const url = `${workspace.origin.replace("http", "ws")}/w/${workspace.slug}/ws`;
  const options: object = { protocols: ["mcp"], headers: { authorization: `Bearer ${token}` } };
  const socket: WebSocket = Reflect.construct(WebSocket, [url, options]);
  const heard: JsonObject[] = [];
  socket.addEventListener("message", ({ data }) => {
    const message: JsonValue = JSON.parse(String(data));
    if (isObject(message)) heard.push(message);
  });
  const closed = new Promise<number>((resolve) => socket.addEventListener("close", ({ code }) => resolve(code)));
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("refused")));
  });
  return { socket, heard, closed };
}

function say({ socket }: Peer, message: object): void {
  socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
}

function answer({ heard }: Peer, id: JsonValue): Promise<JsonObject> {
  return until(() => heard.find((message) => message.id === id && message.method === undefined) ?? false);
}

test("a session over one connection: handshake, calls, progress, a question and its answer", async () => {
  const peer = await open();
  expect(peer.socket.protocol).toBe("mcp");
  say(peer, { id: 0, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: { elicitation: {} }, clientInfo: { name: "t", version: "1" } } });
  expect(await answer(peer, 0)).toMatchObject({ result: { protocolVersion: "2025-11-25", serverInfo: { name: "causeway" } } });
  say(peer, { method: "notifications/initialized" });
  say(peer, { id: "p", method: "tools/call", params: { name: "test_tool_with_progress", _meta: { progressToken: 9 } } });
  expect(await answer(peer, "p")).toMatchObject({ result: { content: [{ type: "text" }] } });
  expect(peer.heard.filter(({ method }) => method === "notifications/progress").length).toBeGreaterThan(1);
  say(peer, { id: 2, method: "tools/call", params: { name: "test_elicitation", arguments: { message: "Who?" } } });
  const { id } = await until(() => peer.heard.find(({ method }) => method === "elicitation/create") ?? false);
  say(peer, { id, result: { action: "accept", content: { username: "u", email: "e@example.com" } } });
  expect(JSON.stringify(await answer(peer, 2))).toContain("e@example.com");
  peer.socket.close();
});

test("what is no text is closed with 1003, what is too long with 1009", async () => {
  const binary = await open();
  binary.socket.send(new Uint8Array([1]));
  expect(await binary.closed).toBe(1003);
  const long = await open();
  long.socket.send(`"${"x".repeat(1_100_000)}"`);
  expect(await long.closed).toBe(1009);
});

test("a token is needed, and the subprotocol", async () => {
  await expect(open("cwy_wrong")).rejects.toThrow("refused");
  const { hostname, port } = new URL(workspace.origin);
  const socket = connect(Number(port), hostname);
  socket.write(`GET /w/${workspace.slug}/ws HTTP/1.1\r\nhost: ${hostname}:${port}\r\nauthorization: Bearer ${workspace.token}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`);
  const status = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(String(data).slice(0, 12))));
  socket.destroy();
  expect(status).toBe("HTTP/1.1 400");
  expect((await fetch(`${workspace.origin}/w/${workspace.slug}/ws`)).status).toBe(426);
});
