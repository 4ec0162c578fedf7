import type { AuditBatch } from "../model/context.ts";
import type { AuditRecord } from "../model/audit.ts";
import { wait } from "../lib/clock.ts";
import { log } from "../lib/log.ts";

/*
 * Group commit. A send per call would cost more than the call (bench: `audit`), so records of an isolate wait a
 * moment and leave together. A record stays in the buffer until a send that carried it was acknowledged; each
 * request stays alive (`waitUntil`) until then and sends by itself if nobody else did. No request waits on a
 * promise of another one: they look at the buffer, so a request that dies takes nothing with it.
 */

interface Held {
  record: AuditRecord;
  sent: boolean;
}

/** Records that arrive within this many milliseconds leave together. */
const WINDOW_MS = 20;
/** After this a send counts as lost and its records may be sent again; the consumer drops doubles by id. */
const SEND_TIMEOUT_MS = 5_000;
/** The platform ends a `waitUntil` after 30 s. */
const GIVE_UP_MS = 25_000;
/** A queue bills by 64 KB and takes 128 KB a message, 256 KB and 100 messages a batch. */
const MESSAGE_BYTES = 64_000;
const BATCH_MESSAGES = 3;

const encoder = new TextEncoder();
const buffer: { held: Held[]; sendingSince: number | null } = { held: [], sendingSince: null };

/**
 * Puts the record into the isolate's buffer. The promise is for `waitUntil`: it settles when the record has been
 * acknowledged by the queue, or was given up after 25 s (logged; the only way a record is lost).
 */
export function keep(queue: Queue<AuditBatch>, record: AuditRecord, now: () => number): Promise<void> {
  const held = { record, sent: false };
  buffer.held.push(held);
  return hold(queue, held, now);
}

async function hold(queue: Queue<AuditBatch>, held: Held, now: () => number): Promise<void> {
  for (let waited = 0, pause = WINDOW_MS; waited < GIVE_UP_MS; waited += pause, pause = Math.min(pause * 2, 1_000)) {
    await wait(pause);
    if (held.sent) return;
    if (buffer.sendingSince !== null && now() - buffer.sendingSince < SEND_TIMEOUT_MS) continue;
    await send(queue, now);
    if (held.sent) return;
  }
  buffer.held = buffer.held.filter((other) => other !== held);
  log("error", "audit record lost: the queue took nothing for 25 s", { id: held.record.id });
}

async function send(queue: Queue<AuditBatch>, now: () => number): Promise<void> {
  buffer.sendingSince = now();
  try {
    while (buffer.held.length > 0) {
      const batch = take();
      await queue.sendBatch(batch.messages.map((records) => ({ body: { records } })));
      for (const held of batch.held) held.sent = true;
      buffer.held = buffer.held.filter((held) => !held.sent);
    }
  } catch (cause) {
    log("warn", "audit send failed, will be tried again", { cause });
  } finally {
    buffer.sendingSince = null;
  }
}

/** The oldest records, packed into messages that each fit one billing unit. */
function take(): { messages: AuditRecord[][]; held: Held[] } {
  const messages: AuditRecord[][] = [[]];
  const taken: Held[] = [];
  let bytes = 0;
  for (const held of buffer.held) {
    const size = encoder.encode(JSON.stringify(held.record)).length;
    if (bytes + size > MESSAGE_BYTES && bytes > 0) {
      if (messages.length === BATCH_MESSAGES) break;
      messages.push([]);
      bytes = 0;
    }
    messages.at(-1)?.push(held.record);
    taken.push(held);
    bytes += size;
  }
  return { messages, held: taken };
}
