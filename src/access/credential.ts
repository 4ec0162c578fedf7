import { base32 } from "../lib/ids.ts";

/** What a token's text says about itself; only the Authority knows whether it is true. */
export interface TokenParts {
  workspace: string;
  id: string;
}

const SECRET_BYTES = 32;
/** `cwy_{workspace id}_{token id}_{secret}{checksum}`: ids of 26, a secret of 52, a checksum of 7 base32 characters. */
const TOKEN = /^cwy_(ws_[0-9a-hjkmnp-tv-z]{26})_(tok_[0-9a-hjkmnp-tv-z]{26})_[0-9a-hjkmnp-tv-z]{52}([0-9a-hjkmnp-tv-z]{7})$/;
const CHECKSUM_CHARS = 7;

/** A new token with 256 random bits. The ids are written into it as they are. */
export function writeToken(workspace: string, id: string): string {
  const secret = base32(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
  const body = `cwy_${workspace}_${id}_${secret}`;
  return body + checksum(body);
}

/** The parts of a well-formed token, or null: a typo, a cut-off paste or another product's token is known without asking anybody. */
export function parseToken(text: string): TokenParts | null {
  const match = TOKEN.exec(text);
  const [, workspace, id, sum] = match ?? [];
  if (workspace === undefined || id === undefined) return null;
  return checksum(text.slice(0, -CHECKSUM_CHARS)) === sum ? { workspace, id } : null;
}

/** The token of `Authorization: Bearer …` (RFC 6750 section 2.1; the scheme's case does not matter), or null. */
export function bearerOf(authorization: string): string | null {
  return /^bearer +([\x21-\x7e]+) *$/i.exec(authorization)?.[1] ?? null;
}

/** CRC-32 (ISO 3309): finds every typo of up to 32 bits in a row. No secret and no protection, only a cheap first look. */
function checksum(text: string): string {
  let crc = 0xffffffff;
  for (let at = 0; at < text.length; at++) {
    crc ^= text.charCodeAt(at);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const sum = ~crc >>> 0;
  return base32(Uint8Array.of(sum >>> 24, sum >>> 16, sum >>> 8, sum));
}
