import type { JsonText, JsonValue } from "../model/json.ts";

/** One node of a run as its trace keeps it. Times are Unix ms. */
export interface NodeRecord {
  node: string;
  type: string;
  status: "completed" | "failed" | "skipped" | "cancelled" | "waiting";
  startedAt: number;
  /** Null while it waits for an answer. */
  finishedAt: number | null;
  /** Of all items together. */
  attempts: number;
  /** How many items a forEach had; null: it had none. */
  items: number | null;
  input: JsonText | null;
  output: JsonText | null;
  error: TracedError | null;
  /** Audit ids of the calls made for it. */
  calls: string[];
}

export interface TracedError {
  code: string;
  message: string;
}

export type RunStatus = "running" | "waiting" | "completed" | "failed" | "cancelled";

/** How a run ended, and with what. */
export interface RunEnd {
  status: Exclude<RunStatus, "running" | "waiting">;
  output: JsonText | null;
  error: (TracedError & { node: string | null }) | null;
}

/** The value as JSON text, or, when it is longer than `maxBytes`, an object that holds its beginning and its size in bytes. */
export function traced(value: JsonValue, maxBytes: number): JsonText {
  const text = JSON.stringify(value);
  if (text.length * 3 <= maxBytes) return text;
  const bytes = new TextEncoder().encode(text).byteLength;
  return bytes <= maxBytes ? text : JSON.stringify({ truncated: true, bytes, beginning: text.slice(0, maxBytes) });
}
