import fc from "fast-check";
import { expect, test } from "vitest";
import { derive, equalText, fromBase64Url, hmac, open, seal, sha256, toBase64Url } from "../src/lib/crypto.ts";
import { base32, newId, randomToken } from "../src/lib/ids.ts";

const MASTER = toBase64Url(new Uint8Array(32).fill(7));
const OTHER = toBase64Url(new Uint8Array(32).fill(8));

test("what was sealed opens in its place and only there", async () => {
  const sealed = await seal(MASTER, "connection", "ws_a", "row", "sécret ✓");
  expect(await open(MASTER, "connection", "ws_a", "row", sealed)).toBe("sécret ✓");
  expect(await open(OTHER, "connection", "ws_a", "row", sealed)).toBeNull();
  expect(await open(MASTER, "cursor", "ws_a", "row", sealed)).toBeNull();
  expect(await open(MASTER, "connection", "ws_b", "row", sealed)).toBeNull();
  expect(await open(MASTER, "connection", "ws_a", "row2", sealed)).toBeNull();
});

test("any text comes back, byte order mark and all", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()), async (text) => {
      const plain = `\ufeff${text}`;
      expect(await open(MASTER, "p", "w", "a", await seal(MASTER, "p", "w", "a", plain))).toBe(plain);
    }),
    { numRuns: 30 },
  );
});

test("every flipped bit, every cut and every addition is refused", async () => {
  const sealed = await seal(MASTER, "p", "w", "a", "text");
  const bytes = fromBase64Url(sealed) ?? new Uint8Array();
  for (let at = 0; at < bytes.length; at++) {
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    expect(await open(MASTER, "p", "w", "a", toBase64Url(flipped))).toBeNull();
    expect(await open(MASTER, "p", "w", "a", toBase64Url(bytes.slice(0, at)))).toBeNull();
  }
  for (const text of [`${sealed}A`, `${sealed}=`, ` ${sealed}`, `+${sealed.slice(1)}`, ""]) expect(await open(MASTER, "p", "w", "a", text)).toBeNull();
});

test("the same text never seals to the same twice", async () => {
  expect(await seal(MASTER, "p", "w", "a", "text")).not.toBe(await seal(MASTER, "p", "w", "a", "text"));
});

test("a master key must be 32 bytes", async () => {
  await expect(seal("dG9vIHNob3J0", "p", "w", "a", "text")).rejects.toMatchObject({ code: "internal", message: "internal error" });
});

test("a padded standard base64 master key is the same key", async () => {
  const padded = Buffer.from(new Uint8Array(32).fill(0xfb)).toString("base64");
  const sealed = await seal(padded, "p", "w", "a", "text");
  expect(await open(toBase64Url(new Uint8Array(32).fill(0xfb)), "p", "w", "a", sealed)).toBe("text");
});

test("known answers", async () => {
  expect(await sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, test case 2
  const mac = await hmac(new TextEncoder().encode("Jefe"), "what do ya want for nothing?");
  expect(Buffer.from(mac, "base64url").toString("hex")).toBe("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  expect(await derive(MASTER, "a")).not.toEqual(await derive(MASTER, "b"));
  expect(await derive(MASTER, "a", "1")).not.toEqual(await derive(MASTER, "a", "2"));
});

test("equalText", () => {
  expect(equalText("", "")).toBe(true);
  expect(equalText("abc", "abc")).toBe(true);
  for (const [a, b] of [["abc", "abd"], ["abc", "ab"], ["", "a"], ["a", "A"]] as const) expect(equalText(a, b)).toBe(false);
});

test("base64url is read only as it is written", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes)));
  for (const text of ["A", "AB=", "AB==", "A B", "AB", "a/b+"]) expect(fromBase64Url(text)).toBeNull();
});

test("ids are UUIDv7 in base32, sort by time and do not repeat", () => {
  const ids = Array.from({ length: 1_000 }, () => newId("run"));
  for (const id of ids) expect(id).toMatch(/^run_0[0-7][0-9a-hjkmnp-tv-z]{24}$/);
  expect(new Set(ids).size).toBe(1_000);
  const time = (id: string) => id.slice(4, 13);
  expect(ids.map(time)).toEqual(ids.map(time).sort());
});

test("base32 keeps the order of bytes", () => {
  expect(base32(new Uint8Array(16).fill(255))).toBe(`7${"z".repeat(25)}`);
  expect(base32(Uint8Array.of(0, 0, 0, 33))).toBe("0000011");
  const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const order = (a: string, b: string) => (a < b ? -1 : Number(a > b));
  fc.assert(fc.property(sixteen, sixteen, (a, b) => void expect(order(base32(a), base32(b))).toBe(Math.sign(Buffer.compare(a, b)))));
});

test("random tokens are as long as asked", () => {
  expect(randomToken(32)).toHaveLength(43);
  expect(randomToken(32)).not.toBe(randomToken(32));
});
