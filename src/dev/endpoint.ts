import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { timingSafeEqual } from "node:crypto";
import { badRequest, readRequest, refusal } from "./wire.ts";
import type { Answer, SqlRequest } from "./wire.ts";

/** Runs one request. `signal` fires when the client has left: nobody will read the answer. */
export type Execute = (request: SqlRequest, signal: AbortSignal) => Promise<Answer>;

export interface Endpoint {
  /** `postgresql://…@127.0.0.1:port/…`: what the driver is given. */
  url: string;
  /** Answers what is running, takes nothing more. */
  close(): Promise<void>;
}

const MAX_REQUEST_BYTES = 10 * 1024 * 1024;

/** Serves Neon's `POST /sql` on a free loopback port, for one user and one password. */
export async function serve(credentials: { user: string; password: string; database: string }, execute: Execute): Promise<Endpoint> {
  const server = createServer((request, response) => void handle(request, response, credentials, execute));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { user, password, database } = credentials;
  return {
    url: `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${portOf(server)}/${encodeURIComponent(database)}`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    }),
  };
}

async function handle(request: IncomingMessage, response: ServerResponse, expected: { user: string; password: string }, execute: Execute): Promise<void> {
  const left = new AbortController();
  // Not request.destroyed: that is true as soon as the body has been read.
  response.once("close", () => left.abort());
  const given = await respond(request, expected, execute, left.signal).catch((failure: unknown): Answer => ({ status: 500, body: String(failure) }));
  if (left.signal.aborted) return;
  const type = given.status === 507 || given.status === 500 ? "text/plain" : "application/json";
  response.writeHead(given.status, { "content-type": type, "content-length": Buffer.byteLength(given.body) }).end(given.body);
}

async function respond(request: IncomingMessage, expected: { user: string; password: string }, execute: Execute, signal: AbortSignal): Promise<Answer> {
  if (request.method !== "POST" || request.url !== "/sql") return { status: 404, body: '"no such path"' };
  if (!isAllowed(String(request.headers["neon-connection-string"] ?? ""), expected)) {
    return refusal("28P01", `password authentication failed for user "${expected.user}"`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES) return { status: 413, body: '"request is too large"' };
    chunks.push(chunk);
  }
  const parsed = readRequest(Buffer.concat(chunks).toString("utf8"), request.headers);
  return parsed ? execute(parsed, signal) : badRequest("the body is not a query");
}

function isAllowed(connectionString: string, expected: { user: string; password: string }): boolean {
  if (!URL.canParse(connectionString)) return false;
  const { username, password } = new URL(connectionString);
  return isEqual(decodeURIComponent(username), expected.user) && isEqual(decodeURIComponent(password), expected.password);
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
