import type { ClientCapabilities } from "../model/call.ts";
import { isObject, type JsonObject, type JsonText } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";
import { Members } from "../lib/json.ts";
import type { Strict } from "../lib/json.ts";
import { acceptsOf } from "./accepts.ts";
import { batchMessages, BATCHING, legacyMessage } from "./batch.ts";
import type { LegacyMessage } from "./batch.ts";
import { capabilitiesOf, clientInfoOf } from "./capabilities.ts";
import type { Codec, Incoming } from "./codec.ts";
import { logLevelOf, modernCall } from "./decode.ts";
import { isExtension } from "./extensions.ts";
import { decodeHeaderValue } from "./headers.ts";
import { BAD_LEGACY_HTTP, errorText, HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, UNSUPPORTED_VERSION } from "./jsonrpc.ts";
import { messageOf } from "./message.ts";
import type { Message } from "./message.ts";
import { CAPABILITIES_KEY, CLIENT_INFO_KEY, LOG_LEVEL_KEY, VERSION_KEY } from "./meta.ts";
import { METHODS, paramsProblem, unknownMethod } from "./methods.ts";
import { modernCodec } from "./modern.ts";
import { profileOf } from "./profiles.ts";
import { isLegacy, isModern, MODERN } from "./revisions.ts";

export type { LegacyMessage } from "./batch.ts";

/** What the ladder may know of the HTTP request. `header` answers without regard to case. */
export interface HttpFacts {
  method: string;
  contentType: string | null;
  header(name: string): string | null;
}

/** The strictly parsed body, or that there was more of it than `bodyBytes`. */
export type Body = Strict | { ok: false; reason: "size" };

export type ClassifyLimits = Pick<Limits, "bodyBytes" | "jsonDepth" | "jsonKeys" | "batchMessages">;

export interface InitializeRequest {
  /** As requested: see `negotiate`. */
  revision: string;
  capabilities: ClientCapabilities;
  clientInfo: { name: string; version: string } | null;
}

export type Refused = { kind: "refused"; status: number; body: JsonText | null };

export type Classified =
  | { kind: "modern"; incoming: Incoming; codec: Codec }
  | { kind: "initialize"; id: JsonText; request: InitializeRequest }
  /** `revision`: the known legacy one that MCP-Protocol-Version names, else null. A batch is answered with an array. */
  | { kind: "legacy"; messages: LegacyMessage[]; batch: boolean; revision: string | null }
  /** A modern notification: 202, nothing to do. */
  | { kind: "notification" }
  /** Ready to be sent as it is. */
  | Refused;

/** All that a rung looks at. Without a sound body there is no message; of an array body `batch` holds the elements. */
interface Subject {
  facts: HttpFacts;
  limits: ClassifyLimits;
  body: Body;
  message: Message;
  batch: Message[] | null;
  /** MCP-Protocol-Version. */
  version: string | null;
  namesModern: boolean;
  /** A request that says for itself which revision it speaks. */
  claims: boolean;
}

const NO_MEMBERS = Members.of("");
const JSON_TYPE = "application/json";

interface Rung {
  name: string;
  when(subject: Subject): boolean;
  answer(subject: Subject): Classified;
}

/**
 * Which era a request belongs to and what it asks for, or the answer that refuses it: the first rung that holds decides.
 * Pure. Not checked here: who is calling, Origin, and `Mcp-Param-*`, which need the tool's schema.
 */
export function classify(facts: HttpFacts, body: Body, limits: ClassifyLimits): Classified {
  const subject = subjectOf(facts, body, limits);
  for (const rung of LADDER) if (rung.when(subject)) return rung.answer(subject);
  return refuse(subject, 400, INVALID_REQUEST, "not a request");
}

