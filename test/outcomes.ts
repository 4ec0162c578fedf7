import { isObject, type JsonObject, type JsonValue } from "../src/model/json.ts";
import type { Answer } from "./socket-client.ts";

/* What the answer to a modern call says. */

/** What it asks: its keys, and the state to send back. */
export function asked({ message, result }: Answer): { keys: string[]; requests: JsonObject; requestState: JsonValue } {
  if (result.resultType !== "input_required" || !isObject(result.inputRequests)) throw new Error(`nothing was asked: ${JSON.stringify(message)}`);
  return { keys: Object.keys(result.inputRequests), requests: result.inputRequests, requestState: result.requestState ?? null };
}

/** Its first block of content. */
export function textOf({ message, result }: Answer): string {
  const [first] = Array.isArray(result.content) ? result.content : [];
  if (!isObject(first)) throw new Error(`no content: ${JSON.stringify(message)}`);
  return String(first.text);
}

export function errorOf({ message }: Answer): JsonObject {
  return isObject(message.error) ? message.error : {};
}
