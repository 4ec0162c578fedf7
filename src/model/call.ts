import type { JsonObject, JsonText, JsonValue } from "./json.ts";

/** What the client can answer on this request. Declared per request (modern) or by its session (legacy). */
export interface ClientCapabilities {
  elicitation?: { form?: JsonObject; url?: JsonObject };
  sampling?: JsonObject;
  roots?: JsonObject;
  extensions?: Record<string, JsonObject>;
  [other: string]: unknown;
}

export const LOG_LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface TraceContext {
  traceparent: string | null;
  tracestate: string | null;
}

/**
 * One client request with no era left in it.
 *
 * `params` is the parsed form, for deciding; `raw` keeps the source text of the members that travel on.
 * Both come from the same bytes, in which no object has a duplicate key.
 */
export interface Call {
  method: string;
  params: JsonObject;
  raw: {
    /** `params.arguments` as written, or null when absent. */
    arguments: JsonText | null;
    /** `params._meta` without the envelope's own keys (protocolVersion, clientCapabilities, clientInfo, logLevel, progressToken, trace context), or null. */
    meta: JsonText | null;
    /** An object of the other members of `params` that this gateway does not know, as written; absent when there are none. */
    rest?: JsonText;
  };
  /** The client's progress token as written (`"p-1"`, `7`), or null when it did not ask for progress. */
  progressToken: JsonText | null;
  capabilities: ClientCapabilities;
  clientInfo: { name: string; version: string } | null;
  /** Least level of log messages the client asked for; null: none. */
  logLevel: LogLevel | null;
  trace: TraceContext;
  /** Answers to an earlier `input_required` (MRTR), by the keys of its `inputRequests`. */
  inputResponses: JsonObject | null;
  requestState: string | null;
  /** Of `tools/call`: the client's idempotency key as it gave it, not yet looked at; null: it gave none. */
  idempotencyKey: JsonValue | null;
  /** Reads an `Mcp-Param-{name}` header of the request (modern); null: the client's revision has none. */
  headerParam: ((name: string) => string | null) | null;
}

/** A call that nobody sent over the wire: made by the gateway for a flow, or in place of a message without one. */
export function bareCall(method: string, params: JsonObject, said: Partial<Call> = {}): Call {
  return {
    method,
    params,
    raw: { arguments: null, meta: null },
    progressToken: null,
    capabilities: {},
    clientInfo: null,
    logLevel: null,
    trace: { traceparent: null, tracestate: null },
    inputResponses: null,
    requestState: null,
    idempotencyKey: null,
    headerParam: null,
    ...said,
  };
}

/** A server notification that belongs to one call. Progress leaves out the token: the codec adds the client's. */
export interface Notification {
  /** Set for what is no notification but a question to a legacy client, which it answers by this id. */
  id?: JsonText;
  method: "notifications/progress" | "notifications/message" | (string & {});
  params: JsonText;
  /** On a stream that can be had again: where it stands with this. Without params it says only that. */
  eventId?: string;
  /** Of `notifications/message`, so that the codec can drop what was not asked for. */
  level?: LogLevel;
}

export interface InputRequest {
  method: "elicitation/create" | "sampling/createMessage" | "roots/list";
  params?: JsonObject;
}

export interface CacheHint {
  ttlMs: number;
  scope: "private" | "public";
}

/**
 * How a call ended.
 * - `complete`: `result` is the text of the result object without what the codec adds (`resultType`, `ttlMs`, `cacheScope`, serverInfo). `plain`: the
 *   same without its braces, where the gateway wrote it and it has no `_meta`, nor any other member that a codec adds: such a text may be long, and is neither
 *   searched nor copied to add them.
 * - `input_required`: the caller is asked to answer and send the call again (MRTR). `abandon`: tells a target that waits that nobody will;
 *   such a target takes an error for an answer too (`CLIENT_ERROR`).
 * - `task`: it goes on without the request. `task` is the flat Task object of the extension, without what the codec adds; only for clients that declared it.
 * - `failed`: an upstream's JSON-RPC error object (`{code, message, data?}`), passed on as written.
 * What we could not do ourselves is thrown as GatewayError.
 */
export type Outcome =
  | { type: "complete"; result: JsonText; isError?: boolean; cache?: CacheHint; plain?: string }
  | { type: "input_required"; inputRequests: Record<string, InputRequest>; requestState?: string; abandon?: () => void }
  | { type: "task"; task: JsonText }
  | { type: "failed"; error: JsonText; code: number };

export type InputRequired = Extract<Outcome, { type: "input_required" }>;

/** Member of an input response that is no result but the client's JSON-RPC error, for a target that has a way to hand it on. */
export const CLIENT_ERROR = "causeway/clientError";

/** The stream of what comes back: notifications while the call runs, and its end. */
export type Reply = AsyncGenerator<Notification, Outcome, void>;
