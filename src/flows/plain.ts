import { GatewayError } from "../model/error.ts";
import type { JsonValue } from "../model/json.ts";

/**
 * What an expression gave as plain JSON of its own: no sequences, no functions, nothing shared with its inputs. `undefined` (nothing
 * found) stays undefined at the top, goes missing in objects and becomes null in lists.
 * Throws `invalid` for a function, `too_large` beyond the depth or about `maxChars` characters of JSON.
 */
export function plain(value: unknown, maxChars: number, maxDepth: number): JsonValue | undefined {
  let left = maxChars;
  const spend = (chars: number) => {
    left -= chars;
    if (left < 0) throw new GatewayError("too_large", `the expression gives more than ${maxChars} characters`, { data: { limit: "nodeOutputBytes" } });
  };
  const copy = (part: unknown, depth: number): JsonValue | undefined => {
    if (depth > maxDepth) throw new GatewayError("too_large", `the expression gives a value nested deeper than ${maxDepth}`, { data: { limit: "jsonDepth" } });
    spend(typeof part === "string" ? part.length + 2 : 4);
    if (part === undefined || part === null || typeof part === "string" || typeof part === "boolean") return part;
    if (typeof part === "number") return Number.isFinite(part) ? part : null;
    if (Array.isArray(part)) return part.map((item) => copy(item, depth + 1) ?? null);
    // Functions of JSONata are objects too, with functions of the host inside.
    if (typeof part !== "object") throw new GatewayError("invalid", "the expression gives a function, not a value");
    const members: [string, JsonValue][] = [];
    for (const [key, member] of Object.entries(part)) {
      spend(key.length + 3);
      const kept = copy(member, depth + 1);
      if (kept !== undefined) members.push([key, kept]);
    }
    // fromEntries defines properties, so a member called __proto__ is a member.
    return Object.fromEntries(members);
  };
  return copy(value, 0);
}
