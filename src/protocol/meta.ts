import type { JsonObject, JsonText } from "../model/json.ts";
import { editObject, memberOf, membersOf } from "../lib/json.ts";
import { IMPLEMENTATION_TEXT } from "./identity.ts";

export const VERSION_KEY = "io.modelcontextprotocol/protocolVersion";
export const CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities";
export const CLIENT_INFO_KEY = "io.modelcontextprotocol/clientInfo";
export const LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel";
export const SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo";
/** Ours; the header `Idempotency-Key` says the same. Travels on, so that a gateway behind this one hears it too. */
export const IDEMPOTENCY_KEY = "causeway/idempotencyKey";
/** Of tasks of 2025-11-25, which we drive for our clients: the id is the upstream's. */
export const RELATED_TASK_KEY = "io.modelcontextprotocol/related-task";
export const SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId";

/** What one hop says about itself in `_meta`; the next hop says its own. */
const HOP_KEYS: readonly string[] = [VERSION_KEY, CAPABILITIES_KEY, CLIENT_INFO_KEY, LOG_LEVEL_KEY, SERVER_INFO_KEY, SUBSCRIPTION_KEY, RELATED_TASK_KEY];

/** Of a request also what travels by other means. Baggage may name people, so it is not carried to other parties. */
const REQUEST_KEYS: readonly string[] = [...HOP_KEYS, "progressToken", "traceparent", "tracestate", "baggage"];

const OWN_KEYS: Readonly<Record<string, JsonText>> = { [SERVER_INFO_KEY]: IMPLEMENTATION_TEXT };
const OWN_META: JsonText = `{"${SERVER_INFO_KEY}":${IMPLEMENTATION_TEXT}}`;

/** `_meta` of a request, split: the progress token as written, and what goes on to the target (null: nothing is left). `meta` is the value of `text`. */
export function requestMeta(meta: JsonObject, text: JsonText | null): { progressToken: JsonText | null; rest: JsonText | null } {
  if (text === null) return { progressToken: null, rest: null };
  return {
    progressToken: meta.progressToken === undefined ? null : memberOf(text, "progressToken"),
    rest: travels(meta) ? editObject(text, { drop: REQUEST_KEYS }) : null,
  };
}

function travels(meta: JsonObject): boolean {
  for (const key in meta) if (!REQUEST_KEYS.includes(key)) return true;
  return false;
}

/** `_meta` of a result or notification without what the other hop said about itself; null when nothing is left. */
export function carriedMeta(meta: JsonText): JsonText | null {
  const members = membersOf(meta);
  if (!members) return null;
  if (!members.some((member) => HOP_KEYS.includes(member.key))) return meta;
  return members.every((member) => HOP_KEYS.includes(member.key)) ? null : editObject(meta, { drop: HOP_KEYS });
}

/** `_meta` of a modern result: what is carried, our own name, and the id of the listen request it closes. */
export function answerMeta(meta: JsonText | null, subscription: JsonText | null): JsonText {
  const carried = meta === null ? null : carriedMeta(meta);
  if (carried === null && subscription === null) return OWN_META;
  const own = subscription === null ? OWN_KEYS : { ...OWN_KEYS, [SUBSCRIPTION_KEY]: subscription };
  return editObject(carried ?? "{}", { set: own });
}
