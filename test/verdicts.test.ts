import { expect, test } from "vitest";
import { forget, recall, remember, verdictKey } from "../src/access/verdicts.ts";
import type { Known } from "../src/access/verdicts.ts";

const workspace = { id: "ws_a", slug: "a" };
const refusal: Known = { ok: false, workspace, reason: "invalid" };

function acceptance(id: string): Known {
  const principal = { kind: "token", id, name: id, workspace: "ws_a", role: null, scopes: [], readOnly: false, toolset: null, expiresAt: null } as const;
  return { ok: true, workspace, principal, version: { number: 1, hash: null } };
}

test("different callers never share a key", () => {
  const callers = ["a", "b", "", "a\nb", "\n"].flatMap((slug) => [null, "Bearer a", "Bearer b"].flatMap((header) => [null, "s", "t"].map((session) => [slug, header, session] as const)));
  expect(new Set(callers.map(([slug, header, session]) => verdictKey(slug, header, session))).size).toBe(callers.length);
});

test("an answer is kept for less than five seconds from the question", () => {
  remember("five", 1_000, acceptance("tok_a"));
  expect(recall("five", 5_999)?.known).toMatchObject({ ok: true });
  expect(recall("five", 6_000)).toBeNull();
});

test("an answer does not replace one to a later question, whatever they say", () => {
  remember("order", 2_000, refusal);
  remember("order", 1_000, acceptance("tok_a"));
  expect(recall("order", 2_000)?.known.ok).toBe(false);
  remember("order", 3_000, acceptance("tok_a"));
  expect(recall("order", 3_000)?.known.ok).toBe(true);
  forget("order");
  expect(recall("order", 3_000)).toBeNull();
});

test("made-up tokens push out only each other", () => {
  remember("friend", 1_000, acceptance("tok_a"));
  for (let n = 0; n < 20_000; n++) remember(`stranger-${n}`, 1_000, refusal);
  expect(recall("friend", 1_000)?.known.ok).toBe(true);
  const kept = Array.from({ length: 20_000 }, (_, n) => recall(`stranger-${n}`, 1_000)).filter((entry) => entry !== null);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThanOrEqual(1_000);
});

test("accepted callers are kept within bounds too, the longest unasked leave first", () => {
  for (let n = 0; n < 20_000; n++) remember(`caller-${n}`, 1_000, acceptance(`tok_${n}`));
  expect(recall("caller-0", 1_000)).toBeNull();
  expect(recall("caller-19999", 1_000)?.known.ok).toBe(true);
});
