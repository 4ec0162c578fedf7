import { log } from "../lib/log.ts";
import type { AuditRecord } from "../model/audit.ts";
import type { AuditBatch, Platform } from "../model/context.ts";
import { appendRecords } from "./store.ts";

/**
 * Writes a batch of audit messages to Postgres, one transaction a workspace. A workspace that fails sends back the
 * messages that carry its records; the others are acknowledged. Redelivery changes nothing.
 */
export async function consume(platform: Platform, batch: MessageBatch<AuditBatch>): Promise<void> {
  const failed = new Set<string>();
  for (const [workspace, records] of byWorkspace(batch)) {
    try {
      await appendRecords(platform.database, workspace, records);
    } catch (cause) {
      failed.add(workspace);
      log("error", "audit batch not written, will be redelivered", { workspace, records: records.length, cause });
    }
  }
  for (const message of batch.messages) {
    if (message.body.records.some((record) => failed.has(record.workspace))) message.retry({ delaySeconds: 5 });
    else message.ack();
  }
}

function byWorkspace(batch: MessageBatch<AuditBatch>): Map<string, AuditRecord[]> {
  const groups = new Map<string, AuditRecord[]>();
  for (const record of batch.messages.flatMap((message) => message.body.records)) {
    const group = groups.get(record.workspace);
    if (group) group.push(record);
    else groups.set(record.workspace, [record]);
  }
  return groups;
}
