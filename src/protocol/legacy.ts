import type { Call, InputRequired, Outcome } from "../model/call.ts";
import type { GatewayError } from "../model/error.ts";
import type { JsonObject, JsonText } from "../model/json.ts";
import type { Codec } from "./codec.ts";
import { errorData, failedText, statusOf } from "./failures.ts";
import { IMPLEMENTATION } from "./identity.ts";
import { errorText, INTERNAL_ERROR, INVALID_PARAMS, RESOURCE_NOT_FOUND, responseText } from "./jsonrpc.ts";
import { resultFor } from "./legacy-results.ts";
import { legacyNotice } from "./notices.ts";
import { isLegacy, LEGACY } from "./revisions.ts";

/** Writes one of the revisions with a handshake. An unknown revision is written like the newest of them. */
export function legacyCodec(revision: string): Codec {
  return CODECS.get(revision) ?? newCodec(negotiate(revision));
}

const CODECS: ReadonlyMap<string, Codec> = new Map(LEGACY.map((revision) => [revision, newCodec(revision)]));

function newCodec(revision: string): Codec {
  return {
    era: "legacy",
    revision,
    outcome: (id, call, outcome) => outcomeText(id, call, outcome, revision),
    error: errorAnswer,
    notification: legacyNotice,
  };
}

/** The revision to speak with a client that asks for one: its own if known, else our newest legacy one. */
export function negotiate(requested: string): string {
  return isLegacy(requested) ? requested : (LEGACY[0] ?? requested);
}

/** The answer to `initialize`. `revision` is the negotiated one; `title` of the server came with 2025-06-18. */
export function initializeResult(id: JsonText, answer: { revision: string; capabilities: JsonObject; instructions: string | null }): JsonText {
  const { name, version } = IMPLEMENTATION;
  const serverInfo = answer.revision >= "2025-06-18" ? IMPLEMENTATION : { name, version };
  const { extensions, ...core } = answer.capabilities;
  // Before 2025-11-25 nobody looks for extensions in a handshake.
  const capabilities = answer.revision >= "2025-11-25" && extensions !== undefined ? answer.capabilities : core;
  const result = { protocolVersion: answer.revision, capabilities, serverInfo, instructions: answer.instructions ?? undefined };
  return responseText(id, JSON.stringify(result));
}

function outcomeText(id: JsonText, call: Call, outcome: Outcome, revision: string): JsonText {
  if (outcome.type === "input_required") return unansweredText(id, call, outcome);
  if (outcome.type === "failed") return failedText(id, call, outcome, revision);
  // Tasks are only for clients that can say so, and those are modern.
  if (outcome.type === "task") return errorText(id, INTERNAL_ERROR, "internal error");
  return responseText(id, resultFor(revision, call.method, outcome.result));
}

/** A question that this connection cannot carry to the client ends the call, in words that a model can act on. */
function unansweredText(id: JsonText, call: Call, { inputRequests }: InputRequired): JsonText {
  const asks = Array.from(new Set(Object.values(inputRequests).map((request) => request.method))).join(", ");
  const text = `This needs an answer from the client (${asks || "more time"}), which cannot be asked for on this connection. A client that speaks MCP 2026-07-28 can answer it.`;
  if (call.method !== "tools/call") return errorText(id, INTERNAL_ERROR, text);
  return responseText(id, JSON.stringify({ content: [{ type: "text", text }], isError: true }));
}

/** Everything after the request was read is in band. A resource that is not there has a code of its own (up to 2025-11-25). */
function errorAnswer(id: JsonText | null, error: GatewayError, requestId: string): { status: number; message: JsonText } {
  const missing = error.code === "not_found" && error.wire.rpc === INVALID_PARAMS && typeof error.data?.uri === "string";
  const ownRange = error.wire.rpc <= -32020 && error.wire.rpc >= -32099;
  const code = missing ? RESOURCE_NOT_FOUND : ownRange ? INTERNAL_ERROR : error.wire.rpc;
  return { status: statusOf(error), message: errorText(id, code, error.message, errorData(error, requestId)) };
}
