import type { RequestGate } from "../model/context.ts";
import { GatewayError, WIRE } from "../model/error.ts";
import { hostRefusal } from "./address.ts";

/** Keeps nothing from one text to the next. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Counts gateways on the way of a request, so that an upstream that leads back here ends. */
export const HOPS_HEADER = "causeway-hops";
const MAX_HOPS = 5;

const MAX_URL_CHARS = 2_048;
const MAX_HEADER_CHARS = 8_192;

/** Hop-by-hop (RFC 9110 section 7.6.1), what the platform sets itself, cookies, and who asked whom on the way here. */
const NEVER_SENT: ReadonlySet<string> = new Set([
  "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
  "host", "content-length", "expect", "cookie", "cookie2", "set-cookie", "forwarded", "via", "x-real-ip", "true-client-ip", "cdn-loop", HOPS_HEADER,
]);
const NEVER_SENT_PREFIXES = ["x-forwarded-", "cf-", "sec-"] as const;

export interface EgressOptions {
  method: string;
  /** Checked: token names, visible ASCII values, none of the headers that belong to one hop. */
  headers: Readonly<Record<string, string>>;
  body?: string | Uint8Array<ArrayBuffer> | undefined;
  /** Ends the request and the reading of its body. */
  signal: AbortSignal;
  /** Until the answer's headers; connecting is part of it, Workers cannot tell them apart. Absent: `signal` alone decides. */
  firstByteMs?: number;
  /** http and private addresses: development only. */
  allowInsecure: boolean;
  /** Gateways the request came through (`hopsOf` of its header). */
  hops?: number;
  /** Held until the body has been read or given up. */
  gate?: RequestGate;
}

/**
 * The URL, when the gateway may call it: https, no user part, no fragment, a host that is public by its name or address.
 * GatewayError `invalid` says what is wrong. Not checked: what the name resolves to.
 */
export function checkUrl(url: string, allowInsecure: boolean): URL {
  if (url.length > MAX_URL_CHARS) throw refusedUrl(`is longer than ${MAX_URL_CHARS} characters`);
  // What the URL parser would silently drop or rewrite, another parser may read differently.
  if (!/^[\x21-\x5b\x5d-\x7e]+$/.test(url)) throw refusedUrl("has a space, a control character, a backslash or a character outside ASCII");
  const parsed = URL.parse(url);
  if (!parsed) throw refusedUrl("cannot be read");
  if (parsed.protocol !== "https:" && !(allowInsecure && parsed.protocol === "http:")) throw refusedUrl("does not begin with https://");
  const authority = /^[a-z]+:\/\/([^/?#]+)/i.exec(url)?.[1];
  if (authority === undefined) throw refusedUrl("does not begin with https://");
  if (authority.includes("@")) throw refusedUrl("carries a user name or password");
  if (url.includes("#")) throw refusedUrl("has a fragment");
  if (authority.replace(/:\d*$/, "").toLowerCase() !== parsed.hostname) throw refusedUrl("writes its host in an unusual form");
  if (allowInsecure) return parsed;
  const reason = hostRefusal(parsed.hostname);
  if (reason !== null) throw refusedUrl(`names a host that ${reason}`);
  return parsed;
}

/**
 * The only way out of the gateway by HTTP. Gives any answer but a redirect, which is never followed.
 * Errors: `invalid` (URL or header), `conflict` (hop limit), `upstream` (not reached, redirect), `timeout` (first byte), and the
 * signal's own reason, or `cancelled`, when it fired.
 */
export async function send(url: string, options: EgressOptions): Promise<Response> {
  const target = targetOf(url, options.allowInsecure);
  const hops = options.hops ?? 0;
  if (hops >= MAX_HOPS) throw new GatewayError("conflict", "the request has passed through too many gateways: an upstream leads back here");
  const headers = checkHeaders(options.headers);
  headers[HOPS_HEADER] = String(hops + 1);
  const leave = await options.gate?.enter(options);
  const timed = options.firstByteMs === undefined ? null : new FirstByte(options.signal, options.firstByteMs);
  const signal = timed?.signal ?? options.signal;
  let response: Response;
  try {
    response = await fetch(target, { method: options.method, headers, body: options.body ?? null, redirect: "manual", signal });
  } catch (thrown) {
    leave?.();
    throw lost(signal, thrown, "the upstream could not be reached", "unreachable");
  } finally {
    timed?.arrived();
  }
  if (response.status >= 300 && response.status < 400) {
    leave?.();
    await discard(response);
    throw new GatewayError("upstream", "the upstream answered with a redirect, which is not followed", { data: { reason: "redirect", status: response.status } });
  }
  return leave ? held(response, leave) : response;
}

/** The latest URLs that were found good, as they are called: an upstream is called over and over. */
const checked = new Map<string, string>();
const MAX_CHECKED = 200;

function targetOf(url: string, allowInsecure: boolean): string {
  const key = `${allowInsecure} ${url}`;
  const known = checked.get(key);
  if (known !== undefined) return known;
  const { href } = checkUrl(url, allowInsecure);
  if (checked.size >= MAX_CHECKED) checked.clear();
  checked.set(key, href);
  return href;
}

/** How often the request behind this one has passed a gateway; a value that is no number counts as one too many. */
export function hopsOf(header: string | null): number {
  if (header === null) return 0;
  return /^\d{1,2}$/.test(header.trim()) ? Number(header) : MAX_HOPS;
}

/**
 * The body as text. Errors: `too_large` over `maxBytes`, counted as they arrive and after decompression; `upstream_invalid` when it is
 * not UTF-8; `upstream` when the connection breaks; the signal's reason when it fired.
 */
export async function readText(response: Response, maxBytes: number, signal: AbortSignal): Promise<string> {
  const bytes = await readBytes(response, maxBytes, signal);
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new GatewayError("upstream_invalid", "the upstream's answer is not UTF-8 text", { cause });
  }
}

async function readBytes(response: Response, maxBytes: number, signal: AbortSignal): Promise<ArrayBuffer | Uint8Array> {
  const length = response.headers.get("content-length");
  if (length !== null && Number(length) > maxBytes) {
    await discard(response);
    throw tooLarge(maxBytes);
  }
  try {
    // A length speaks of the bytes on the wire: only without a content coding is it what will be in memory.
    if (length !== null && !response.headers.has("content-encoding")) return await response.arrayBuffer();
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of chunks(response)) {
      size += part.byteLength;
      if (size > maxBytes) throw tooLarge(maxBytes);
      parts.push(part);
    }
    return joined(parts, size);
  } catch (thrown) {
    throw lost(signal, thrown, "the connection to the upstream broke before its answer was whole", "broken");
  }
}

