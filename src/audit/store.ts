import { json, sql, workspaceTx } from "../lib/sql.ts";
import type { AuditRecord } from "../model/audit.ts";
import type { Database } from "../model/context.ts";

/** Appends to the workspace's chain; records that are already there are left out. */
export async function appendRecords(database: Database, workspace: string, records: AuditRecord[]): Promise<void> {
  await workspaceTx(database, workspace, [sql`select causeway.append_audit(${json(records)})`]);
}
