import { DurableObject } from "cloudflare:workers";
import type { LogLevel } from "../model/call.ts";
import type { SessionApi } from "../model/context.ts";
import { platformOf, type Env } from "../platform.ts";
import { Cancels } from "./cancels.ts";
import { KeptState } from "./kept.ts";
import type { JsonText } from "../model/json.ts";
import type { Answer } from "./line.ts";
import { Parking } from "./parking.ts";
import { SESSION_ENDED } from "./running.ts";

const LINES: readonly string[] = ["/line", "/running", "/stream", "/sse"];
/** Tag of the sockets behind the session's GET stream; at most one is open. */
const STREAM = "stream";
/** However long a session id may be good for, its state is gone after this. */
const CEILING_MS = 24 * 60 * 60_000;

/** Tag of the socket behind a stream of HTTP+SSE, whose session has nothing else. */
const SSE = "sse";

/**
 * The state of one legacy session that needs some: its log level, its resource subscriptions, and the lines to what runs or
 * listens in other isolates. Stores nothing before there is something to keep; that ends with DELETE, or by alarm with the
 * session id's own expiry, a day at most. Under a name of its own it is the place where one call runs that may ask in the
 * middle, of whichever era its client is.
 */
export class Session extends DurableObject<Env> implements SessionApi {
  readonly #kept: KeptState;
  readonly #cancels = new Cancels();
  readonly #now: () => number;
  readonly #parking: Parking;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#kept = new KeptState(state.storage.sql);
    this.#now = platformOf(env).now;
    this.#parking = new Parking(this.#now, () => void state.storage.setAlarm(this.#now()));
  }

  /** `until`: Unix ms at which the session id expires. */
  async setLevel(level: LogLevel, until: number): Promise<void> {
    this.#kept.setLevel(level);
    await this.#keepUntil(until);
  }

  async level(): Promise<LogLevel | null> {
    return this.#kept.level();
  }

  async subscribe(uri: string, until: number): Promise<boolean> {
    if (!this.#kept.subscribe(uri)) return false;
    await this.#keepUntil(until);
    this.#tellStream();
    return true;
  }

  async unsubscribe(uri: string): Promise<void> {
    this.#kept.unsubscribe(uri);
    this.#tellStream();
  }

  /**
   * The lines, as WebSocket upgrades from our own Worker. `/line`: a call that asks; it sends the ids of its open questions, and gets
   * their answers. `/running?id=`: a call that can be cancelled; it gets one message when it is. `/stream`: the GET stream; it gets
   * the subscribed URIs, now and whenever they change, and takes the place of the one before. `/sse`: an
   * HTTP+SSE stream; it gets what is delivered. Every other path belongs to a call that runs here.
   */
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (!LINES.includes(pathname)) return this.#parking.fetch(request);
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return new Response(null, { status: 500 });
    if (pathname === "/running") this.#acceptCall(server, searchParams.get("id") ?? "");
    else if (pathname === "/stream") this.#acceptStream(server);
    else this.ctx.acceptWebSocket(server, pathname === "/sse" ? [SSE] : []);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(line: WebSocket, ids: string): void {
    line.serializeAttachment(JSON.parse(ids));
  }

  override webSocketClose(line: WebSocket): void {
    line.close(1000);
  }

  async answer(answer: Answer): Promise<boolean> {
    const line = this.ctx.getWebSockets().find((open) => asksFor(open, answer.id));
    line?.send(JSON.stringify(answer));
    return line !== undefined;
  }

  async cancel(call: string): Promise<boolean> {
    const calls = this.ctx.getWebSockets(tagOf(call));
    for (const line of calls) line.send("cancel");
    if (calls.length === 0) this.#cancels.put(call, this.#now());
    return calls.length > 0;
  }

  async deliver(message: JsonText): Promise<boolean> {
    const [stream] = this.ctx.getWebSockets(SSE);
    stream?.send(message);
    return stream !== undefined;
  }

  async end(): Promise<void> {
    for (const line of this.ctx.getWebSockets()) line.close(SESSION_ENDED, "session ended");
    await this.ctx.storage.deleteAll();
  }

  /**
   * A session's end; or a call has begun to wait. Without a request an object is evicted after a minute or two, whatever it
   * awaits, so this event lasts as long as the call (15 minutes are allowed). Run again after an eviction it finds nothing, and tidies up.
   */
  override async alarm(): Promise<void> {
    await this.#parking.over;
    await this.end();
  }

  #acceptCall(line: WebSocket, call: string): void {
    this.ctx.acceptWebSocket(line, [tagOf(call)]);
    if (this.#cancels.take(call, this.#now())) line.send("cancel");
  }

  #acceptStream(stream: WebSocket): void {
    for (const older of this.ctx.getWebSockets(STREAM)) older.close(SUPERSEDED, "another stream took its place");
    this.ctx.acceptWebSocket(stream, [STREAM]);
    stream.send(JSON.stringify(this.#kept.uris()));
  }

  #tellStream(): void {
    const streams = this.ctx.getWebSockets(STREAM);
    if (streams.length === 0) return;
    const uris = JSON.stringify(this.#kept.uris());
    for (const stream of streams) stream.send(uris);
  }


  async #keepUntil(until: number): Promise<void> {
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Math.min(until, this.#now() + CEILING_MS));
  }
}

/** Close code of our own (RFC 6455 7.4.2). */
const SUPERSEDED = 4409;

function tagOf(call: string): string {
  return `call ${call}`;
}

function asksFor(line: WebSocket, id: string): boolean {
  const ids: unknown = line.deserializeAttachment();
  return Array.isArray(ids) && ids.includes(id);
}
