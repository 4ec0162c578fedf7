import type { Members } from "../lib/json.ts";
import { isObject, type JsonObject, type JsonText, type JsonValue } from "../model/json.ts";
import { isId } from "./jsonrpc.ts";
import { VERSION_KEY } from "./meta.ts";

/** One JSON-RPC message, looked at but not yet believed: nothing but its outer shape is checked. */
export interface Message {
  kind: "request" | "notification" | "response" | "invalid";
  /** As written; null when there is none or it is not one. */
  id: JsonText | null;
  method: string;
  /** Empty when absent or not an object; `paramsFit` tells which. */
  params: JsonObject;
  paramsFit: boolean;
  meta: JsonObject;
  /** The revision that the request itself claims in `_meta`; undefined: it claims none. */
  claim: JsonValue | undefined;
  members: Members;
}

/** Reads the shape of a message. `members` must come from the same text as `value`. */
export function messageOf(value: JsonValue, members: Members): Message {
  const object = isObject(value) ? value : {};
  const params = isObject(object.params) ? object.params : {};
  const meta = isObject(params._meta) ? params._meta : {};
  return {
    kind: kindOf(object),
    id: isId(object.id) ? members.raw("id") : null,
    method: typeof object.method === "string" ? object.method : "",
    params,
    paramsFit: object.params === undefined || isObject(object.params),
    meta,
    claim: meta[VERSION_KEY],
    members,
  };
}

function kindOf(object: JsonObject): Message["kind"] {
  if (object.jsonrpc !== "2.0") return "invalid";
  if (typeof object.method === "string") {
    if (object.id === undefined) return "notification";
    return isId(object.id) ? "request" : "invalid";
  }
  const ends = Number(object.result !== undefined) + Number(isObject(object.error));
  return object.method === undefined && isId(object.id) && ends === 1 ? "response" : "invalid";
}