/** The body's chunks as they come. Leaving the loop early gives the body up. */
export async function* chunks(response: Response): AsyncGenerator<Uint8Array, void> {
  if (!response.body) return;
  const reader = response.body.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    if (!ended) reader.cancel().catch(ignore);
  }
}

/** What a failed fetch or read means: the signal's reason if it fired, the error itself if it is ours, else `upstream`. */
export function lost(signal: AbortSignal, thrown: unknown, message: string, reason: "unreachable" | "broken"): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  if (!signal.aborted) return new GatewayError("upstream", message, { cause: thrown, data: { reason } });
  if (signal.reason instanceof GatewayError) return signal.reason;
  return new GatewayError("cancelled", "the call was cancelled", { cause: signal.reason });
}

/** Gives a body up without reading it, so that its connection is free. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(ignore);
}

/** At most so many requests in flight per client request or object: a Worker holds back the seventh connection, and only when deployed. */
export class Gate implements RequestGate {
  readonly #limit: number;
  #inside = 0;
  #waiting: (() => void)[] | null = null;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A place, at once if there is one; what it gives must be called once, to leave. Rejects with the signal's reason when it fires first. */
  enter(waiter: { readonly signal: AbortSignal }): (() => void) | Promise<() => void> {
    return this.#inside < this.#limit ? this.#place() : this.#waited(waiter.signal);
  }

  async #waited(signal: AbortSignal): Promise<() => void> {
    while (this.#inside >= this.#limit) await this.#turn(signal);
    return this.#place();
  }

  #place(): () => void {
    this.#inside++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#inside--;
      this.#waiting?.shift()?.();
    };
  }

  #turn(signal: AbortSignal): Promise<void> {
    const waiting = (this.#waiting ??= []);
    return new Promise((resolve, reject) => {
      const proceed = () => {
        signal.removeEventListener("abort", give);
        resolve();
      };
      const give = () => {
        waiting.splice(waiting.indexOf(proceed), 1);
        reject(lost(signal, signal.reason, "", "unreachable"));
      };
      if (signal.aborted) return reject(lost(signal, signal.reason, "", "unreachable"));
      signal.addEventListener("abort", give, { once: true });
      waiting.push(proceed);
    });
  }
}

/** One controller and one timer for what waits for an answer's headers; afterwards only the caller's signal ends it. */
class FirstByte {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(outer: AbortSignal, ms: number) {
    this.#timer = setTimeout(() => this.#controller.abort(new GatewayError("timeout", `the upstream did not answer within ${ms} ms`)), ms);
    if (outer.aborted) this.#controller.abort(outer.reason);
    else outer.addEventListener("abort", () => this.#controller.abort(outer.reason), { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  arrived(): void {
    clearTimeout(this.#timer);
  }
}

function checkHeaders(given: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of Object.keys(given)) {
    const value = given[name];
    if (value === undefined) continue;
    const lower = name.toLowerCase();
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(lower)) throw new GatewayError("invalid", "a header name holds characters that are not allowed");
    if (NEVER_SENT.has(lower) || NEVER_SENT_PREFIXES.some((prefix) => lower.startsWith(prefix)))
      throw new GatewayError("invalid", `the header ${lower} may not be sent to an upstream`);
    // RFC 9110 section 5.5; workerd lets Latin-1 through, which servers read differently.
    if (value.length > MAX_HEADER_CHARS || !/^[\x20-\x7e\t]*$/.test(value))
      throw new GatewayError("invalid", `the value of the header ${lower} is too long or holds characters that are not allowed`);
    headers[lower] = value;
  }
  return headers;
}

/** The same answer, leaving the gate when its body ends one way or another. */
function held(response: Response, leave: () => void): Response {
  if (!response.body) {
    leave();
    return response;
  }
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        leave();
        controller.close();
      } catch (thrown) {
        leave();
        controller.error(thrown);
      }
    },
    async cancel() {
      leave();
      await reader.cancel().catch(ignore);
    },
  });
  return new Response(body, response);
}

function joined(parts: Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError("too_large", `the upstream's answer is larger than ${maxBytes} bytes`, { data: { limit: "resultBytes" }, wire: WIRE.upstream_invalid });
}

function refusedUrl(reason: string): GatewayError {
  return new GatewayError("invalid", `the URL ${reason}`);
}

function ignore(): void {}
