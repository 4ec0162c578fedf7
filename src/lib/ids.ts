import { toBase64Url } from "./crypto.ts";

/** Crockford's base32: no i, l, o, u, so nothing reads as something else. Sorts like the bytes. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** `{prefix}_` and a UUIDv7 (RFC 9562 section 5.7) in 26 lower-case base32 characters: sorts by millisecond, 74 random bits. */
export function newId(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const view = new DataView(bytes.buffer);
  const now = Date.now();
  view.setUint32(0, Math.floor(now / 0x10000));
  view.setUint16(4, now % 0x10000);
  view.setUint8(6, 0x70 | (view.getUint8(6) & 0x0f));
  view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f));
  return `${prefix}_${base32(bytes)}`;
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
