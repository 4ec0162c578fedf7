import { LOG_LEVELS } from "../model/call.ts";
import type { Call, LogLevel, Notification } from "../model/call.ts";
import type { JsonText } from "../model/json.ts";
import { editObject, memberOf } from "../lib/json.ts";
import type { Incoming } from "./codec.ts";
import { logLevelOf } from "./decode.ts";
import { notificationText, requestText } from "./jsonrpc.ts";
import { carriedMeta } from "./meta.ts";

/**
 * A notification as a modern client may see it; null when it did not ask: progress without a token, a log message without a
 * level or below it. On a listen stream `_meta` names the subscription, which is the id of its request.
 */
export function modernNotice({ id, call }: Incoming, notification: Notification): JsonText | null {
  if (call.method === "subscriptions/listen") return subscribed(id, notification);
  const unwanted = notification.method === "notifications/message" && (call.logLevel === null || isBelow(call.logLevel, notification));
  return unwanted ? null : noticeText(call, notification);
}

/**
 * The same for a legacy client. The level of its log messages is its session's matter, not the call's; what it will hear on its GET stream it is
 * not told.
 */
export function legacyNotice({ call }: Incoming, notification: Notification): JsonText | null {
  if (notification.method === "notifications/subscriptions/acknowledged") return null;
  return noticeText(call, notification);
}

/** Whether a log message is less than `least`. An unknown level is: it cannot be compared. */
export function isBelow(least: LogLevel, notification: Notification): boolean {
  const level = notification.level ?? logLevelOf(JSON.parse(memberOf(notification.params, "level") ?? "null"));
  return level === null || LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least);
}

function subscribed(id: JsonText, { method, params }: Notification): JsonText {
  return notificationText(method, editObject(params, { set: { _meta: `{"io.modelcontextprotocol/subscriptionId":${id}}` } }));
}

function noticeText(call: Call, { id, method, params }: Notification): JsonText | null {
  if (id !== undefined) return requestText(id, method, params);
  const _meta = carried;
  if (method !== "notifications/progress") return notificationText(method, editObject(params, { set: { _meta } }));
  if (call.progressToken === null) return null;
  return notificationText(method, editObject(params, { set: { progressToken: call.progressToken, _meta } }));
}

function carried(meta: JsonText | null): JsonText | null {
  return meta === null ? null : carriedMeta(meta);
}
