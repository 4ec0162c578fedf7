import { log } from "../lib/log.ts";
import type { AuditBatch, Platform } from "../model/context.ts";
import { recordsIn } from "./batch.ts";
import { appendRecords } from "./store.ts";

/**
 * Writes a batch of audit messages to Postgres, one transaction a workspace. A workspace that fails sends back the
 * messages that carry its records; the others are acknowledged. Redelivery changes nothing.
 */
export async function consume(platform: Platform, batch: MessageBatch<AuditBatch>): Promise<void> {
  const read = batch.messages.map((message) => ({ message, records: recordsIn(message.body) }));
  const failed = new Set<string>();
  for (const [workspace, records] of Map.groupBy(read.flatMap(({ records }) => records), (record) => record.workspace)) {
    try {
      await appendRecords(platform.database, workspace, records);
    } catch (cause) {
      failed.add(workspace);
      log("error", "audit batch not written, will be redelivered", { workspace, records: records.length, cause });
    }
  }
  for (const { message, records } of read) {
    if (records.some((record) => failed.has(record.workspace))) message.retry({ delaySeconds: 5 });
    else message.ack();
  }
}
