import type { AuditRecord } from "../model/audit.ts";
import type { AuditBatch } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";

/**
 * A record as an element of a message: what differs from the record before it there, or, after none or one of another type, all of it. A busy isolate's records
 * are alike but for four or five values, and both sending them and the queue's bill go by bytes.
 */
export function elementOf(record: AuditRecord, before: AuditRecord | null): JsonText {
  if (before?.type === "call" && record.type === "call") return JSON.stringify(difference(record, before));
  return JSON.stringify(record);
}

/** Elements as one message. Sent as text: what the queue makes of an object costs more than writing it here. */
export function batchOf(elements: readonly JsonText[]): AuditBatch {
  return `{"records":[${elements.join(",")}]}`;
}

/** The records of a message that `batchOf` wrote; its shape is not checked. */
export function recordsIn(batch: AuditBatch): AuditRecord[] {
  const { records }: { records: AuditRecord[] } = JSON.parse(batch);
  let before: AuditRecord | null = null;
  return records.map((element) => (before = "type" in element ? element : Object.assign({}, before, element)));
}

function difference<Value extends object>(value: Value, before: Value): Partial<Value> {
  const changed: Partial<Value> = {};
  for (const key in value) if (value[key] !== before[key]) changed[key] = value[key];
  return changed;
}
