import type { Notification, Outcome, Reply } from "../model/call.ts";
import { toGatewayError } from "../model/error.ts";
import { stop, type Timer, within } from "../lib/clock.ts";
import type { JsonText } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";
import type { Accepts } from "./accepts.ts";
import type { Codec, Incoming } from "./codec.ts";
import { Heartbeat } from "./heartbeat.ts";
import { frame, KEEP_ALIVE, primer } from "./sse.ts";

/** Keeps what a stream says, so that it can be had again. */
export interface Keeping {
  /** Where the stream stands. */
  readonly position: string;
  /** Takes the next message; gives its event id. */
  note(message: JsonText, last: boolean): string;
  close(): void;
}

/** Whether and how a call's stream is kept: known only when the call is under way. */
export interface Keeper {
  isWanted: boolean;
  /** The stream should start without waiting for anything to say; told by `onPrime` when that is found out later. */
  isUrgent: boolean;
  onPrime: (() => void) | null;
  /** Begins; null: it cannot be kept. */
  open(): Promise<Keeping | null>;
  /** Whether the client knows an event without data (2025-11-25). */
  primes: boolean;
}

export type AnswerType = "application/json" | "text/event-stream";

/** One call on its way out: what it answers to, and how its end is learnt. */
export interface Exchange {
  incoming: Incoming;
  codec: Codec;
  reply: Reply;
  accepts: Accepts;
  requestId: string;
  limits: Limits;
  /** Tells the call that its reader is gone. */
  abandon(): void;
  /** Whether the lost connection ends the call (modern), or the call goes on unread (legacy). */
  disconnectCancels: boolean;
  keeper?: Keeper | null;
  /** A stream that no request opened (legacy GET): its end is not a message. */
  unasked?: boolean;
  /** Told, perhaps more than once, that the call takes its time: a stream has begun, or `jsonWaitMs` are over. */
  lasting(): void;
  waitUntil(work: Promise<unknown>): void;
  /** Response headers with this media type; asked for once, when the answer starts. */
  headers(type: AnswerType): Record<string, string>;
}

type Step = IteratorResult<Notification, Outcome>;
type Next = { step: Step } | { thrown: unknown };

/**
 * Writes a reply as the client can read it: one JSON body when nothing was yielded before the end, else an SSE
 * stream; also a stream after `jsonWaitMs` without an end, so that the client sees life. A client that takes no
 * stream gets the end alone. HTTP status of an error holds only while nothing has been sent (MCP 2026-07-28,
 * Streamable HTTP).
 */
export async function respond(exchange: Exchange): Promise<Response> {
  const { reply, accepts } = exchange;
  const seen: Seen = { next: null };
  const first = settle(reply.next(), seen);
  for (let turn = 0; turn < TURNS && !seen.next; turn++) await null;
  const start = seen.next ?? (await begun(exchange, first));
  if (start !== "late" && "thrown" in start) return failure(exchange, start.thrown);
  if (start !== "late" && start.step.done && accepts.json) return json(exchange, 200, encode(exchange, start.step.value));
  if (!accepts.sse) return json(exchange, 200, await lastMessage(exchange));
  const keeping = exchange.keeper?.isWanted ? await exchange.keeper.open() : null;
  return stream(exchange, start === "late" ? first : Promise.resolve(start), keeping);
}

/** Runs the reply to its end, whether or not the client stays, and gives its one response message; notifications have no place to go. */
export function lastMessage(exchange: Exchange): Promise<JsonText> {
  exchange.lasting();
  const message = unheard(exchange);
  exchange.waitUntil(message);
  return message;
}

async function unheard(exchange: Exchange): Promise<JsonText> {
  try {
    for (;;) {
      const step = await exchange.reply.next();
      if (step.done) return encode(exchange, step.value);
    }
  } catch (thrown) {
    return exchange.codec.error(exchange.incoming.id, toGatewayError(thrown), exchange.requestId).message;
  }
}

/** What needs nothing from the outside has ended after so many turns of the microtask queue, and never pays for a timer. */
const TURNS = 48;

/** What came first, for those who look without waiting. */
interface Seen {
  next: Next | null;
}

async function begun({ accepts, limits, waitUntil, keeper, lasting }: Exchange, first: Promise<Next>): Promise<Next | "late"> {
  // A lost client takes the invocation with it, and with that the call and its record, unless something holds it.
  waitUntil(first);
  const next = await within(limits.jsonWaitMs, keeper ? Promise.race([first, urgent(keeper)]) : first);
  if (next !== "late" || accepts.sse) return next;
  lasting();
  return first;
}

/** A stream that should start without waiting for anything to say. */
async function urgent(keeper: Keeper): Promise<"late"> {
  if (!keeper.isUrgent) await new Promise<void>((resolve) => (keeper.onPrime = resolve));
  return "late";
}

async function settle(step: Promise<Step>, seen: Seen = { next: null }): Promise<Next> {
  try {
    return (seen.next = { step: await step });
  } catch (thrown) {
    return (seen.next = { thrown });
  }
}

function encode({ codec, incoming }: Exchange, outcome: Outcome): JsonText {
  return codec.outcome(incoming.id, incoming.call, outcome);
}

function json(exchange: Exchange, status: number, body: JsonText): Response {
  return new Response(body, { status, headers: exchange.headers("application/json") });
}

function failure(exchange: Exchange, thrown: unknown): Response {
  const error = toGatewayError(thrown);
  const { status, message } = exchange.codec.error(exchange.incoming.id, error, exchange.requestId);
  if (!exchange.accepts.json) return stream(exchange, Promise.resolve({ thrown }), null);
  const response = json(exchange, status, message);
  if (error.retryAfter !== undefined) response.headers.set("retry-after", String(error.retryAfter));
  return response;
}

