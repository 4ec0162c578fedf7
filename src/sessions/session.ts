import { DurableObject } from "cloudflare:workers";
import type { LogLevel } from "../model/call.ts";
import type { SessionApi } from "../model/context.ts";
import { platformOf, type Env } from "../platform.ts";
import { Early } from "./early.ts";
import { KeptState } from "./kept.ts";
import type { JsonText } from "../model/json.ts";
import type { Answer } from "./line.ts";
import { ReplayLog } from "./log.ts";
import { Parking } from "./parking.ts";
import { Replay } from "./replay.ts";
import { SESSION_ENDED } from "./tie.ts";

const LINES: readonly string[] = ["/line", "/running", "/sse"];
/** Of streams that can be had again. */
const KEPT_LINES: readonly string[] = ["/log", "/tail", "/stream", "/socket"];
/** However long a session id may be good for, its state is gone after this. */
const CEILING_MS = 24 * 60 * 60_000;

/** Of a client that cancels more than that at once, the oldest are forgotten: cancelling is a courtesy (MCP 2025-11-25, cancellation). */
const MAX_CANCELS = 2_000;
/** Answers whose line is just being opened anew; each may be as long as a body. */
const MAX_ANSWERS = 8;

/** Tag of the socket behind a stream of HTTP+SSE, whose session has nothing else. */
const SSE = "sse";

/**
 * The state of one legacy session that needs some: its log level, its resource subscriptions, what its streams said of late, and the lines to
 * what runs or listens in other isolates. Stores nothing before there is something to keep; that ends with DELETE, or by alarm: level and
 * subscriptions with the session id's own expiry, a day at most, what was said after `replayMs`. Under a name of its own it is the place
 * where one call runs that may ask in the middle, of whichever era its client is.
 */
export class Session extends DurableObject<Env> implements SessionApi {
  readonly #kept: KeptState;
  readonly #cancels = new Early<true>(MAX_CANCELS);
  readonly #answers = new Early<Answer>(MAX_ANSWERS);
  readonly #now: () => number;
  readonly #parking: Parking;
  readonly #log: ReplayLog;
  readonly #replay: Replay;
  /** In memory is enough: a call that runs when its session ends makes itself known within a second. */
  #ended = false;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#kept = new KeptState(state.storage.sql);
    const { now, config } = platformOf(env);
    this.#now = now;
    this.#log = new ReplayLog(state.storage.sql, config.limits, now);
    this.#replay = new Replay(state, this.#log, () => this.#kept.uris(), () => state.waitUntil(this.#wake()));
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
    this.#replay.tellUris();
    return true;
  }

  async unsubscribe(uri: string): Promise<void> {
    this.#kept.unsubscribe(uri);
    this.#replay.tellUris();
  }

  /**
   * The lines, as WebSocket upgrades from our own Worker. `/line`: a call that asks; it sends the ids of its open questions, and gets
   * their answers. `/running?id=`: a call that can be cancelled; it gets one message when it is. `/sse`: an
   * HTTP+SSE stream; it gets what is delivered. Those of `sessions/replay`; the GET stream also gets the subscribed URIs, now and
   * whenever they change. Every other path belongs to a call that runs here.
   */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const { pathname } = url;
    const kept = KEPT_LINES.includes(pathname);
    if (!kept && !LINES.includes(pathname)) return this.#parking.fetch(request);
    const [client, server] = Object.values(new WebSocketPair());
    if (!client || !server) return new Response(null, { status: 500 });
    if (kept) this.#replay.accept(url, server);
    else if (pathname === "/running") this.#acceptCall(server, url.searchParams.get("id") ?? "");
    else this.ctx.acceptWebSocket(server, pathname === "/sse" ? [SSE] : []);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(line: WebSocket, text: string): void {
    if (this.#replay.heard(line, text)) return;
    const ids: string[] = JSON.parse(text);
    line.serializeAttachment(ids);
    for (const id of ids) {
      const early = this.#answers.take(id, this.#now());
      if (early) line.send(JSON.stringify(early));
    }
  }

  override webSocketClose(line: WebSocket): void {
    this.#replay.left(line);
    line.close(1000);
  }

  async answer(answer: Answer): Promise<boolean> {
    const line = this.ctx.getWebSockets().find((open) => asksFor(open, answer.id));
    if (line) line.send(JSON.stringify(answer));
    else this.#answers.put(answer.id, answer, this.#now());
    return line !== undefined;
  }

  async cancel(call: string): Promise<boolean> {
    const calls = this.ctx.getWebSockets(tagOf(call));
    for (const line of calls) line.send("cancel");
    if (calls.length === 0) this.#cancels.put(call, true, this.#now());
    return calls.length > 0;
  }

  async deliver(message: JsonText): Promise<boolean> {
    const [stream] = this.ctx.getWebSockets(SSE);
    stream?.send(message);
    return stream !== undefined;
  }

  async end(): Promise<void> {
    this.#ended = true;
    for (const line of this.ctx.getWebSockets()) line.close(SESSION_ENDED, "session ended");
    await this.ctx.storage.deleteAll();
  }

  /**
   * Something is due: the session's end, what was said long ago; or a call has begun to wait. Without a request an object is evicted
   * after a minute or two, whatever it awaits, so this event lasts as long as the call (15 minutes are allowed). Run again after an eviction
   * it finds nothing, and tidies up.
   */
  override async alarm(): Promise<void> {
    await this.#parking.over;
    const until = this.#kept.until();
    if (until !== null && until <= this.#now()) return this.end();
    this.#log.prune();
    if (this.#due() === null) await this.ctx.storage.deleteAll();
    else await this.#wake();
  }

  #acceptCall(line: WebSocket, call: string): void {
    this.ctx.acceptWebSocket(line, [tagOf(call)]);
    if (this.#ended) return line.close(SESSION_ENDED, "session ended");
    if (this.#cancels.take(call, this.#now())) line.send("cancel");
  }

  async #keepUntil(until: number): Promise<void> {
    this.#kept.keepUntil(Math.min(until, this.#now() + CEILING_MS));
    await this.#wake();
  }

  /** Unix ms at which the next thing that is kept may go; null: nothing is kept. */
  #due(): number | null {
    const due = [this.#kept.until(), this.#log.until()].filter((at) => at !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  /** An alarm that comes too early sees so for itself. */
  async #wake(): Promise<void> {
    const due = this.#due();
    const set = await this.ctx.storage.getAlarm();
    if (due !== null && (set === null || set > due)) await this.ctx.storage.setAlarm(due);
  }
}

function tagOf(call: string): string {
  return `call ${call}`;
}

function asksFor(line: WebSocket, id: string): boolean {
  const ids: unknown = line.deserializeAttachment();
  return Array.isArray(ids) && ids.includes(id);
}
