import type { Call, Outcome } from "../model/call.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonObject, JsonText } from "../model/json.ts";
import { editObject, memberOf } from "../lib/json.ts";
import { failureText, HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, INVALID_STATE, MISSING_CAPABILITY, RESOURCE_NOT_FOUND, UNSUPPORTED_VERSION, URL_ELICITATION_REQUIRED } from "./jsonrpc.ts";
import { isModern } from "./revisions.ts";

type Failed = Extract<Outcome, { type: "failed" }>;

/** Codes by which two neighbours talk about their own hop: past it they mean something else, or nothing. */
export const HOP_CODES: readonly number[] = [HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION];

/** A `requestState` that was good, and is not any more: something waited for it once. */
export function spentState(): GatewayError {
  return new GatewayError("invalid", "requestState has expired or was already used", { data: { reason: INVALID_STATE } });
}

/** An upstream's error as written, but for codes that the client's revision gives another meaning or another number. */
export function failedText(id: JsonText, call: Call, outcome: Failed, revision: string): JsonText {
  const code = codeFor(call, outcome, revision);
  if (code === outcome.code) return failureText(id, outcome.error);
  const uri = code === INVALID_PARAMS && typeof call.params.uri === "string" ? JSON.stringify(call.params.uri) : null;
  const data = (was: JsonText | null) => (uri === null || was?.startsWith("{") === false ? was : editObject(was ?? "{}", { set: { uri: (had) => had ?? uri } }));
  return failureText(id, editObject(outcome.error, { set: { code: String(code), data } }));
}

/** `data` of an error of our own: what the thrower adds, and what every error of the gateway says. */
export function errorData(error: GatewayError, requestId: string): JsonObject {
  const data: JsonObject = { ...error.data, code: error.code, requestId };
  if (error.retryAfter !== undefined) data.retryAfter = error.retryAfter;
  return data;
}

/** Before anything was sent these are the answer's HTTP status in both eras; the rest is in band, also what an upstream says by such a status. */
export function statusOf(error: GatewayError): number {
  if (typeof error.data?.status === "number") return 200;
  return error.code === "unauthenticated" || error.code === "forbidden" || error.code === "limited" || error.code === "unavailable" ? error.wire.http : 200;
}

function codeFor(call: Call, { code, error }: Failed, revision: string): number {
  if (HOP_CODES.includes(code)) return INTERNAL_ERROR;
  if (code === URL_ELICITATION_REQUIRED && revision !== "2025-11-25") return INTERNAL_ERROR;
  if (isModern(revision)) return code === RESOURCE_NOT_FOUND ? INVALID_PARAMS : code;
  return code === INVALID_PARAMS && call.method === "resources/read" && namesUri(error) ? RESOURCE_NOT_FOUND : code;
}

function namesUri(error: JsonText): boolean {
  const data = memberOf(error, "data");
  return data !== null && memberOf(data, "uri") !== null;
}
