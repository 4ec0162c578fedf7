import type { AuditRecord, CallRecord } from "../model/audit.ts";
import type { AuditBatch } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";

/**
 * A record as an element of a message: what differs from the record before it there, or, after none or one of another type, all of it. A busy isolate's records
 * are alike but for four or five values, and both sending them and the queue's bill go by bytes.
 */
export function elementOf(record: AuditRecord, before: AuditRecord | null): JsonText {
  if (before?.type === "call" && record.type === "call") return difference(record, before);
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

/** As an object's text: written here because building that object first costs as much as all else of a record. */
function difference(record: CallRecord, before: CallRecord): JsonText {
  let text = "";
  let key: keyof CallRecord;
  for (key in record) if (record[key] !== before[key]) text += `${text === "" ? "" : ","}"${key}":${JSON.stringify(record[key])}`;
  return `{${text}}`;
}
