import { type Auth, authenticate, forgetCaller } from "../access/authenticate.ts";
import { stop, type Timer, wait } from "../lib/clock.ts";
import type { Platform } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import { LOST, PASSED_ON, SUPERSEDED } from "../sessions/replay.ts";
import { SESSION_ENDED } from "../sessions/tie.ts";
import { openSession, type SessionClaims } from "../sessions/token.ts";
import { lineTo } from "../subscriptions/line.ts";
import { Carrier } from "./carrier.ts";
import type { Execution } from "./mcp.ts";

/** A connection is good for a day, or as long as the credential that opened it. */
const CONNECTION_MS = 24 * 60 * 60_000;
/** A backstop: the Authority tells the Hub to close what a lost right had opened. */
const RECHECK_MS = 5 * 60_000;
const PAUSE_MS = 1_000;
/** RFC 6455 section 7.4.1. */
const GOING_AWAY = 1001;
const PROTOCOL_ERROR = 1002;
const UNSUPPORTED_DATA = 1003;
const TOO_BIG = 1009;
const RESTART = 1012;
/** Of our own (RFC 6455 7.4.2), like those of `sessions/`. */
const ACCESS_ENDED = 4401;
const NO_PULSE = 4408;

/** Our pings' ids; their answers go no further. */
const PING = "causeway-ping-";
/** Of the times of `keepAliveMs` without a sign of the client: it is pinged after one, and taken for gone after these. */
const MOST_SILENT = 3;

interface Opened {
  socket: WebSocket;
  opening: Request;
  platform: Platform;
  execution: Execution;
  slug: string;
  authorization: string | null;
  auth: Extract<Auth, { ok: true }>;
  post(message: Request): Promise<Response>;
}

/** A session that a client goes on with, and how many messages it has had since the handshake's answer, our pings left out. */
export interface Resumption {
  token: string;
  claims: SessionClaims;
  after: number;
}

/**
 * One client on a WebSocket. From its handshake on, what is said to a legacy client goes through its session's object, which numbers and keeps it: a
 * client whose connection breaks opens another one, says how much it had, and hears the rest; calls go on meanwhile. Modern messages need no session
 * and cannot be had again. Closes with a code that says why.
 */
export class Connection {
  readonly #opened: Opened;
  readonly #socket: WebSocket;
  readonly #carrier: Carrier;
  readonly #gone = new AbortController();
  readonly #timers: Timer[] = [];
  /** To the session's object; null: there is no session yet. */
  #line: WebSocket | null = null;
  #session: string | null = null;
  #hub: WebSocket | null = null;
  /** What is said while the line is being opened. */
  #waiting: JsonText[] | null = null;
  #silent = 0;
  #pings = 0;