/** The order is the precedence: when several rules fail at once, the first one is the answer. */
const LADDER: readonly Rung[] = [
  {
    name: "HTTP method",
    when: ({ facts }) => facts.method !== "POST",
    answer: (s) => refuse(s, 405, BAD_LEGACY_HTTP, "method not allowed"),
  },
  {
    name: "media type",
    when: ({ facts }) => facts.contentType !== JSON_TYPE && facts.contentType?.split(";", 1)[0]?.trim().toLowerCase() !== JSON_TYPE,
    answer: (s) => refuse(s, 415, BAD_LEGACY_HTTP, "Content-Type must be application/json"),
  },
  {
    name: "body size",
    when: ({ body }) => !body.ok && body.reason === "size",
    answer: (s) => refuse(s, 413, INVALID_REQUEST, `the body is larger than bodyBytes (${s.limits.bodyBytes})`),
  },
  {
    name: "body is JSON",
    when: ({ body }) => !body.ok && (body.reason === "encoding" || body.reason === "grammar"),
    answer: (s) => refuse(s, 400, PARSE_ERROR, "the body is not JSON in UTF-8"),
  },
  {
    name: "body is within the limits of strict JSON",
    when: ({ body }) => !body.ok,
    answer: (s) => refuse(s, 400, INVALID_REQUEST, strictProblem(s)),
  },
  {
    name: "batch is sound",
    when: ({ batch }) => batch !== null && (batch.length === 0 || batch.some(isUnbatchable)),
    answer: (s) => refuse(s, 400, INVALID_REQUEST, "a batch holds one or more legacy messages, and no initialize"),
  },
  {
    name: "batch is allowed",
    when: (s) => s.batch !== null && (s.namesModern || (isLegacy(s.version ?? "") && !BATCHING.includes(s.version ?? ""))),
    answer: (s) => refuse(s, 400, INVALID_REQUEST, `revision ${s.version} has no batches`),
  },
  {
    name: "batch is not too long",
    when: ({ batch, limits }) => batch !== null && batch.length > limits.batchMessages,
    answer: (s) => refuse(s, 400, INVALID_REQUEST, `the batch is longer than batchMessages (${s.limits.batchMessages})`),
  },
  {
    name: "message is JSON-RPC",
    when: ({ batch, message }) => batch === null && message.kind === "invalid",
    answer: (s) => refuse(s, 400, INVALID_REQUEST, "the body is not a JSON-RPC 2.0 request, notification or response"),
  },
  {
    name: "handshake under a modern header",
    when: (s) => isHandshake(s) && s.namesModern,
    answer: (s) => refuse(s, 400, HEADER_MISMATCH, "initialize belongs to revisions before the one that MCP-Protocol-Version names", { supported: [...MODERN] }),
  },
  {
    name: "modern envelope",
    when: (s) => s.claims && envelopeProblem(s.message) !== null,
    answer: (s) => refuse(s, 400, INVALID_PARAMS, envelopeProblem(s.message) ?? "_meta is malformed"),
  },
  {
    name: "modern MCP-Protocol-Version",
    when: (s) => s.claims && s.version !== s.message.claim && !isKnownToLag(s),
    answer: (s) => refuse(s, 400, HEADER_MISMATCH, "the header MCP-Protocol-Version is missing or differs from _meta"),
  },
  {
    name: "modern Mcp-Method",
    when: (s) => s.claims && trimmed(s, "mcp-method") !== s.message.method,
    answer: (s) => refuse(s, 400, HEADER_MISMATCH, "the header Mcp-Method is missing or differs from the method"),
  },
  {
    name: "modern revision",
    when: (s) => s.claims && !MODERN.some((revision) => revision === s.message.claim),
    answer: (s) => refuse(s, 400, UNSUPPORTED_VERSION, "unsupported protocol version", { supported: [...MODERN], requested: s.message.claim ?? null }),
  },
  {
    name: "modern Mcp-Name",
    when: (s) => s.claims && !nameMatches(s),
    answer: (s) => refuse(s, 400, HEADER_MISMATCH, "the header Mcp-Name is missing, badly encoded or differs from the params"),
  },
  {
    name: "modern method",
    when: (s) => s.claims && !METHODS.get(s.message.method)?.modern && !isExtension(s.message.method),
    answer: (s) => refuse(s, 404, METHOD_NOT_FOUND, unknownMethod(s.message.method)),
  },
  {
    name: "modern params",
    when: (s) => s.claims && modernParamsProblem(s.message) !== null,
    answer: (s) => refuse(s, 200, INVALID_PARAMS, modernParamsProblem(s.message) ?? "invalid params"),
  },
  {
    name: "modern request",
    when: ({ claims }) => claims,
    answer: ({ message, facts }) => ({ kind: "modern", codec: modernCodec, incoming: { id: message.id ?? "null", call: modernCall(message, (name) => facts.header(name)) } }),
  },
  {
    name: "modern header without an envelope",
    when: (s) => s.message.kind === "request" && s.namesModern,
    answer: (s) => refuse(s, 400, INVALID_PARAMS, `params._meta must hold ${VERSION_KEY} and ${CAPABILITIES_KEY}`),
  },
  {
    name: "modern notification",
    when: (s) => s.message.kind === "notification" && (s.message.claim !== undefined || s.namesModern),
    answer: () => ({ kind: "notification" }),
  },
  {
    name: "legacy Accept",
    when: (s) => (s.batch !== null || s.message.kind === "request") && !acceptsAnswer(s.facts.header("accept")),
    answer: (s) => refuse(s, 406, BAD_LEGACY_HTTP, "Not Acceptable: the answer is application/json or text/event-stream"),
  },
  {
    name: "handshake params",
    when: (s) => isHandshake(s) && typeof s.message.params.protocolVersion !== "string",
    answer: (s) => refuse(s, 200, INVALID_PARAMS, "params.protocolVersion must be a string"),
  },
  {
    name: "handshake",
    when: isHandshake,
    answer: ({ message }) => ({ kind: "initialize", id: message.id ?? "null", request: initializeRequest(message.params) }),
  },
  {
    name: "legacy MCP-Protocol-Version",
    when: (s) => s.version !== null && !isLegacy(s.version),
    answer: (s) => refuse(s, 400, BAD_LEGACY_HTTP, "Bad Request: unsupported protocol version"),
  },
  {
    name: "legacy batch",
    when: ({ batch }) => batch !== null,
    answer: (s) => legacy(s, s.batch ?? [], true),
  },
  {
    name: "legacy message",
    when: () => true,
    answer: (s) => legacy(s, [s.message], false),
  },
];

