import { json, sql, workspaceTx } from "../lib/sql.ts";
import type { AuditRecord } from "../model/audit.ts";
import type { Database } from "../model/context.ts";

/** Appends to the workspace's chain; records that are already there are left out. */
export async function appendRecords(database: Database, workspace: string, records: AuditRecord[]): Promise<void> {
  await workspaceTx(database, workspace, [sql`select causeway.append_audit(${recordsJson(records)})`]);
}

/** NUL and halves of surrogate pairs, as JSON.stringify writes them; what else it finds is only looked at again. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/;

/**
 * The parameter of `causeway.append_audit`. What callers name can hold what jsonb does not take, NUL and halves of surrogate pairs: one such
 * record would keep out all that come with it, so they become U+FFFD.
 */
export function recordsJson(records: readonly AuditRecord[]): string | null {
  const text = json(records);
  if (text === null || !UNSTORABLE.test(text)) return text;
  return json(records.map((record) => Object.fromEntries(Object.entries(record).map(([name, value]) => [name, typeof value === "string" ? storable(value) : value]))));
}

function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\ufffd");
}
