import { authenticate } from "../access/authenticate.ts";
import { randomToken } from "../lib/ids.ts";
import type { Platform } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { BAD_LEGACY_HTTP, INVALID_REQUEST, PARSE_ERROR } from "../protocol/jsonrpc.ts";
import { frame, KEEP_ALIVE } from "../protocol/sse.ts";
import { knownSession } from "../sessions/known.ts";
import { mintSession } from "../sessions/token.ts";
import { readBody } from "./body.ts";
import { Carrier } from "./carrier.ts";
import { type Execution, mcp, type Route } from "./mcp.ts";
import { withOrigin } from "./origin.ts";
import { refuse, refuseAuth } from "./refusals.ts";
import { absent } from "./toolset.ts";

/** A stream is good for a day, or as long as the credential that opened it. */
const STREAM_MS = 24 * 60 * 60_000;
/** A backstop for an idle stream: what is said over it is checked message by message. */
const RECHECK_MS = 5 * 60_000;
const REVISION = "2024-11-05";

const HEADERS = { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" };

/**
 * `GET …/sse`: the stream of the HTTP+SSE transport (MCP 2024-11-05). Its first event names where to POST; what is posted there, in whichever isolate,
 * comes here over the Session object, runs here, and is answered here: the open stream is what keeps the work alive.
 */
export function openStream(request: Request, platform: Platform, execution: Execution, route: Route): Promise<Response> {
  return withOrigin(request, platform.config, async (place) => {
    if (request.method !== "GET") return refuse(405, "method not allowed", BAD_LEGACY_HTTP, { allow: "GET" });
    const authorization = request.headers.get("authorization");
    const allowed = () => authenticate(platform, route.slug, authorization, null, (work) => execution.waitUntil(work));
    const auth = await allowed();
    if (!auth.ok) return refuseAuth(auth, place);
    const { workspace, principal } = auth;
    const missing = await absent(request, principal, platform, execution, route);
    if (missing) return missing;
    const now = platform.now();
    const expiresAt = Math.min(now + STREAM_MS, principal.expiresAt ?? Infinity);
    const id = randomToken(16);
    const claims = { id, workspace: workspace.id, principal: principal.id, revision: REVISION, capabilities: {}, clientInfo: null, expiresAt };
    const endpoint = `${messagesPath(place.pathname, route)}?sessionId=${await mintSession(platform.config.masterKey, claims)}`;
    const socket = await line(platform, id);
    const post = (message: Request) => mcp(message, platform, execution, { ...route, framed: true });
    const stream = new Stream({ request, socket, post, waitUntil: (work) => execution.waitUntil(work), pendingBytes: platform.config.limits.streamPendingBytes });
    const expiry = setTimeout(() => stream.close(), expiresAt - now);
    const recheck = setInterval(() => void Promise.resolve(allowed()).then((still) => still.ok || still.status === 503 || stream.close(), ignore), RECHECK_MS);
    const keepAlive = setInterval(() => stream.say(KEEP_ALIVE), platform.config.limits.keepAliveMs);
    execution.waitUntil(
      stream.closed.then(() => {
        clearTimeout(expiry);
        clearInterval(recheck);
        clearInterval(keepAlive);
      }),
    );
    stream.say(`event: endpoint\ndata: ${endpoint}\n\n`);
    return new Response(stream.body, { headers: HEADERS });
  });
}

/** `POST …/messages?sessionId=…`: hands one message to the stream it belongs to. 202: it has arrived there; the answer comes on the stream. */
export function deliver(request: Request, platform: Platform, execution: Execution, { slug }: Route): Promise<Response> {
  return withOrigin(request, platform.config, async (place) => {
    if (request.method !== "POST") return refuse(405, "method not allowed", BAD_LEGACY_HTTP, { allow: "POST" });
    const { bodyBytes } = platform.config.limits;
    const bytes = await readBody(request, bodyBytes);
    const auth = await authenticate(platform, slug, request.headers.get("authorization"), null, (work) => execution.waitUntil(work));
    if (!auth.ok) return refuseAuth(auth, place);
    const claims = await knownSession(platform.config.masterKey, slug, new URL(request.url).searchParams.get("sessionId") ?? "", platform.now());
    if (claims?.workspace !== auth.workspace.id || claims.principal !== auth.principal.id) return refuse(404, "session not found", -32001);
    if (bytes === null) return refuse(413, `the body is larger than bodyBytes (${bodyBytes})`, INVALID_REQUEST);
    const text = textOf(new Uint8Array(bytes));
    if (text === null) return refuse(400, "the body is not UTF-8", PARSE_ERROR);
    const arrived = await platform.session(claims.id).deliver(text);
    return arrived ? new Response("Accepted", { status: 202 }) : refuse(404, "session not found", -32001);
  });
}

/** Where to POST: beside the stream, whatever stands before it in the path. */
function messagesPath(pathname: string, { toolset }: Route): string {
  const parts = pathname.split("/");
  parts[parts.length - (toolset === null ? 1 : 2)] = "messages";
  return parts.join("/");
}

interface StreamOptions {
  request: Request;
  socket: WebSocket;
  post(message: Request): Promise<Response>;
  waitUntil(work: Promise<unknown>): void;
  pendingBytes: number;
}

/** One open stream: messages in by its line, answers out by its body. A client that reads too slowly loses it. */
class Stream {
  readonly body: ReadableStream<Uint8Array>;
  readonly closed: Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  readonly #gone = new AbortController();
  readonly #encoder = new TextEncoder();
  readonly #socket: WebSocket;
  readonly #pendingBytes: number;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;

  constructor({ request, socket, post, waitUntil, pendingBytes }: StreamOptions) {
    this.closed = this.#end.promise;
    this.#socket = socket;
    this.#pendingBytes = pendingBytes;
    const carrier = new Carrier({ opening: request, gone: this.#gone.signal, post, waitUntil, emit: (message) => this.say(frame(message)) });
    this.body = new ReadableStream<Uint8Array>(
      { start: (controller) => void (this.#controller = controller), cancel: () => this.#leave() },
      new ByteLengthQueuingStrategy({ highWaterMark: 64 * 1024 }),
    );
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") void carrier.carry(data);
    });
    socket.addEventListener("close", () => this.close());
    socket.accept();
  }

  say(text: string): void {
    if (!this.#controller) return;
    if ((this.#controller.desiredSize ?? 0) < -this.#pendingBytes) return this.close();
    this.#controller.enqueue(this.#encoder.encode(text));
  }

  close(): void {
    this.#controller?.close();
    this.#leave();
  }

  #leave(): void {
    if (!this.#controller) return;
    this.#controller = null;
    this.#socket.close(1000);
    this.#gone.abort();
    this.#end.resolve();
  }
}

async function line(platform: Platform, id: string): Promise<WebSocket> {
  const response = await platform.session(id).fetch(new Request("https://session/sse", { headers: { upgrade: "websocket" } }));
  if (!response.webSocket) throw new GatewayError("unavailable", "streams are not available now", { retryAfter: 5 });
  return response.webSocket;
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function ignore(): void {}
