import { setTimeout as sleep } from "node:timers/promises";

/** What `look` gives once it is not false; throws after `ms`. */
export async function until<T>(look: () => Promise<T | false> | T | false, ms = 15_000): Promise<T> {
  for (const end = Date.now() + ms; ; await sleep(20)) {
    const found = await look();
    if (found !== false) return found;
    if (Date.now() > end) throw new Error(`not so after ${ms} ms: ${look}`);
  }
}
