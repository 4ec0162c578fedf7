import { derive, hmacKey } from "../lib/crypto.ts";

const PURPOSE = "session/v1";
/** An isolate has one master key. */
const MOST = 2;

/** Named cache: master key → what signs session ids. To derive it costs three times as much as a signature. */
const keys = new Map<string, CryptoKey>();

export async function signingKey(masterKey: string): Promise<CryptoKey> {
  const known = keys.get(masterKey);
  if (known) return known;
  const key = await hmacKey(await derive(masterKey, PURPOSE));
  const oldest = keys.size < MOST ? undefined : keys.keys().next().value;
  if (oldest !== undefined) keys.delete(oldest);
  keys.set(masterKey, key);
  return key;
}
