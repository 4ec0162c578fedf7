import { GatewayError } from "../model/error.ts";

const utf8 = new TextEncoder();
const FORMAT = 1;
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const HEADER_BYTES = 1 + KEY_ID_BYTES;

/** SHA-256 as lower-case hex. Text is hashed as UTF-8. */
export async function sha256(text: string | Uint8Array): Promise<string> {
  const bytes = typeof text === "string" ? utf8.encode(text) : new Uint8Array(text);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * 32 bytes by HKDF-SHA-256 (RFC 5869) from the master key (base64 of 32 bytes).
 * `info` separates purposes and carries a version (`session/v1`), `salt` separates owners.
 */
export async function derive(masterKey: string, info: string, salt = ""): Promise<Uint8Array<ArrayBuffer>> {
  const master = await crypto.subtle.importKey("raw", masterBytes(masterKey), "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: utf8.encode(salt), info: utf8.encode(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, master, 256));
}

/** Bytes as a key for `hmac`, which is worth keeping: to make it costs more than a signature. */
export function hmacKey(bytes: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", new Uint8Array(bytes), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** HMAC-SHA-256 of the text as base64url without padding. */
export async function hmac(key: Uint8Array | CryptoKey, text: string): Promise<string> {
  const imported = key instanceof Uint8Array ? await hmacKey(key) : key;
  return toBase64Url(new Uint8Array(await crypto.subtle.sign("HMAC", imported, utf8.encode(text))));
}

/** Compares in time that depends on the lengths alone, which are not secret. */
export function equalText(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}

/**
 * AES-256-GCM under a key of this workspace and purpose, with a fresh 96-bit nonce.
 * The answer is base64url of format, key id, nonce and ciphertext. `aad` names the place the text belongs to (row, origin):
 * it is not in the answer, and `open` refuses any other.
 */
export async function seal(masterKey: string, purpose: string, workspace: string, aad: string, plain: string): Promise<string> {
  const header = await headerOf(masterKey);
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const key = await sealingKey(masterKey, purpose, workspace, "encrypt");
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: joined(header, utf8.encode(aad)) };
  const sealed = new Uint8Array(await crypto.subtle.encrypt(parameters, key, utf8.encode(plain)));
  return toBase64Url(joined(header, nonce, sealed));
}

/** What `seal` was given, or null when anything differs: key, purpose, workspace, aad, or a single bit of the text. */
export async function open(masterKey: string, purpose: string, workspace: string, aad: string, sealed: string): Promise<string | null> {
  const bytes = fromBase64Url(sealed);
  if (!bytes || bytes.length < HEADER_BYTES + NONCE_BYTES) return null;
  const header = bytes.slice(0, HEADER_BYTES);
  if (toBase64Url(header) !== toBase64Url(await headerOf(masterKey))) return null;
  const nonce = bytes.slice(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
  const key = await sealingKey(masterKey, purpose, workspace, "decrypt");
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: joined(header, utf8.encode(aad)) };
  try {
    const plain = await crypto.subtle.decrypt(parameters, key, bytes.slice(HEADER_BYTES + NONCE_BYTES));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plain);
  } catch {
    return null;
  }
}

/** base64url (RFC 4648 section 5) without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes of base64url text; null unless it is exactly what `toBase64Url` writes: one text, one value. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return toBase64Url(bytes) === text ? bytes : null;
}

/** Tells master keys apart during a rotation without telling anything about them. */
async function headerOf(masterKey: string): Promise<Uint8Array<ArrayBuffer>> {
  const id = await derive(masterKey, "key-id/v1");
  return joined(Uint8Array.of(FORMAT), id.slice(0, KEY_ID_BYTES));
}

async function sealingKey(masterKey: string, purpose: string, workspace: string, usage: "encrypt" | "decrypt"): Promise<CryptoKey> {
  const key = await derive(masterKey, `seal/v1/${purpose}`, workspace);
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [usage]);
}

function masterBytes(masterKey: string): Uint8Array<ArrayBuffer> {
  const text = masterKey.trim().replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const bytes = fromBase64Url(text);
  if (bytes?.length === 32) return bytes;
  throw new GatewayError("internal", "internal error", { cause: "MASTER_KEY is not base64 of 32 bytes" });
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
