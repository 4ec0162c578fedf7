import { elementsOf, Members } from "../lib/json.ts";
import type { JsonObject, JsonText, JsonValue } from "../model/json.ts";
import type { Incoming } from "./codec.ts";
import { legacyCall } from "./decode.ts";
import { isExtension } from "./extensions.ts";
import { errorText, INVALID_PARAMS, METHOD_NOT_FOUND } from "./jsonrpc.ts";
import { messageOf } from "./message.ts";
import type { Message } from "./message.ts";
import { METHODS, paramsProblem, unknownMethod } from "./methods.ts";

/**
 * One message of a legacy POST. A response's `result` or `error` is as written, the other one null. `requestId` of a
 * notification is `params.requestId` as written (`notifications/cancelled`). `invalid` is answered in place of a result.
 */
export type LegacyMessage =
  | { kind: "request"; incoming: Incoming }
  | { kind: "notification"; method: string; params: JsonObject; requestId: JsonText | null }
  | { kind: "response"; id: JsonText; result: JsonText | null; error: JsonText | null }
  | { kind: "invalid"; body: JsonText };

/** Revisions whose POSTs may be arrays: 2025-03-26 by its text, 2024-11-05 by its SDKs. */
export const BATCHING: readonly string[] = ["2025-03-26", "2024-11-05"];

/** The elements of an array body. `value` and `text` must be the same array. */
export function batchMessages(value: readonly JsonValue[], text: JsonText): Message[] {
  const texts = elementsOf(text) ?? [];
  return value.map((element, at) => messageOf(element, Members.of(texts[at] ?? "{}")));
}

/** A message of valid shape → what to do with it. Method and params are checked here, in band, as legacy servers do. */
export function legacyMessage(message: Message, header: (name: string) => string | null): LegacyMessage {
  if (message.kind === "notification") {
    return { kind: "notification", method: message.method, params: message.params, requestId: message.members.raw("params", "requestId") };
  }
  const id = message.id ?? "null";
  if (message.kind === "response") return { kind: "response", id, result: message.members.raw("result"), error: message.members.raw("error") };
  const row = METHODS.get(message.method);
  if (!row?.legacy && !isExtension(message.method)) return { kind: "invalid", body: errorText(id, METHOD_NOT_FOUND, unknownMethod(message.method)) };
  const problem = message.paramsFit ? (row ? paramsProblem(row, message.params, false) : null) : "params must be an object";
  if (problem !== null) return { kind: "invalid", body: errorText(id, INVALID_PARAMS, problem) };
  return { kind: "request", incoming: { id, call: legacyCall(message, header) } };
}
