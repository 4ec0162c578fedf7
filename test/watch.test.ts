import { beforeEach, expect, test, vi } from "vitest";
import { cuttable } from "../src/lib/abort.ts";
import { limitsWith } from "../src/model/limits.ts";
import { Watch } from "../src/targets/mcp/watch.ts";

/* When one exchange with an upstream is cut short, by a clock of the test's own. That it reaches the upstream is in mcp-faults.test.ts. */

const LINK = { url: "https://up.test/mcp", headers: {}, credential: 0, allowInsecure: false, limits: limitsWith({}), hops: 0, gate: undefined, now: Date.now };

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

function watched() {
  const caller = new AbortController();
  return { caller, watch: new Watch(LINK, cuttable(caller.signal), { until: Date.now() + 60_000 }) };
}

test("a caller that leaves at once is noticed within 25 ms, one that leaves later at once", () => {
  const early = watched();
  early.caller.abort();
  vi.advanceTimersByTime(25);
  expect(early.watch.signal.reason).toMatchObject({ code: "cancelled" });
  const late = watched();
  vi.advanceTimersByTime(1_000);
  expect(late.watch.signal.aborted).toBe(false);
  late.caller.abort();
  expect(late.watch.signal.aborted).toBe(true);
});

test("while the upstream waits for an answer no time counts, and a caller that leaves is noticed all the same", () => {
  const { caller, watch } = watched();
  watch.hold();
  vi.advanceTimersByTime(10 * 60_000);
  expect(watch.signal.aborted).toBe(false);
  caller.abort();
  expect(watch.signal.aborted).toBe(true);
});

test("an exchange that is over is not ended by what its caller does then", () => {
  const { caller, watch } = watched();
  vi.advanceTimersByTime(30);
  watch.close();
  caller.abort();
  vi.advanceTimersByTime(60_000);
  expect(watch.signal.aborted).toBe(false);
});
