import { expect, test } from "vitest";
import { newId } from "../src/lib/ids.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** The 128 bits of an id as a number. */
function bitsOf(id: string): bigint {
  return [...id.slice(id.indexOf("_") + 1)].reduce((bits, character) => bits * 32n + BigInt(ALPHABET.indexOf(character)), 0n);
}

test("an id is a prefix and a UUIDv7 of now", () => {
  const before = Date.now();
  const id = newId("run");
  expect(id).toMatch(/^run_[0-9a-z]{26}$/);
  const bits = bitsOf(id);
  expect(Number(bits >> 80n)).toBeGreaterThanOrEqual(before);
  expect(Number(bits >> 80n)).toBeLessThanOrEqual(Date.now());
  expect((bits >> 76n) & 0xfn).toBe(7n);
  expect((bits >> 62n) & 0b11n).toBe(0b10n);
});

test("every random bit of an id is one time this and one time that, and no id comes twice", () => {
  const ids = Array.from({ length: 5_000 }, () => newId("x"));
  expect(new Set(ids).size).toBe(ids.length);
  const bits = ids.map(bitsOf);
  const ever = bits.reduce((some, one) => some | one, 0n);
  const always = bits.reduce((all, one) => all & one, (1n << 128n) - 1n);
  const random = ((1n << 12n) - 1n << 64n) | ((1n << 62n) - 1n);
  expect(ever & random).toBe(random);
  expect(always & random).toBe(0n);
});
