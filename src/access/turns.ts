import { wait } from "../lib/clock.ts";

const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 64;
const PATIENCE_MS = 1_000;

/** Who is asking at the moment, by key. Promises are not shared: one belongs to the request that made it and dies with it. */
export type Asking = Set<string>;

/**
 * Lets one of many requests that miss the same value ask for it, while the others look again every few milliseconds.
 * A request that was ended while it asked holds the others up for a second, then each asks for itself.
 */
export async function inTurn<T>(asking: Asking, key: string, recall: () => T | null, ask: () => Promise<T>): Promise<T> {
  let pause = FIRST_PAUSE_MS;
  for (let waited = 0; waited < PATIENCE_MS && asking.has(key); waited += pause) {
    await wait(pause);
    const found = recall();
    if (found !== null) return found;
    pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
  }
  asking.add(key);
  try {
    return await ask();
  } finally {
    asking.delete(key);
  }
}