  constructor(opened: Opened) {
    const { socket, opening, post, execution, platform } = opened;
    this.#opened = opened;
    this.#socket = socket;
    const greeted = (session: string) => void this.#join(session);
    this.#carrier = new Carrier({ opening, gone: this.#gone.signal, post, emit: (message) => this.#say(message), waitUntil: (work) => execution.waitUntil(work), rested: () => this.#rest(), greeted });
    socket.addEventListener("message", ({ data }) => this.#heard(data));
    socket.addEventListener("close", () => this.#left());
    socket.addEventListener("error", () => this.#left());
    const { limits } = platform.config;
    const expiresIn = (opened.auth.principal.expiresAt ?? Infinity) - platform.now();
    if (expiresIn < CONNECTION_MS) this.#timers.push(setTimeout(() => this.#close(ACCESS_ENDED, "the credential has expired"), expiresIn));
    else this.#timers.push(setTimeout(() => this.#close(GOING_AWAY, "the connection is a day old"), CONNECTION_MS));
    this.#timers.push(setInterval(() => void this.#recheck(), RECHECK_MS));
    this.#timers.push(setInterval(() => this.#beat(), limits.keepAliveMs));
  }

  /** Resolves when revocation can reach the connection, and a session that it goes on with is there. */
  async begin(resumption: Resumption | null): Promise<void> {
    await this.#watch();
    if (resumption) await this.#resume(resumption);
  }

  #heard(data: unknown): void {
    this.#silent = 0;
    if (typeof data !== "string") return this.#close(UNSUPPORTED_DATA, "messages are text");
    if (data.length > this.#opened.platform.config.limits.bodyBytes) return this.#close(TOO_BIG, "the message is larger than bodyBytes");
    if (data.includes(PING) && isPong(data)) return;
    const carried = this.#carrier.carry(data);
    this.#opened.execution.waitUntil(carried);
    if (!isJson(data)) void carried.then(() => this.#close(PROTOCOL_ERROR, "messages are JSON"));
  }

  #say(message: JsonText): void {
    if (this.#waiting) this.#waiting.push(message);
    else if (this.#line) this.#keep(this.#line, message);
    else if (!this.#gone.signal.aborted) this.#socket.send(message);
  }

  #keep(line: WebSocket, message: JsonText): void {
    if (line.readyState === WebSocket.OPEN) line.send(message);
  }

  /** The client was told of its session: from here on everything is numbered. */
  async #join(token: string): Promise<void> {
    if (this.#line || this.#waiting) return;
    const { platform } = this.#opened;
    this.#waiting = [];
    const claims = await openSession(platform.config.masterKey, token, platform.now());
    if (claims) await this.#connect(claims, null);
  }

  async #resume({ token, claims, after }: Resumption): Promise<void> {
    this.#carrier.continue(token);
    this.#waiting = [];
    await this.#connect(claims, after);
    this.#carrier.listen();
  }

  async #connect({ id }: SessionClaims, after: number | null): Promise<void> {
    this.#session = id;
    await this.#wire(`after=${after ?? ""}`);
  }

  async #wire(query: string): Promise<void> {
    try {
      const line = await lineTo(() => this.#opened.platform.session(this.#session ?? ""), `https://session/socket?${query}`, (text) => this.#told(text));
      line.addEventListener("close", ({ code }) => this.#lineClosed(code));
      this.#line = line;
      for (const message of this.#waiting?.splice(0) ?? []) this.#keep(line, message);
      this.#waiting = null;
    } catch {
      this.#close(RESTART, "the session is not available now");
    }
  }

  #told(text: string): void {
    if (text === PASSED_ON) return this.#close(SUPERSEDED, "another connection took the session over");
    if (!this.#gone.signal.aborted) this.#socket.send(text);
  }

  #lineClosed(code: number): void {
    if (code === SESSION_ENDED) this.#close(SESSION_ENDED, "the session has ended");
    else if (code === LOST) this.#close(LOST, "what was missed is not kept any more");
    else this.#lineLost();
  }

  /** The object is being restarted: the client comes back, to what is still said here. */
  #lineLost(): void {
    const isWanted = !this.#carrier.rests;
    this.#close(RESTART, "the session is not available now");
    if (!isWanted) return;
    this.#waiting = [];
    this.#opened.execution.waitUntil(this.#wire("writes=1").then(() => this.#rest()));
  }

  /** Hears of the end of the caller's right at once. */
  async #watch(): Promise<void> {
    const { platform, auth } = this.#opened;
    const query = new URLSearchParams({ principal: auth.principal.id, filter: JSON.stringify(NOTHING) });
    try {
      this.#hub = await lineTo(() => platform.hub(auth.workspace.id), `https://hub/listen?${query}`, () => undefined);
      this.#hub.addEventListener("close", () => void this.#unwatched());
      // What was lost before the Hub knew of this connection.
      this.#opened.execution.waitUntil(this.#recheck());
    } catch {
      void this.#unwatched();
    }
  }

  async #unwatched(): Promise<void> {
    if (this.#gone.signal.aborted) return;
    await this.#recheck();
    await wait(PAUSE_MS);
    if (!this.#gone.signal.aborted) await this.#watch();
  }

  async #recheck(): Promise<void> {
    const { platform, slug, authorization, execution } = this.#opened;
    forgetCaller(slug, authorization, null);
    const still = await authenticate(platform, slug, authorization, null, (work) => execution.waitUntil(work));
    if (!still.ok && still.status !== 503) this.#close(ACCESS_ENDED, "access has ended");
  }

  /** A legacy client answers pings (MCP 2025-11-25, ping); a modern one cannot be asked, and is let go of when it has nothing open. */
  #beat(): void {
    if (this.#silent++ === 0) return;
    if (this.#line) {
      if (this.#silent > MOST_SILENT) return this.#close(NO_PULSE, "the client does not answer");
      return this.#socket.send(`{"jsonrpc":"2.0","id":"${PING}${++this.#pings}","method":"ping"}`);
    }
    const { keepAliveMs, streamAgeMs } = this.#opened.platform.config.limits;
    if (this.#silent * keepAliveMs > streamAgeMs && this.#carrier.rests) this.#close(GOING_AWAY, "nothing was said for long");
  }

  #close(code: number, reason: string): void {
    if (this.#gone.signal.aborted) return;
    this.#socket.close(code, reason);
    this.#left();
  }

  #left(): void {
    if (this.#gone.signal.aborted) return;
    for (const timer of this.#timers) stop(timer);
    this.#gone.abort();
    this.#hub?.close(1000);
    this.#rest();
  }

  /** The line stays for what is still said to a client that has left, and may come back. */
  #rest(): void {
    if (this.#gone.signal.aborted && this.#carrier.rests) this.#line?.close(1000);
  }
}

const NOTHING = { tools: false, prompts: false, resources: false, uris: [] };

function isPong(text: JsonText): boolean {
  try {
    const { id, method }: { id?: unknown; method?: unknown } = JSON.parse(text);
    return method === undefined && typeof id === "string" && id.startsWith(PING);
  } catch {
    return false;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
