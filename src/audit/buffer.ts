import type { AuditBatch } from "../model/context.ts";
import type { AuditRecord } from "../model/audit.ts";
import type { JsonText } from "../model/json.ts";
import { GatewayError } from "../model/error.ts";
import { wait, within } from "../lib/clock.ts";
import { log } from "../lib/log.ts";
import { utf8Length } from "../lib/utf8.ts";
import { batchOf, elementOf, recordsIn } from "./batch.ts";

/*
 * Group commit. A send per call would cost more than the call, and so would a timer per call (docs/performance.md), so records
 * of an isolate wait a moment and leave together. A record is written into its message at once and stays in the buffer until a send that carried it was
 * acknowledged: text keeps nothing else alive.
 * Requests keep watch (`waitUntil`): each sends what is there if nobody else did, and stays until it is acknowledged. A request
 * begins a watch unless one is gathering already, so every record has a watch that ends after it came, a busy isolate sends once a
 * window, and a lone request has its own. No request waits on a promise of another one: they look at the buffer, so
 * a request that dies takes nothing with it.
 */

/** Records as one message of the queue. */
interface Message {
  elements: JsonText[];
  bytes: number;
  /** Unix ms at which the first of them came. */
  since: number;
  /** What the next element is written against; null once it was sent: it takes no more. Only the newest message takes any. */
  last: AuditRecord | null;
}

/**
 * How long a watch gathers records, in milliseconds, before it sends them. A send costs as much as several calls: at 20 ms a busy isolate had spent 4 % more
 * (docs/performance.md).
 */
const WINDOW_MS = 100;
/** After this a send counts as lost and its records may be sent again; the consumer drops doubles by id. */
const SEND_TIMEOUT_MS = 5_000;
/** The platform ends a `waitUntil` after 30 s. */
const GIVE_UP_MS = 25_000;
/** A queue bills by 64 KB and takes 128 KB a message, 256 KB and 100 messages a batch. */
const MESSAGE_BYTES = 64_000;
const BATCH_MESSAGES = 3;

const buffer: { messages: Message[]; sendingSince: number | null; watchedSince: number } = { messages: [], sendingSince: null, watchedSince: 0 };

/**
 * Puts the record into the isolate's buffer. A promise is for `waitUntil`: it settles when the record, and all that came in while it
 * was watched, was acknowledged by the queue or given up after 25 s (logged; the only way a record is lost). Null: another request
 * keeps watch over it.
 */
export function keep(queue: Queue<AuditBatch>, record: AuditRecord, now: () => number): Promise<void> | null {
  const at = now();
  add(record, at);
  if (Math.abs(at - buffer.watchedSince) < WINDOW_MS) return null;
  buffer.watchedSince = at;
  return watch(queue, at, now);
}

/** Into the newest message, while it has room, was not sent, and is no older than a window: what is given up with it is as old as it. */
function add(record: AuditRecord, at: number): void {
  const open = buffer.messages.at(-1);
  if (open?.last && at < open.since + WINDOW_MS) {
    const element = elementOf(record, open.last);
    const bytes = open.bytes + utf8Length(element) + 1;
    if (bytes < MESSAGE_BYTES) {
      open.elements.push(element);
      open.bytes = bytes;
      open.last = record;
      return;
    }
  }
  const element = elementOf(record, null);
  buffer.messages.push({ elements: [element], bytes: utf8Length(element), since: at, last: record });
}

async function watch(queue: Queue<AuditBatch>, since: number, now: () => number): Promise<void> {
  const isWatched = (message: Message) => message.since < since + WINDOW_MS;
  for (let waited = 0, pause = WINDOW_MS; waited < GIVE_UP_MS; waited += pause, pause = Math.min(pause * 2, 1_000)) {
    await wait(pause);
    if (!buffer.messages.some(isWatched)) return;
    if (buffer.sendingSince !== null && now() - buffer.sendingSince < SEND_TIMEOUT_MS) continue;
    await send(queue, now);
    if (!buffer.messages.some(isWatched)) return;
  }
  const lost = buffer.messages.filter(isWatched);
  buffer.messages = buffer.messages.filter((message) => !isWatched(message));
  const ids = lost.flatMap(({ elements }) => recordsIn(batchOf(elements)).map(({ id }) => id));
  log("error", "audit records lost: the queue took nothing for 25 s", { ids });
}

/** What is there now. What comes in meanwhile has a watch of its own: taken along, it would be sent at once, over and over where records keep coming. */
async function send(queue: Queue<AuditBatch>, now: () => number): Promise<void> {
  buffer.sendingSince = now();
  const due = [...buffer.messages];
  for (const message of due) message.last = null;
  try {
    for (let from = 0; from < due.length; from += BATCH_MESSAGES) {
      const sent = due.slice(from, from + BATCH_MESSAGES);
      const taken = await within(SEND_TIMEOUT_MS, queue.sendBatch(sent.map(({ elements }) => ({ body: batchOf(elements), contentType: "text" as const }))));
      if (taken === "late") throw new GatewayError("timeout", "the queue did not answer");
      buffer.messages = buffer.messages.filter((message) => !sent.includes(message));
    }
  } catch (cause) {
    log("warn", "audit send failed, will be tried again", { cause });
  } finally {
    buffer.sendingSince = null;
  }
}
