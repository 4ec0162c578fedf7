import type { JsonText, JsonValue } from "../../model/json.ts";
import { elementsOf, Members } from "../../lib/json.ts";

/** One JSON-RPC message from an upstream, its parts as written. `invalid`: not a message at all. */
export type Message =
  | { kind: "result"; id: JsonText; result: JsonText; members: Members }
  | { kind: "error"; id: JsonText | null; error: JsonText; code: number }
  | { kind: "request"; id: JsonText; method: string; params: JsonText | null }
  | { kind: "notification"; method: string; params: JsonText | null }
  | { kind: "invalid" };

/**
 * Up to this many UTF-16 units a message is proven to be JSON by parsing it. Above, only its outline is: parsing large results
 * costs as much as the whole hop, nothing in them decides anything here, and only the one caller would read the damage.
 */
const PROVEN_UNITS = 64 * 1024;

const INVALID: Message = { kind: "invalid" };

/** The messages in one text from a server of this revision: 2025-03-26 has batches (basic protocol, batching), what came before had them by habit. */
export function unbatched(text: JsonText, revision: string): JsonText[] {
  return (revision <= "2025-03-26" ? elementsOf(text) : null) ?? [text];
}

/** Reads one message without re-modelling it: what is not needed here stays source text. */
export function readMessage(text: JsonText): Message {
  if (!isJson(text)) return INVALID;
  const members = Members.of(text);
  if (members.raw("jsonrpc") !== '"2.0"') return INVALID;
  const id = members.raw("id");
  const method = parsed(members.raw("method"));
  const result = members.raw("result");
  const error = members.raw("error");
  if (typeof method === "string") {
    if (result !== null || error !== null) return INVALID;
    const params = members.raw("params");
    return id === null ? { kind: "notification", method, params } : { kind: "request", id, method, params };
  }
  if (result !== null && error === null && id !== null) return result.startsWith("{") && !isCut(text, result) ? { kind: "result", id, result, members } : INVALID;
  if (error === null || result !== null) return INVALID;
  const code = parsed(members.raw("error", "code"));
  if (typeof code !== "number" || !Number.isInteger(code) || typeof parsed(members.raw("error", "message")) !== "string") return INVALID;
  return { kind: "error", id: id === "null" ? null : id, error, code };
}

/** Whether an id is ours, however the other side chose to escape it. Ids are never compared loosely: `"1"` is not `1`. */
export function isOurs(id: JsonText | null, ours: string): boolean {
  return id === `"${ours}"` || (id !== null && id.includes("\\") && parsed(id) === ours);
}

/** The value of a small member; undefined when it is absent or no JSON. */
export function parsed(raw: JsonText | null): JsonValue | undefined {
  if (raw === null) return undefined;
  try {
    const value: JsonValue = JSON.parse(raw);
    return value;
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  return text.length > PROVEN_UNITS ? text.trimEnd().endsWith("}") : parsed(text) !== undefined;
}

/** A member that reaches the end of the text was cut off: in a whole one the object's own brace follows it. */
function isCut(text: JsonText, member: JsonText): boolean {
  return text.length > PROVEN_UNITS && text.endsWith(member);
}
