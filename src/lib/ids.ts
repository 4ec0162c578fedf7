import { toBase64Url } from "./crypto.ts";

/** Crockford's base32: no i, l, o, u, so nothing reads as something else. Sorts like the bytes. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Two characters for each ten bits. */
const PAIRS: readonly string[] = Array.from({ length: 1024 }, (_, bits) => ALPHABET.charAt(bits >>> 5) + ALPHABET.charAt(bits & 31));

/** Units of ten random bits in 16, drawn for many ids at once: a draw costs more than the rest of an id. */
const pool = { units: new Uint16Array(1024), next: 1024 };
/** The text of the latest millisecond. */
const time = { ms: 0, text: "" };

/** `{prefix}_` and a UUIDv7 (RFC 9562 section 5.7) in 26 lower-case base32 characters: sorts by millisecond, 74 random bits. */
export function newId(prefix: string): string {
  const now = Date.now();
  if (now !== time.ms) Object.assign(time, { ms: now, text: timeText(now) });
  // Version 7 and the first six random bits; the next six, the variant (binary 10) and two more; sixty.
  let id = `${prefix}_${time.text}${pair(0x1c0 | (draw() & 0x3f))}`;
  const mixed = draw();
  id += pair(((mixed & 0xfc) << 2) | 0b1000 | (mixed & 0b11));
  for (let unit = 0; unit < 6; unit++) id += pair(draw() & 0x3ff);
  return id;
}

/** 48 bits in ten characters. */
function timeText(ms: number): string {
  let text = "";
  for (let unit = 2 ** 40; unit >= 1; unit /= 1024) text += pair(Math.floor(ms / unit) % 1024);
  return text;
}

function draw(): number {
  if (pool.next === pool.units.length) {
    crypto.getRandomValues(pool.units);
    pool.next = 0;
  }
  return pool.units[pool.next++] ?? 0;
}

function pair(bits: number): string {
  return PAIRS[bits] ?? "";
}

/** Random bytes as base64url. */
export function randomToken(bytes: number): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(bytes)));
}

/** Lower-case base32, the number read from the left with zero bits in front: 16 bytes give 26 characters, 32 give 52. */
export function base32(bytes: Uint8Array): string {
  const length = Math.ceil((bytes.length * 8) / 5);
  let bits = length * 5 - bytes.length * 8;
  let window = 0;
  let text = "";
  for (const byte of bytes) {
    window = (window << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET.charAt((window >>> bits) & 31);
    }
    window &= (1 << bits) - 1;
  }
  return text;
}
