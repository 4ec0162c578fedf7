import { log } from "../lib/log.ts";
import type { AuditBatch, Platform } from "../model/context.ts";
import { recordsIn } from "./batch.ts";
import { appendRecords } from "./store.ts";

/** Records of one transaction, which holds the head of the workspace's chain while it lasts. */
const SLICE = 2_000;

/**
 * Writes a batch of audit messages to Postgres, workspace by workspace. A workspace that fails sends back the
 * messages that carry its records; the others are acknowledged. Redelivery changes nothing.
 */
export async function consume(platform: Platform, batch: MessageBatch<AuditBatch>): Promise<void> {
  const read = batch.messages.map((message) => ({ message, records: recordsIn(message.body) }));
  const failed = new Set<string>();
  for (const [workspace, records] of Map.groupBy(read.flatMap(({ records }) => records), (record) => record.workspace)) {
    try {
      for (let from = 0; from < records.length; from += SLICE) await appendRecords(platform.database, workspace, records.slice(from, from + SLICE));
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
