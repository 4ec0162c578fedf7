import type { Call } from "../../model/call.ts";
import type { HeaderParam } from "../../model/catalog.ts";
import { isObject, type JsonObject, type JsonText, type JsonValue } from "../../model/json.ts";
import { encodeHeaderValue } from "../../protocol/headers.ts";
import { IMPLEMENTATION_TEXT } from "../../protocol/identity.ts";
import { LISTING_CAPABILITIES } from "../../protocol/extensions.ts";
import { METHODS } from "../../protocol/methods.ts";
import { CAPABILITIES_KEY, CLIENT_INFO_KEY, LOG_LEVEL_KEY, VERSION_KEY } from "../../protocol/meta.ts";

/** One JSON-RPC request of ours, ready to send. Id and progress token are random, so no one else's answer can be taken for ours. */
export interface UpstreamRequest {
  id: string;
  progressToken: string | null;
  headers: Record<string, string>;
  body: JsonText;
}

export const ACCEPT_BOTH = "application/json, text/event-stream";

/** The request for a modern upstream: envelope in `_meta`, `Mcp-*` headers from the outgoing body (MCP 2026-07-28, streamable HTTP). */
export function modernRequest(call: Call, name: string, revision: string, capabilities: JsonObject, params: readonly HeaderParam[]): UpstreamRequest {
  const id = crypto.randomUUID();
  const progressToken = call.progressToken === null ? null : crypto.randomUUID();
  const envelope = [
    `"${VERSION_KEY}":"${revision}"`,
    `"${CAPABILITIES_KEY}":${JSON.stringify(capabilities)}`,
    `"${CLIENT_INFO_KEY}":${IMPLEMENTATION_TEXT}`,
    ...(call.logLevel === null ? [] : [`"${LOG_LEVEL_KEY}":"${call.logLevel}"`]),
  ];
  const rounds = [
    ...(call.inputResponses === null ? [] : [`"inputResponses":${JSON.stringify(call.inputResponses)}`]),
    ...(call.requestState === null ? [] : [`"requestState":${JSON.stringify(call.requestState)}`]),
  ];
  const trace = childOf(call);
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: ACCEPT_BOTH,
    "mcp-protocol-version": revision,
    "mcp-method": call.method,
    ...trace,
  };
  if (METHODS.get(call.method)?.name) headers["mcp-name"] = encodeHeaderValue(name);
  Object.assign(headers, paramHeaders(call.params.arguments, params));
  return { id, progressToken, headers, body: bodyOf(id, call, name, rounds, metaOf(call, envelope, progressToken, trace)) };
}

/**
 * The request for a legacy upstream: no envelope, no `Mcp-*` headers but those of its session, which the sender adds. `taskMs`: it is to run as a task
 * that is kept for so long (MCP 2025-11-25, tasks).
 */
export function legacyRequest(call: Call, name: string, taskMs: number | null = null): UpstreamRequest {
  const id = crypto.randomUUID();
  const progressToken = call.progressToken === null ? null : crypto.randomUUID();
  const trace = childOf(call);
  const headers = { "content-type": "application/json", accept: ACCEPT_BOTH, ...trace };
  return { id, progressToken, headers, body: bodyOf(id, call, name, taskMs === null ? [] : [`"task":{"ttl":${taskMs}}`], metaOf(call, [], progressToken, trace)) };
}

/** A request with parameters of our own, for discovery and lists. */
export function plainRequest(method: string, params: JsonObject, revision: string | null): UpstreamRequest {
  const id = crypto.randomUUID();
  const headers: Record<string, string> = { "content-type": "application/json", accept: ACCEPT_BOTH };
  const envelope: JsonObject = {};
  if (revision !== null) {
    headers["mcp-protocol-version"] = revision;
    headers["mcp-method"] = method;
    envelope._meta = { [VERSION_KEY]: revision, [CAPABILITIES_KEY]: LISTING_CAPABILITIES, [CLIENT_INFO_KEY]: JSON.parse(IMPLEMENTATION_TEXT) };
  }
  return { id, progressToken: null, headers, body: JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, ...envelope } }) };
}

function bodyOf(id: string, call: Call, name: string, rounds: string[], meta: string | null): JsonText {
  const members = METHODS.has(call.method) || call.method.startsWith("tasks/") ? [subjectOf(call, name)] : [];
  if (METHODS.has(call.method) && call.raw.arguments !== null) members.push(`"arguments":${call.raw.arguments}`);
  if (call.raw.rest !== undefined) members.push(membersIn(call.raw.rest));
  members.push(...rounds);
  if (meta !== null) members.push(`"_meta":${meta}`);
  return `{"jsonrpc":"2.0","id":"${id}","method":"${call.method}","params":{${members.join(",")}}}`;
}

/** The member that says what is called, by the upstream's own name. */
function subjectOf(call: Call, name: string): string {
  if (call.method === "resources/read") return `"uri":${JSON.stringify(name)}`;
  if (call.method.startsWith("tasks/")) return `"taskId":${JSON.stringify(name)}`;
  if (call.method !== "completion/complete") return `"name":${JSON.stringify(name)}`;
  const ref = isObject(call.params.ref) ? call.params.ref : {};
  return `"ref":${JSON.stringify({ ...ref, ...(ref.type === "ref/prompt" ? { name } : { uri: name }) })}`;
}

function metaOf(call: Call, envelope: string[], progressToken: string | null, trace: Record<string, string>): JsonText | null {
  const members = [...envelope];
  if (progressToken !== null) members.push(`"progressToken":"${progressToken}"`);
  for (const key of Object.keys(trace)) members.push(`"${key}":${JSON.stringify(trace[key])}`);
  const carried = call.raw.meta === null ? "" : membersIn(call.raw.meta);
  if (carried !== "") members.push(carried);
  return members.length === 0 ? null : `{${members.join(",")}}`;
}

/** The text of an object without its braces. */
function membersIn(object: JsonText): string {
  return object.trim().slice(1, -1).trim();
}

/** A span of our own below the client's (W3C Trace Context level 1; a later version's first fields mean the same); nothing when the client traces nothing or wrongly. */
function childOf(call: Call): Record<string, string> {
  const { traceparent, tracestate } = call.trace;
  const parent = traceparent === null ? null : /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/.exec(traceparent);
  if (!parent) return {};
  const span = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const child = { traceparent: `00-${parent[1]}-${span}-${parent[2]}` };
  return tracestate !== null && /^[\x20-\x7e]{1,512}$/.test(tracestate) ? { ...child, tracestate } : child;
}

/** The arguments that a tool wants repeated in headers (MCP 2026-07-28, custom headers). */
export function paramHeaders(args: JsonValue | undefined, params: readonly HeaderParam[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { header, path } of params) {
    const value = headerValueOf(argumentAt(args, path));
    if (value !== null) headers[`mcp-param-${header}`] = encodeHeaderValue(value);
  }
  return headers;
}

function argumentAt(root: JsonValue | undefined, path: readonly string[]): JsonValue | undefined {
  let value = root;
  for (const name of path) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}

/** null for what has no header form: nothing, null, and numbers a receiver could not compare. */
function headerValueOf(value: JsonValue | undefined): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "boolean" || (typeof value === "number" && Number.isSafeInteger(value))) return String(value);
  return null;
}
