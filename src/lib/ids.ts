import { toBase64Url } from "./crypto.ts";

/** Crockford's base32: no i, l, o, u, so nothing reads as something else. Sorts like the bytes. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Two characters for each ten bits. */
const PAIRS: readonly string[] = Array.from({ length: 1024 }, (_, bits) => ALPHABET.charAt(bits >>> 5) + ALPHABET.charAt(bits & 31));

/**
 * `{prefix}_` and a UUIDv7 (RFC 9562 section 5.7) in 26 lower-case base32 characters: sorts by millisecond, 74 random bits. The random bits are cut out of
 * a UUIDv4, which has them and the variant in the same places: arrays of bytes cost more than the rest of an id.
 */
export function newId(prefix: string): string {
  const random = crypto.randomUUID();
  const hex = `7${random.slice(15, 18)}${random.slice(19, 23)}${random.slice(24)}`;
  let id = `${prefix}_`;
  for (let unit = 2 ** 40, now = Date.now(); unit >= 1; unit /= 1024) id += pair(Math.floor(now / unit) % 1024);
  for (let at = 0; at < hex.length; at += 5) {
    const bits = Number.parseInt(hex.slice(at, at + 5), 16);
    id += pair(bits >>> 10) + pair(bits & 1023);
  }
  return id;
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
