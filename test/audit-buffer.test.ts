import { beforeEach, expect, test, vi } from "vitest";
import { recordsIn } from "../src/audit/batch.ts";
import type { CallRecord } from "../src/model/audit.ts";
import type { AuditBatch } from "../src/model/context.ts";

/* The group commit, alone: what the queue takes, refuses, or never answers. The way to Postgres is in audit.test.ts. */

type Send = (messages: AuditBatch[]) => Promise<void>;

async function bufferOver(send: Send) {
  vi.resetModules();
  const { keep } = await import("../src/audit/buffer.ts");
  const sent: AuditBatch[] = [];
  const queue = {
    sendBatch: async (messages: Iterable<MessageSendRequest<AuditBatch>>) => {
      const bodies = [...messages].map(({ body }) => body);
      await send(bodies);
      sent.push(...bodies);
    },
  };
  const give = (record: CallRecord) => keep(queue as unknown as Queue<AuditBatch>, record, Date.now);
  const records = () => sent.flatMap((batch) => recordsIn(batch));
  return { give, ids: () => records().map(({ id }) => id), records, sent };
}

function record(id: number, name = "echo"): CallRecord {
  return {
    type: "call", id: `call_${id}`, workspace: "ws_1", at: 0, durationMs: 1, principal: "tok_1", principalName: "t", method: "tools/call",
    name, target: null, revision: "2026-07-28", client: null, end: "complete", error: null, requestId: "req_1", trace: null, parent: null,
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

test("records that arrive together leave in one send, each once", async () => {
  const sends = vi.fn(async () => {});
  const { give, ids } = await bufferOver(sends);
  const held = Promise.all(Array.from({ length: 200 }, (_, index) => give(record(index))));
  await vi.runAllTimersAsync();
  await held;
  expect(new Set(ids()).size).toBe(200);
  expect(ids()).toHaveLength(200);
  expect(sends.mock.calls.length).toBeLessThan(5);
});

test("records arrive whole, whatever they have in common with their neighbours", async () => {
  const { give, records } = await bufferOver(async () => {});
  const given = [record(1), record(2), { ...record(3, "other"), parent: "call_2", error: "timeout" as const }, record(4), { ...record(5), workspace: "ws_2" }];
  const held = Promise.all(given.map((one) => give(one)));
  await vi.runAllTimersAsync();
  await held;
  expect(records()).toEqual(given);
});

test("a message of an older version, whose records are all whole, is read as it was written", () => {
  const change = { type: "change", id: "chg_1", workspace: "ws_1", at: 1, principal: "p", principalName: "n", action: "publish", subject: "v2", requestId: "req_2" };
  const records = [record(1), change, record(2)];
  expect(recordsIn(JSON.stringify({ records }))).toEqual(records);
});

test("a send that fails keeps its records, and they leave with a later one", async () => {
  let failures = 3;
  const { give, ids } = await bufferOver(async () => {
    if (failures-- > 0) throw new TypeError("queue away");
  });
  const held = Promise.all([give(record(1)), give(record(2))]);
  await vi.runAllTimersAsync();
  await held;
  expect(ids().sort()).toEqual(["call_1", "call_2"]);
});

test("a send that never answers holds nobody's record for ever", async () => {
  let calls = 0;
  const { give, ids } = await bufferOver(() => (calls++ === 0 ? new Promise(() => {}) : Promise.resolve()));
  void give(record(1));
  const second = give(record(2));
  await vi.runAllTimersAsync();
  await second;
  expect(ids()).toEqual(expect.arrayContaining(["call_1", "call_2"]));
});

test("a message stays within one billing unit of the queue", async () => {
  const { give, sent, ids } = await bufferOver(async () => {});
  const held = Promise.all(Array.from({ length: 300 }, (_, index) => give(record(index, "ü".repeat(900)))));
  await vi.runAllTimersAsync();
  await held;
  expect(ids()).toHaveLength(300);
  expect(Math.max(...sent.map((message) => new TextEncoder().encode(message).length))).toBeLessThanOrEqual(64 * 1024);
});

test("records that come while others are being sent leave with the next send, each once", async () => {
  let acknowledge = () => {};
  let sends = 0;
  const { give, ids } = await bufferOver(() => (sends++ === 0 ? new Promise((resolve) => (acknowledge = resolve)) : Promise.resolve()));
  const first = give(record(1));
  await vi.waitUntil(() => sends === 1);
  const second = give(record(2));
  acknowledge();
  await vi.runAllTimersAsync();
  await Promise.all([first, second]);
  expect(ids()).toEqual(["call_1", "call_2"]);
});

test("however fast records come, they leave no more than once a window", async () => {
  const sends = vi.fn(() => new Promise<void>((resolve) => setTimeout(resolve, 3)));
  const { give, ids } = await bufferOver(sends);
  const held: (Promise<void> | null)[] = [];
  for (let index = 0; index < 1_000; index++) {
    held.push(give(record(index)));
    await vi.advanceTimersByTimeAsync(1);
  }
  await vi.runAllTimersAsync();
  await Promise.all(held);
  expect(ids()).toHaveLength(1_000);
  expect(sends.mock.calls.length).toBeLessThan(13);
});

test("while the queue takes nothing, no record is given up with older ones before its own 25 s are over", async () => {
  const began = Date.now();
  const { give, ids } = await bufferOver(async () => {
    if (Date.now() - began < 33_000) throw new TypeError("queue away");
  });
  for (let second = 0; second < 33; second++) {
    void give(record(second));
    await vi.advanceTimersByTimeAsync(1_000);
  }
  await vi.runAllTimersAsync();
  const young = Array.from({ length: 20 }, (_, index) => `call_${index + 13}`);
  expect(ids()).toEqual(expect.arrayContaining(young));
  expect(new Set(ids()).size).toBe(ids().length);
});
