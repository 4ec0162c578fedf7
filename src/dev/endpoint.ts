import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { randomBytes, timingSafeEqual } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { badRequest, readRequest, refusal } from "./wire.ts";
import type { Answer, SqlRequest } from "./wire.ts";

/** Runs one request. `signal` fires when the client has left: nobody will read the answer. */
export type Execute = (request: SqlRequest, signal: AbortSignal) => Promise<Answer>;

export interface EndpointAddress {
  /** Wished for; another one when it is taken. 0: one that is free. */
  port: number;
  password: string;
}

export interface Endpoint {
  /** `postgresql://…@127.0.0.1:port/…`: what the driver is given. */
  url: string;
  /** Resolves when nothing has been asked for `ms`. */
  quiet(ms: number): Promise<void>;
  /** Answers what is running, takes nothing more. */
  close(): Promise<void>;
}

const USER = "postgres";
const MAX_REQUEST_BYTES = 10 * 1024 * 1024;

/** Serves Neon's `POST /sql` on a loopback port, for one password. */
export async function serve(execute: Execute, address: EndpointAddress = { port: 0, password: randomBytes(16).toString("hex") }): Promise<Endpoint> {
  let running = 0;
  let lastAt = Date.now();
  const server = createServer((request, response) => {
    running += 1;
    void handle(request, response, address.password, execute).finally(() => {
      running -= 1;
      lastAt = Date.now();
    });
  });
  // workerd may send the next request at the moment an idle connection is closed, and would report a lost connection.
  server.keepAliveTimeout = 0;
  await listen(server, address.port).catch((failure: unknown) => (address.port === 0 ? Promise.reject(failure) : listen(server, 0)));
  return {
    url: `postgresql://${USER}:${encodeURIComponent(address.password)}@127.0.0.1:${portOf(server)}/postgres`,
    quiet: async (ms) => {
      while (running > 0 || Date.now() - lastAt < ms) await sleep(50);
    },
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function handle(request: IncomingMessage, response: ServerResponse, expected: string, execute: Execute): Promise<void> {
  const left = new AbortController();
  // Not request.destroyed: that is true as soon as the body has been read.
  response.once("close", () => left.abort());
  const given = await respond(request, expected, execute, left.signal).catch((failure: unknown): Answer => ({ status: 500, body: String(failure) }));
  if (left.signal.aborted) return;
  const type = given.status === 507 || given.status === 500 ? "text/plain" : "application/json";
  response.writeHead(given.status, { "content-type": type, "content-length": Buffer.byteLength(given.body) }).end(given.body);
}

async function respond(request: IncomingMessage, expected: string, execute: Execute, signal: AbortSignal): Promise<Answer> {
  if (request.method !== "POST" || request.url !== "/sql") return { status: 404, body: '"no such path"' };
  if (!isAllowed(String(request.headers["neon-connection-string"] ?? ""), expected)) {
    return refusal("28P01", `password authentication failed for user "${USER}"`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Read to its end also when it is too large: a connection with half a request on it is never idle, and holds up `close`.
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= MAX_REQUEST_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_REQUEST_BYTES) return { status: 413, body: '"request is too large"' };
  const parsed = readRequest(Buffer.concat(chunks).toString("utf8"), request.headers);
  return parsed ? execute(parsed, signal) : badRequest("the body is not a query");
}

function isAllowed(connectionString: string, expected: string): boolean {
  if (!URL.canParse(connectionString)) return false;
  const { username, password } = new URL(connectionString);
  return decodeURIComponent(username) === USER && isEqual(decodeURIComponent(password), expected);
}

function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the database endpoint has no port");
  return address.port;
}
