import { editObject, memberOf } from "../lib/json.ts";
import type { Notification } from "../model/call.ts";
import type { JsonValue } from "../model/json.ts";

const METHOD = "notifications/progress";
const MESSAGE = "still running";

/**
 * Progress of a call that says nothing for a while, so that a client's timer starts anew. Progress has to grow (MCP 2026-07-28, progress), and what the target
 * will say is not known: a beat is next to nothing more than what was said last, and what the target says after a beat is at least as much.
 */
export class Heartbeat {
  #said: Notification | null = null;
  #beat: number | null = null;

  /** The target's notification as it may be sent now. */
  heard(notification: Notification): Notification {
    if (notification.method !== METHOD) return notification;
    const { params } = notification;
    const value = this.#beat === null ? null : progressOf(notification);
    const isBehind = value !== null && this.#beat !== null && value <= this.#beat;
    const sent = isBehind ? { ...notification, params: editObject(params, { set: { progress: String(more(this.#beat ?? 0)) } }) } : notification;
    if (isBehind) this.#beat = more(this.#beat ?? 0);
    this.#said = sent;
    return sent;
  }

  next(): Notification {
    const said = this.#said === null ? null : progressOf(this.#said);
    this.#beat = said === null && this.#beat === null ? 0 : more(Math.max(said ?? 0, this.#beat ?? 0));
    const total = this.#said === null ? null : memberOf(this.#said.params, "total");
    return { method: METHOD, params: `{"progress":${this.#beat},${total === null ? "" : `"total":${total},`}"message":"${MESSAGE}"}` };
  }
}

function progressOf({ params }: Notification): number | null {
  const value: JsonValue = JSON.parse(memberOf(params, "progress") ?? "null");
  return typeof value === "number" ? value : null;
}

function more(value: number): number {
  return value + Math.max(1e-6, Math.abs(value) * 1e-12);
}
