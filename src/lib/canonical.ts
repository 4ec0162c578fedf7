import type { JsonValue } from "../model/json.ts";

/** One text for equal JSON values: members sorted by key, no whitespace (the ordering of RFC 8785; numbers as JavaScript writes them). */
export function canonical(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`);
  return `{${members.join(",")}}`;
}
