import type { Call, InputRequest, InputRequired, Outcome } from "../../model/call.ts";
import { GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonText, type JsonValue } from "../../model/json.ts";
import { type Change, editObject, type Members } from "../../lib/json.ts";
import { INVALID_PARAMS, MISSING_CAPABILITY, RESOURCE_NOT_FOUND, URL_ELICITATION_REQUIRED } from "../../protocol/jsonrpc.ts";
import { METHODS } from "../../protocol/methods.ts";
import { carriedMeta } from "../../protocol/meta.ts";
import { isModern } from "../../protocol/revisions.ts";
import { invalidAnswer } from "./errors.ts";
import { parsed } from "./message.ts";

/** What the codec of the next hop writes anew. */
const HOP_MEMBERS: readonly string[] = ["resultType", "ttlMs", "cacheScope"];
const MAX_TTL_MS = 24 * 60 * 60 * 1000;

/** A result of either era as an Outcome; the bytes of what it says stay. `members`: those of the whole message. */
export function resultOutcome(result: JsonText, members: Members, call: Call, modern: boolean): Outcome {
  const type = modern ? resultType(members.raw("result", "resultType")) : "complete";
  if (type === "input_required") return inputRequired(members);
  if (type === "task" && call.method !== "tools/call") throw invalidAnswer("only a tool call can become a task");
  const meta = members.raw("result", "_meta");
  const carried = meta === null ? null : carriedMeta(meta);
  // How long a task is kept is not how long an answer may be (ext-tasks, Task).
  const isTask = type === "task" || call.method.startsWith("tasks/");
  const hop = METHODS.has(call.method) && !isTask ? HOP_MEMBERS : ["resultType"];
  const drop = meta !== null && carried === null ? [...hop, "_meta"] : hop;
  const set: Record<string, Change> = carried === null || carried === meta ? {} : { _meta: carried };
  // An extension's result says for itself how long it is good for; for whom is known here.
  if (!METHODS.has(call.method)) set.cacheScope = (was) => was && '"private"';
  const edited = members.edited("result", { drop, set }) ?? result;
  if (type === "task") return { type, task: edited };
  const outcome: Outcome = { type: "complete", result: edited };
  if (members.raw("result", "isError") === "true") outcome.isError = true;
  // Reads are authorized caller by caller, so nothing read through us is public, whatever the upstream thinks.
  if (METHODS.get(call.method)?.cacheable) outcome.cache = { ttlMs: ttlOf(members, call), scope: "private" };
  return outcome;
}

/**
 * A JSON-RPC error as an Outcome: passed on as written but for the codes that only mean something on this hop.
 * `-32002` becomes what the newest revision says, `-32042` a question to the client, `-32021` reaches only a client that lacks it.
 */
export function errorOutcome(error: JsonText, code: number, call: Call, clientRevision: string): Outcome {
  if (code === RESOURCE_NOT_FOUND && call.method === "resources/read") return { type: "failed", code: INVALID_PARAMS, error: notFound(error, call) };
  if (code === URL_ELICITATION_REQUIRED) return elicitUrls(error, call);
  if (code === MISSING_CAPABILITY) throw missingCapability(error, call, clientRevision);
  if (code <= -32020 && code >= -32099) throw new GatewayError("upstream", "the upstream does not accept how the gateway speaks the protocol", { data: { upstreamCode: code } });
  return { type: "failed", error, code };
}

/** Absent means complete (MCP 2026-07-28, results: answers of older servers). */
function resultType(raw: JsonText | null): "complete" | "input_required" | "task" {
  const type = raw === null ? "complete" : parsed(raw);
  if (type === "complete" || type === "input_required" || type === "task") return type;
  throw invalidAnswer("the kind of its result is unknown");
}

