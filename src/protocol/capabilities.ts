import type { Call, ClientCapabilities, InputRequest } from "../model/call.ts";
import { GatewayError } from "../model/error.ts";
import { MISSING_CAPABILITY } from "./jsonrpc.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";

/**
 * Client capabilities as declared; null when a known one has the wrong type. `elicitation: {}` means form only
 * (MCP 2026-07-28, elicitation, capabilities) and comes back as `{form: {}}`.
 */
export function capabilitiesOf(value: JsonValue | undefined): ClientCapabilities | null {
  if (!isObject(value) || !isCapabilities(value)) return null;
  const { elicitation } = value;
  if (!elicitation || elicitation.form || elicitation.url) return value;
  return { ...value, elicitation: { ...elicitation, form: {} } };
}

/** What of its capabilities says that the client can be asked, with `{}` in place of settings that nobody here reads. */
export function askable({ elicitation, sampling, roots }: ClientCapabilities): JsonObject & Pick<ClientCapabilities, "elicitation" | "sampling" | "roots"> {
  return {
    ...(elicitation && { elicitation: { ...(elicitation.form && { form: {} }), ...(elicitation.url && { url: {} }) } }),
    ...(sampling && { sampling: { ...(isObject(sampling.tools) && { tools: {} }), ...(isObject(sampling.context) && { context: {} }) } }),
    ...(roots && { roots: {} }),
  };
}

/** The same as far as a client of this revision can have meant it: elicitation came with 2025-06-18, its url mode with 2025-11-25. */
export function askableIn(declared: ClientCapabilities, revision: string): JsonObject {
  const { elicitation, ...rest } = askable(declared);
  if (!elicitation || revision < "2025-06-18") return rest;
  const { url: _, ...form } = elicitation;
  return { elicitation: revision < "2025-11-25" ? form : elicitation, ...rest };
}

/** Whether a client that declared this can be asked that. An empty `elicitation` object means form only (MCP 2026-07-28, client capabilities). */
export function canAnswer(declared: ClientCapabilities, { method, params }: InputRequest): boolean {
  if (method === "sampling/createMessage") return declared.sampling !== undefined;
  if (method === "roots/list") return declared.roots !== undefined;
  const { elicitation } = declared;
  if (elicitation === undefined) return false;
  return params?.["mode"] === "url" ? elicitation.url !== undefined : elicitation.form !== undefined || elicitation.url === undefined;
}

/** Throws -32021 for what this client cannot be asked. */
export function requireCapability(declared: ClientCapabilities, request: InputRequest): void {
  if (canAnswer(declared, request)) return;
  throw missing("this call needs a capability that the client did not declare", requirementOf(request));
}

function requirementOf({ method, params }: InputRequest): JsonObject {
  if (method === "sampling/createMessage") return { sampling: {} };
  if (method === "roots/list") return { roots: {} };
  return { elicitation: params?.["mode"] === "url" ? { url: {} } : { form: {} } };
}

function missing(message: string, requiredCapabilities: JsonObject): GatewayError {
  return new GatewayError("unsupported", message, { wire: { http: 400, rpc: MISSING_CAPABILITY }, data: { requiredCapabilities } });
}

/** The extension by which a call goes on without its request (ext-tasks, 2026-07-28). */
export const TASKS = "io.modelcontextprotocol/tasks";

export function declaresTasks({ capabilities }: Pick<Call, "capabilities">): boolean {
  return capabilities.extensions?.[TASKS] !== undefined;
}

/** -32021 for a request that needs the extension (ext-tasks, capability negotiation). */
export function tasksNeeded(message: string): GatewayError {
  return missing(message, { extensions: { [TASKS]: {} } });
}

/** What a client says it is; null when it is not a name and a version. Self-reported: for display and logs only. */
export function clientInfoOf(value: JsonValue | undefined): { name: string; version: string } | null {
  if (!isObject(value) || typeof value.name !== "string" || typeof value.version !== "string") return null;
  return { name: value.name, version: value.version };
}

function isCapabilities(value: JsonObject): value is JsonObject & ClientCapabilities {
  const { elicitation, sampling, roots, extensions } = value;
  if (!isAbsentOrObject(elicitation) || !isAbsentOrObject(sampling) || !isAbsentOrObject(roots) || !isAbsentOrObject(extensions)) return false;
  if (isObject(elicitation) && !(isAbsentOrObject(elicitation.form) && isAbsentOrObject(elicitation.url))) return false;
  return !isObject(extensions) || Object.values(extensions).every(isObject);
}

function isAbsentOrObject(value: JsonValue | undefined): boolean {
  return value === undefined || isObject(value);
}
