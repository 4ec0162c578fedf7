import type { Platform } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonText } from "../model/json.ts";

/** Keys carry a content hash: what KV once answered stays right, so it may be held at the edge for a day. */
const CACHE_TTL_S = 86_400;

export function catalogKey(workspace: string, hash: string): string {
  return `cat:${workspace}:${hash}`;
}

export function flowKey(workspace: string, hash: string): string {
  return `flow:${workspace}:${hash}`;
}

/**
 * The text under an immutable key; null: no store has it. KV lags and remembers misses for minutes, so a miss
 * is never taken as absence: R2 is asked, and KV is given the value again. Throws `unavailable` when R2 does not answer.
 */
export async function readText(platform: Platform, key: string): Promise<JsonText | null> {
  const near = await platform.catalog.get(key, { type: "text", cacheTtl: CACHE_TTL_S }).catch(() => null);
  if (near !== null) return near;
  const text = await readStore(platform, key);
  if (text === null) return null;
  // A failed write costs the next cold isolate one read of R2, nothing else.
  await platform.catalog.put(key, text).catch(() => undefined);
  return text;
}

async function readStore(platform: Platform, key: string): Promise<JsonText | null> {
  try {
    const object = await platform.store.get(key);
    return object && (await object.text());
  } catch (cause) {
    throw new GatewayError("unavailable", "the catalog of this workspace cannot be read now", { retryAfter: 1, cause });
  }
}

/** R2 first, for it is the truth when KV misses; returns when both hold the text. */
export async function writeText(platform: Platform, key: string, text: JsonText): Promise<void> {
  await platform.store.put(key, text);
  await platform.catalog.put(key, text);
}
