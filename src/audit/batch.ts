import type { AuditRecord } from "../model/audit.ts";
import type { AuditBatch } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";

/** Records, each as its own JSON text, as one message. Sent as text: what the queue makes of an object costs more than writing it here. */
export function batchOf(records: readonly JsonText[]): AuditBatch {
  return `{"records":[${records.join(",")}]}`;
}

/** The records of a message that `batchOf` wrote; its shape is not checked. */
export function recordsIn(batch: AuditBatch): AuditRecord[] {
  const { records }: { records: AuditRecord[] } = JSON.parse(batch);
  return records;
}
