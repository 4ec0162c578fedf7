import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { isObject, type JsonObject, type JsonValue } from "../../src/model/json.ts";
import { SseReader } from "../../src/protocol/sse.ts";
import { FrameReader } from "./frames.ts";

/** One JSON-RPC message on its way through a tap. */
export interface Crossing {
  /** Sent by the side that opened the connection, or by the one that was called. */
  way: "in" | "out";
  message: JsonObject;
  /** Of the HTTP request that carried it; of the upgrade for a WebSocket. Of a message that came back: of the request it came back to. */
  headers: IncomingHttpHeaders;
  /** Method of the request that a response answers; null for what is no response. */
  asked: string | null;
}

/** A wire-level proxy in front of one HTTP server, that keeps every message of both directions in their order. Ends and disconnects pass. */
export interface Tap {
  origin: string;
  crossings: Crossing[];
  close(): Promise<void>;
}

/** `added`: headers for what goes in, where a client cannot be made to send them. */
export async function startTap(target: string, added: Record<string, string> = {}): Promise<Tap> {
  const { hostname, port } = new URL(target);
  const crossings: Crossing[] = [];
  const asked = { in: new Map<string, string>(), out: new Map<string, string>() };
  const sockets = new Set<Duplex>();

  // What goes to the management API is no MCP.
  const isMcp = ({ url = "" }: IncomingMessage) => !url.startsWith("/api/");
  const note = (way: Crossing["way"], headers: IncomingHttpHeaders, text: string) => {
    const value: JsonValue = JSON.parse(text);
    for (const message of (Array.isArray(value) ? value : [value]).filter(isObject)) {
      const id = JSON.stringify(message.id);
      const isResponse = message.method === undefined;
      if (!isResponse && message.id !== undefined) asked[way].set(id, String(message.method));
      crossings.push({ way, message, headers, asked: isResponse ? (asked[way === "in" ? "out" : "in"].get(id) ?? null) : null });
    }
  };

  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const body = await buffer(incoming);
    const headers = { ...incoming.headers, ...added };
    if (body.length > 0 && isMcp(incoming)) note("in", headers, body.toString());
    // A connection each: none that is kept can be closed at the moment it is used.
    const onward = request({ hostname, port, method: incoming.method, path: incoming.url, headers, agent: false });
    outgoing.once("close", () => onward.destroy());
    onward.once("error", () => outgoing.destroy());
    onward.once("response", (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      outgoing.flushHeaders();
      const read = readerOf(response, (text) => isMcp(incoming) && note("out", headers, text));
      response.on("data", (chunk: Buffer) => {
        read(chunk);
        outgoing.write(chunk);
      });
      response.once("end", () => outgoing.end());
      response.once("error", () => outgoing.destroy());
    });
    onward.end(body);
  };

  const upgrade = (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    const server = connect(Number(port), hostname);
    join(client, server, sockets);
    // Frames are read here, so none may be compressed.
    const { "sec-websocket-extensions": _, ...kept } = incoming.headers;
    const headers: IncomingHttpHeaders = { ...kept, ...added };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
    server.write(`GET ${incoming.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    const [inward, outward] = [new FrameReader(), new FrameReader()];
    const sent = (chunk: Buffer) => {
      for (const text of inward.feed(chunk)) note("in", headers, text);
      server.write(chunk);
    };
    if (head.length > 0) sent(head);
    client.on("data", sent);
    const opening: Buffer[] = [];
    let opened = false;
    server.on("data", (chunk: Buffer) => {
      client.write(chunk);
      if (!opened) opening.push(chunk);
      const start = opened ? 0 : Buffer.concat(opening).indexOf("\r\n\r\n") + 4;
      if (!opened && start < 4) return;
      const frames = opened ? chunk : Buffer.concat(opening).subarray(start);
      opened = true;
      for (const text of outward.feed(frames)) note("out", headers, text);
    });
  };

  const server = createServer((incoming, outgoing) => void pass(incoming, outgoing).catch(() => outgoing.destroy()));
  server.on("upgrade", upgrade);
  // workerd may send the next request at the moment an idle connection is closed, and would report a lost connection.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the tap has no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    crossings,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

export function callsIn(crossings: readonly Crossing[]): Crossing[] {
  return crossings.filter(({ message }) => message.method === "tools/call");
}

/** Finds the messages in a response body. */
function readerOf(response: IncomingMessage, found: (text: string) => void): (chunk: Buffer) => void {
  const type = response.headers["content-type"] ?? "";
  const decoder = new TextDecoder();
  if (type.startsWith("text/event-stream")) {
    const reader = new SseReader(Infinity);
    return (chunk) => {
      // The first event of HTTP+SSE is an address, and that of a resumable stream is empty.
      for (const { event, data } of reader.feed(decoder.decode(chunk, { stream: true }))) if (event === "message" && data !== "") found(data);
    };
  }
  const chunks: Buffer[] = [];
  if (type.startsWith("application/json")) response.once("end", () => chunks.length > 0 && found(Buffer.concat(chunks).toString()));
  return (chunk) => void chunks.push(chunk);
}

function join(client: Duplex, server: Socket, sockets: Set<Duplex>): void {
  for (const [one, other] of [[client, server], [server, client]] as const) {
    sockets.add(one);
    one.on("error", () => other.destroy());
    one.on("close", () => {
      sockets.delete(one);
      other.destroy();
    });
  }
}