const STREAM_HEADERS = {
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

/** Bytes that may wait for a slow reader before the reply itself is held back. */
const HIGH_WATER = 64 * 1024;

/**
 * The reply as SSE. The body is a ReadableStream because only that learns of a lost client (a TransformStream hides
 * it); a full queue holds the reply back; a reader that takes nothing for `idleMs` counts as gone. The invocation is
 * kept alive until the reply has settled, so what follows its end (audit) always runs.
 */
function stream(exchange: Exchange, first: Promise<Next>, keeping: Keeping | null): Response {
  exchange.lasting();
  const reader = new Reader(exchange.limits.idleMs);
  let settled = () => {};
  exchange.waitUntil(new Promise<void>((resolve) => (settled = resolve)));
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const heartbeat = exchange.incoming.call.progressToken === null ? null : new Heartbeat();
        reader.attach(controller, exchange.limits.keepAliveMs, () => beat(exchange, heartbeat));
        void pump(exchange, reader, first, keeping, heartbeat).finally(() => {
          reader.close();
          keeping?.close();
          settled();
        });
      },
      pull: () => reader.drained(),
      cancel: () => {
        exchange.abandon();
        reader.leave();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER }),
  );
  return new Response(body, { headers: { ...exchange.headers("text/event-stream"), ...STREAM_HEADERS } });
}

/** Keeps what is in between awake, and a client that asked for progress as well. What it says is not kept: a stream that is had again has its own. */
function beat({ codec, incoming }: Exchange, heartbeat: Heartbeat | null): string {
  const message = heartbeat && codec.notification(incoming, heartbeat.next());
  return message === null ? KEEP_ALIVE : frame(message);
}

async function pump(exchange: Exchange, reader: Reader, first: Promise<Next>, keeping: Keeping | null, heartbeat: Heartbeat | null): Promise<void> {
  const { codec, incoming, reply } = exchange;
  const last = (message: JsonText) => reader.write(message, keeping?.note(message, true));
  if (keeping && exchange.keeper?.primes) await reader.prime(keeping.position);
  for (let next = await first; ; next = await settle(reply.next())) {
    if (exchange.unasked && ("thrown" in next || next.step.done)) return;
    if ("thrown" in next) {
      await last(codec.error(incoming.id, toGatewayError(next.thrown), exchange.requestId).message);
      return;
    }
    if (next.step.done) {
      await last(encode(exchange, next.step.value));
      return;
    }
    const gone = !(await said(exchange, reader, heartbeat?.heard(next.step.value) ?? next.step.value, keeping));
    if (gone && exchange.disconnectCancels) {
      exchange.abandon();
      // A generator suspended at a yield hears no signal: `return` runs its `finally` blocks.
      await reply.return({ type: "failed", code: -32603, error: '{"code":-32603,"message":"cancelled"}' }).catch(() => undefined);
      return;
    }
  }
}

/** Writes one notification, as far as the client wants to hear it; false once nobody reads any more. */
async function said({ codec, incoming }: Exchange, reader: Reader, notification: Notification, keeping: Keeping | null): Promise<boolean> {
  const { eventId, params } = notification;
  if (eventId !== undefined && params === "") return reader.prime(eventId);
  const message = codec.notification(incoming, notification);
  return message === null || reader.write(message, eventId ?? keeping?.note(message, false));
}

/** How long a client waits before it comes back to a stream that broke. */
const RETRY_MS = 1_000;

/** It keeps nothing between two texts: one does for all streams. */
const ENCODER = new TextEncoder();
/** What idle streams say is the same bytes each time: what it would leave behind otherwise was a fifth of their memory after a minute. */
const IDLE_BYTES = ENCODER.encode(KEEP_ALIVE);

function bytesOf(text: string): Uint8Array {
  return text === KEEP_ALIVE ? IDLE_BYTES : ENCODER.encode(text);
}

/** The client's end of a stream: knows whether someone still reads, and waits for room. */
class Reader {
  readonly #idleMs: number;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #keepAlive: Timer | null = null;
  #gone = false;
  #wake: (() => void) | null = null;

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  attach(controller: ReadableStreamDefaultController<Uint8Array>, keepAliveMs: number, beat: () => string): void {
    this.#controller = controller;
    this.#keepAlive = setInterval(() => {
      if ((controller.desiredSize ?? 0) > 0) controller.enqueue(bytesOf(beat()));
    }, keepAliveMs);
  }

  /** False once nobody reads any more. */
  async write(message: JsonText, id?: string): Promise<boolean> {
    return this.#send(frame(message, id));
  }

  /** Tells where the stream stands before anything was said. */
  async prime(id: string): Promise<boolean> {
    return this.#send(primer(id, RETRY_MS));
  }

  async #send(event: string): Promise<boolean> {
    if (!(await this.#room())) return false;
    this.#controller?.enqueue(ENCODER.encode(event));
    return true;
  }

  async #room(): Promise<boolean> {
    if (this.#gone || (this.#controller?.desiredSize ?? 0) > 0) return !this.#gone;
    const timer = setTimeout(() => this.leave(), this.#idleMs);
    await new Promise<void>((resolve) => (this.#wake = resolve));
    clearTimeout(timer);
    return !this.#gone;
  }

  drained(): void {
    this.#wake?.();
    this.#wake = null;
  }

  leave(): void {
    this.#gone = true;
    stop(this.#keepAlive);
    this.drained();
  }

  close(): void {
    stop(this.#keepAlive);
    if (this.#gone) return;
    this.#gone = true;
    this.#controller?.close();
  }
}
