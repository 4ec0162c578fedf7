import type { AuditBatch } from "../model/context.ts";
import type { AuditRecord } from "../model/audit.ts";
import type { JsonText } from "../model/json.ts";
import { GatewayError } from "../model/error.ts";
import { wait, within } from "../lib/clock.ts";
import { log } from "../lib/log.ts";
import { utf8Length } from "../lib/utf8.ts";
import { batchOf, elementOf } from "./batch.ts";

/*
 * Group commit. A send per call would cost more than the call, and so would a timer per call (docs/performance.md), so records
 * of an isolate wait a moment and leave together. A record stays in the buffer until a send that carried it was acknowledged.
 * Requests keep watch (`waitUntil`): each sends what is there if nobody else did, and stays until it is acknowledged. A request
 * begins a watch unless one is gathering already, so every record has a watch that ends after it came, a busy isolate sends once a
 * window, and a lone request has its own. No request waits on a promise of another one: they look at the buffer, so
 * a request that dies takes nothing with it.
 */

interface Held {
  record: AuditRecord;
  /** Unix ms at which it was put in. */
  at: number;
}

/** How long a watch gathers records, in milliseconds, before it sends them. */
const WINDOW_MS = 20;
/** After this a send counts as lost and its records may be sent again; the consumer drops doubles by id. */
const SEND_TIMEOUT_MS = 5_000;
/** The platform ends a `waitUntil` after 30 s. */
const GIVE_UP_MS = 25_000;
/** A queue bills by 64 KB and takes 128 KB a message, 256 KB and 100 messages a batch. */
const MESSAGE_BYTES = 64_000;
const BATCH_MESSAGES = 3;

const buffer: { held: Held[]; sendingSince: number | null; watchedSince: number } = { held: [], sendingSince: null, watchedSince: 0 };

/**
 * Puts the record into the isolate's buffer. A promise is for `waitUntil`: it settles when the record, and all that came in while it
 * was watched, was acknowledged by the queue or given up after 25 s (logged; the only way a record is lost). Null: another request
 * keeps watch over it.
 */
export function keep(queue: Queue<AuditBatch>, record: AuditRecord, now: () => number): Promise<void> | null {
  const at = now();
  buffer.held.push({ record, at });
  if (Math.abs(at - buffer.watchedSince) < WINDOW_MS) return null;
  buffer.watchedSince = at;
  return watch(queue, at, now);
}

async function watch(queue: Queue<AuditBatch>, since: number, now: () => number): Promise<void> {
  const isWatched = ({ at }: Held) => at < since + WINDOW_MS;
  for (let waited = 0, pause = WINDOW_MS; waited < GIVE_UP_MS; waited += pause, pause = Math.min(pause * 2, 1_000)) {
    await wait(pause);
    if (!buffer.held.some(isWatched)) return;
    if (buffer.sendingSince !== null && now() - buffer.sendingSince < SEND_TIMEOUT_MS) continue;
    await send(queue, now);
    if (!buffer.held.some(isWatched)) return;
  }
  const lost = buffer.held.filter(isWatched);
  buffer.held = buffer.held.filter((held) => !isWatched(held));
  log("error", "audit records lost: the queue took nothing for 25 s", { ids: lost.map(({ record }) => record.id) });
}

async function send(queue: Queue<AuditBatch>, now: () => number): Promise<void> {
  buffer.sendingSince = now();
  try {
    while (buffer.held.length > 0) {
      const { messages, held } = take();
      const taken = await within(SEND_TIMEOUT_MS, queue.sendBatch(messages.map((records) => ({ body: batchOf(records), contentType: "text" as const }))));
      if (taken === "late") throw new GatewayError("timeout", "the queue did not answer");
      buffer.held = buffer.held.filter((other) => !held.has(other));
    }
  } catch (cause) {
    log("warn", "audit send failed, will be tried again", { cause });
  } finally {
    buffer.sendingSince = null;
  }
}

/** The oldest records, packed into messages that each fit one billing unit. */
function take(): { messages: JsonText[][]; held: ReadonlySet<Held> } {
  let message: JsonText[] = [];
  const messages = [message];
  const taken = new Set<Held>();
  let before: AuditRecord | null = null;
  let bytes = 0;
  for (const held of buffer.held) {
    let element = elementOf(held.record, before);
    let size = utf8Length(element);
    if (bytes + size >= MESSAGE_BYTES && bytes > 0) {
      if (messages.length === BATCH_MESSAGES) break;
      messages.push((message = []));
      element = elementOf(held.record, null);
      size = utf8Length(element);
      bytes = 0;
    }
    message.push(element);
    taken.add(held);
    before = held.record;
    bytes += size + 1;
  }
  return { messages, held: taken };
}
