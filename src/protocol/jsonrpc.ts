import type { JsonObject, JsonText, JsonValue } from "../model/json.ts";

/** JSON-RPC 2.0 codes, and those that MCP 2026-07-28 assigns itself. */
export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;
export const HEADER_MISMATCH = -32020;
export const MISSING_CAPABILITY = -32021;
export const UNSUPPORTED_VERSION = -32022;
/** "Resource not found" up to 2025-11-25. */
export const RESOURCE_NOT_FOUND = -32002;
/** "URL elicitation required", of 2025-11-25 only. */
export const URL_ELICITATION_REQUIRED = -32042;
/** `data.reason` of -32602 for a `requestState` that is not good, or not any more. */
export const INVALID_STATE = "invalid_request_state";
/** The same for `inputResponses` that do not answer what was asked. */
export const INVALID_ANSWERS = "invalid_input_responses";
/** Left to implementations; what the official SDKs answer when legacy HTTP itself is wrong. */
export const BAD_LEGACY_HTTP = -32000;

export function responseText(id: JsonText, result: JsonText): JsonText {
  return `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
}

/** `error`: the text of a whole error object. Without an id that could be read the member is left out (MCP 2026-07-28, errors). */
export function failureText(id: JsonText | null, error: JsonText): JsonText {
  return id === null ? `{"jsonrpc":"2.0","error":${error}}` : `{"jsonrpc":"2.0","id":${id},"error":${error}}`;
}

export function errorText(id: JsonText | null, code: number, message: string, data?: JsonObject): JsonText {
  return failureText(id, JSON.stringify({ code, message, data }));
}

export function requestText(id: JsonText, method: string, params: JsonText): JsonText {
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${params}}`;
}

export function notificationText(method: string, params: JsonText): JsonText {
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${params}}`;
}

/** A request id in MCP: a string or an integer, never null. */
export function isId(value: JsonValue | undefined): value is string | number {
  return typeof value === "string" || Number.isInteger(value);
}
