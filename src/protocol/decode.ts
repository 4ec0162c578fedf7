import { LOG_LEVELS } from "../model/call.ts";
import type { Call, LogLevel, TraceContext } from "../model/call.ts";
import { isObject, type JsonText, type JsonValue } from "../model/json.ts";
import { editObject } from "../lib/json.ts";
import { capabilitiesOf, clientInfoOf } from "./capabilities.ts";
import { CAPABILITIES_KEY, CLIENT_INFO_KEY, IDEMPOTENCY_KEY, LOG_LEVEL_KEY, requestMeta } from "./meta.ts";
import type { Message } from "./message.ts";
import { METHODS } from "./methods.ts";

type Header = (name: string) => string | null;

/** W3C Trace Context, version 00 and later with the same four fields. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const TRACESTATE_CHARS = 512;
const UNTRACED: TraceContext = { traceparent: null, tracestate: null };

/** A checked modern request → its call. What the envelope says holds for this request alone. */
export function modernCall(message: Message, header: Header): Call {
  const { params, meta } = message;
  const mrtr = METHODS.get(message.method)?.mrtr === true;
  return callOf(message, header, {
    capabilities: capabilitiesOf(meta[CAPABILITIES_KEY]) ?? {},
    clientInfo: clientInfoOf(meta[CLIENT_INFO_KEY]),
    logLevel: logLevelOf(meta[LOG_LEVEL_KEY]),
    inputResponses: mrtr && isObject(params.inputResponses) ? params.inputResponses : null,
    requestState: mrtr && typeof params.requestState === "string" ? params.requestState : null,
    headerParam: (name) => header(`mcp-param-${name}`),
  });
}

/** A checked legacy request → its call. Capabilities, client and log level are its session's: the caller fills them in. */
export function legacyCall(message: Message, header: Header): Call {
  return callOf(message, header, { capabilities: {}, clientInfo: null, logLevel: null, inputResponses: null, requestState: null, headerParam: null });
}

export function logLevelOf(value: JsonValue | undefined): LogLevel | null {
  return value === undefined ? null : (LOG_LEVELS.find((level) => level === value) ?? null);
}

/** What a modern request says of its client itself, and a legacy one's session does. */
type OfEra = Pick<Call, "capabilities" | "clientInfo" | "logLevel" | "inputResponses" | "requestState" | "headerParam">;

function callOf(message: Message, header: Header, era: OfEra): Call {
  const { progressToken, rest: meta } = requestMeta(message.meta, message.members.raw("params", "_meta"));
  const rest = restOf(message);
  const args = message.members.raw("params", "arguments");
  return {
    method: message.method,
    params: message.params,
    raw: rest === null ? { arguments: args, meta } : { arguments: args, meta, rest },
    progressToken,
    trace: traceOf(message, header),
    idempotencyKey: message.meta[IDEMPOTENCY_KEY] ?? header("idempotency-key"),
    capabilities: era.capabilities,
    clientInfo: era.clientInfo,
    logLevel: era.logLevel,
    inputResponses: era.inputResponses,
    requestState: era.requestState,
    headerParam: era.headerParam,
  };
}

/** Members of `params` that are read here, written anew for each hop, or belong to what no hop can carry. */
const READ_PARAMS: readonly string[] = ["name", "uri", "ref", "arguments", "_meta", "inputResponses", "requestState", "task"];
const ONLY_META: readonly string[] = ["_meta"];

function restOf({ method, params, members }: Message): JsonText | null {
  const drop = METHODS.has(method) ? READ_PARAMS : ONLY_META;
  for (const key in params) if (!drop.includes(key)) return editObject(members.raw("params") ?? "{}", { drop });
  return null;
}

/** From `_meta` first, HTTP headers second. A malformed one is as good as none. */
function traceOf(message: Message, header: Header): TraceContext {
  const source = message.meta.traceparent === undefined ? header : (name: string) => message.meta[name];
  const traceparent = source("traceparent");
  if (typeof traceparent !== "string" || !TRACEPARENT.test(traceparent)) return UNTRACED;
  const tracestate = source("tracestate");
  return { traceparent, tracestate: typeof tracestate === "string" && tracestate.length <= TRACESTATE_CHARS ? tracestate : null };
}