/** What `result` of the message asks for. */
export function inputRequired(members: Members): InputRequired {
  const asked = parsed(members.raw("result", "inputRequests")) ?? {};
  const state = parsed(members.raw("result", "requestState"));
  if (!isObject(asked) || (state !== undefined && typeof state !== "string")) throw invalidAnswer("what it asks for cannot be read");
  const inputRequests: Record<string, InputRequest> = {};
  for (const key of Object.keys(asked)) {
    const request = inputRequest(asked[key]);
    if (!request) throw invalidAnswer("what it asks for cannot be read");
    inputRequests[key] = request;
  }
  if (Object.keys(inputRequests).length === 0 && state === undefined) throw invalidAnswer("it asks for input without saying which");
  return state === undefined ? { type: "input_required", inputRequests } : { type: "input_required", inputRequests, requestState: state };
}

function inputRequest(value: JsonValue | undefined): InputRequest | null {
  if (!isObject(value)) return null;
  const { method, params } = value;
  if (method !== "elicitation/create" && method !== "sampling/createMessage" && method !== "roots/list") return null;
  if (params === undefined) return { method };
  return isObject(params) ? { method, params } : null;
}

/** Answers to questions MUST NOT be cached (MCP 2026-07-28, caching). */
function ttlOf(members: Members, call: Call): number {
  const ttl = parsed(members.raw("result", "ttlMs"));
  if (call.inputResponses !== null || call.requestState !== null) return 0;
  return typeof ttl === "number" && Number.isInteger(ttl) && ttl > 0 ? Math.min(ttl, MAX_TTL_MS) : 0;
}

function notFound(error: JsonText, call: Call): JsonText {
  const data = dataOf(error);
  const uri = data.uri ?? call.params.uri ?? null;
  return editObject(error, { set: { code: String(INVALID_PARAMS), data: JSON.stringify({ ...data, uri }) } });
}

/** Revision 2025-11-25 says by an error what 2026-07-28 asks by a result. `elicitationId` does not exist there. */
function elicitUrls(error: JsonText, call: Call): Outcome {
  const listed = dataOf(error).elicitations;
  const wanted = (Array.isArray(listed) ? listed : []).filter(isUrlElicitation);
  if (wanted.length === 0) throw invalidAnswer("it asks for a page to be opened without naming one");
  if (call.capabilities.elicitation?.url && METHODS.get(call.method)?.mrtr) {
    const entries = wanted.map(({ message, url }, at): [string, InputRequest] => [`url${at + 1}`, { method: "elicitation/create", params: { mode: "url", message, url } }]);
    return { type: "input_required", inputRequests: Object.fromEntries(entries) };
  }
  const text = wanted.map(({ message, url }) => `${message}: ${url}`).join("\n");
  if (call.method !== "tools/call") throw new GatewayError("upstream", `the upstream wants a page opened first. ${text}`, { data: { reason: "url_elicitation" } });
  return { type: "complete", isError: true, result: JSON.stringify({ content: [{ type: "text", text: `Open this page, then call again.\n${text}` }], isError: true }) };
}

function isUrlElicitation(value: JsonValue): value is { message: string; url: string } {
  return isObject(value) && typeof value.message === "string" && typeof value.url === "string";
}

/** The code and its HTTP status belong to this hop, unless it is the client that lacks the capability and can be told. */
function missingCapability(error: JsonText, call: Call, clientRevision: string): GatewayError {
  const { requiredCapabilities } = dataOf(error);
  const needed = isObject(requiredCapabilities) ? requiredCapabilities : {};
  const message = `the upstream needs a client with: ${Object.keys(needed).join(", ") || "a capability it does not name"}`;
  const data: JsonObject = { requiredCapabilities: needed };
  const lacking = Object.keys(needed).some((name) => call.capabilities[name] === undefined);
  if (!isModern(clientRevision) || !lacking) return new GatewayError("upstream", message, { data });
  return new GatewayError("invalid", message, { data, wire: { rpc: MISSING_CAPABILITY, http: 400 } });
}

function dataOf(error: JsonText): JsonObject {
  const value = parsed(error);
  return isObject(value) && isObject(value.data) ? value.data : {};
}
