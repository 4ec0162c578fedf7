import { createServer, type Socket } from "node:net";
import type { Running } from "./serve.ts";

export interface RawRequest {
  method: string;
  headers: Record<string, string>;
  /** Header lines as they came, names in their case. */
  lines: string[];
  body: string;
}

/** Decides byte by byte what an upstream says to one request. */
export type Script = (request: RawRequest, socket: Socket, nth: number) => void;

export interface RawUpstream extends Running {
  requests: RawRequest[];
  /** Sockets open now. */
  sockets(): number;
}

/** An upstream that does exactly what its script says, on a raw socket. Port 0: a free one. */
export async function startRaw(script: Script, port = 0): Promise<RawUpstream> {
  const requests: RawRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let pending = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      // A TLS handshake record: this is not the protocol spoken here.
      if (pending[0] === 0x16) return socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
      for (let next = takeRequest(pending); next; next = takeRequest(pending)) {
        pending = next.rest;
        requests.push(next.request);
        script(next.request, socket, requests.length);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    requests,
    sockets: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** A whole answer with its length. */
export function reply(socket: Socket, status: number, type: string, body: string | Buffer, headers: Record<string, string> = {}): void {
  const bytes = Buffer.from(body);
  socket.write(head(status, { "content-type": type, "content-length": String(bytes.length), ...headers }));
  socket.write(bytes);
}

/** The beginning of an event stream; what follows are `chunk`s. */
export function stream(socket: Socket, headers: Record<string, string> = {}): void {
  socket.write(head(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked", ...headers }));
}

export function chunk(socket: Socket, text: string): void {
  socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}

export function endChunks(socket: Socket): void {
  socket.write("0\r\n\r\n");
}

export function event(message: string): string {
  return `event: message\ndata: ${message}\n\n`;
}

export function head(status: number, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Status\r\n${lines.join("")}\r\n`;
}

/** A response to the request with `result` as raw text. */
export function answerTo(request: RawRequest, result: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(idOf(request))},"result":${result}}`;
}

export function errorTo(request: RawRequest, error: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(idOf(request))},"error":${error}}`;
}

export function idOf(request: RawRequest): unknown {
  return JSON.parse(request.body).id;
}

export function methodOf(request: RawRequest): string {
  return request.body === "" ? "" : String(JSON.parse(request.body).method);
}

/** What a well-behaved legacy server says to anything but a call. */
export function handshake(...[request, socket]: Parameters<Script>): void {
  if (methodOf(request) === "initialize") {
    const result = '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"raw","version":"1"}}';
    reply(socket, 200, "application/json", answerTo(request, result), { "mcp-session-id": "s1" });
  } else socket.write("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
}

function takeRequest(bytes: Buffer): { request: RawRequest; rest: Buffer<ArrayBuffer> } | null {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
  const length = Number(headers["content-length"] ?? 0);
  const whole = end + 4 + length;
  if (bytes.length < whole) return null;
  const request = { method: first.split(" ")[0] ?? "", headers, lines, body: bytes.subarray(end + 4, whole).toString("utf8") };
  return { request, rest: Buffer.from(bytes.subarray(whole)) };
}