function subjectOf(facts: HttpFacts, body: Body, limits: ClassifyLimits): Subject {
  const version = facts.header("mcp-protocol-version")?.trim() ?? null;
  const batch = body.ok && Array.isArray(body.value) ? batchMessages(body.value, body.text) : null;
  const message = messageOf(body.ok ? body.value : null, body.ok ? body.members : NO_MEMBERS);
  return { facts, limits, body, message, batch, version, namesModern: version !== null && isModern(version), claims: claims(message) };
}

/** An initialize that names a legacy revision is the old handshake. */
function claims(message: Message): boolean {
  if (message.kind !== "request" || message.claim === undefined) return false;
  return message.method !== "initialize" || (typeof message.claim === "string" && isModern(message.claim));
}

/** A client known to send the header of an earlier negotiation; what the message itself says holds. */
function isKnownToLag({ version, message }: Subject): boolean {
  return isLegacy(version ?? "") && profileOf(clientInfoOf(message.meta[CLIENT_INFO_KEY])).staleVersion === true;
}

function isHandshake(subject: Subject): boolean {
  return subject.message.kind === "request" && subject.message.method === "initialize" && !subject.claims;
}

function isUnbatchable(message: Message): boolean {
  return message.kind === "invalid" || message.claim !== undefined || message.method === "initialize";
}

function envelopeProblem({ meta }: Message): string | null {
  if (typeof meta[VERSION_KEY] !== "string") return `${VERSION_KEY} must be a string`;
  if (capabilitiesOf(meta[CAPABILITIES_KEY]) === null) return `${CAPABILITIES_KEY} must be an object of objects`;
  if (meta[CLIENT_INFO_KEY] !== undefined && clientInfoOf(meta[CLIENT_INFO_KEY]) === null) return `${CLIENT_INFO_KEY} must have a name and a version`;
  if (meta[LOG_LEVEL_KEY] !== undefined && typeof meta[LOG_LEVEL_KEY] !== "string") return `${LOG_LEVEL_KEY} must be a string`;
  const token = meta.progressToken;
  return token === undefined || typeof token === "string" || Number.isInteger(token) ? null : "progressToken must be a string or an integer";
}

function modernParamsProblem(message: Message): string | null {
  const level = message.meta[LOG_LEVEL_KEY];
  if (level !== undefined && logLevelOf(level) === null) return "unknown log level";
  const row = METHODS.get(message.method);
  return row ? paramsProblem(row, message.params, true) : null;
}

/** A param that is not a string cannot be compared: that is for the params rung to say. */
function nameMatches({ facts, message }: Subject): boolean {
  const param = METHODS.get(message.method)?.name;
  if (!param) return true;
  const header = facts.header("mcp-name");
  if (header === null) return false;
  const decoded = decodeHeaderValue(header);
  const value = message.params[param];
  return decoded.ok && (typeof value !== "string" || decoded.value === value);
}

function trimmed({ facts }: Subject, name: string): string | null {
  return facts.header(name)?.trim() ?? null;
}

function acceptsAnswer(accept: string | null): boolean {
  const { json, sse } = acceptsOf(accept);
  return json || sse;
}

function initializeRequest(params: JsonObject): InitializeRequest {
  const capabilities = capabilitiesOf(isObject(params.capabilities) ? params.capabilities : {}) ?? {};
  return { revision: String(params.protocolVersion), capabilities, clientInfo: clientInfoOf(params.clientInfo) };
}

function legacy({ facts, version }: Subject, messages: Message[], batch: boolean): Classified {
  // One header cannot be the key of several calls.
  const header = (name: string) => (batch && name === "idempotency-key" ? null : facts.header(name));
  return { kind: "legacy", batch, revision: version, messages: messages.map((message) => legacyMessage(message, header)) };
}

function strictProblem({ body, limits }: Subject): string {
  const reason = body.ok ? "grammar" : body.reason;
  if (reason === "depth") return `the body is nested deeper than jsonDepth (${limits.jsonDepth})`;
  if (reason === "keys") return `the body has more members than jsonKeys (${limits.jsonKeys})`;
  return "an object of the body has the same key twice";
}

function refuse({ message }: Subject, status: number, code: number, text: string, data?: JsonObject): Refused {
  return { kind: "refused", status, body: errorText(message.id, code, text, data) };
}
