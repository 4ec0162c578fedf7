import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";

/** In place of what a trace leaves out. */
const REDACTED = "[redacted]";

/**
 * A copy without what the pointers name (JSON pointers, RFC 6901; a segment `*` stands for every member or item). A member goes, an item
 * becomes null so that the others keep their places. A pointer that leads nowhere changes nothing.
 */
export function without(value: JsonObject, pointers: readonly string[]): JsonObject {
  const cut = pointers.reduce<JsonValue>((rest, pointer) => edit(rest, segments(pointer), () => undefined), value);
  return isObject(cut) ? cut : {};
}

/** One side of `{input, output}` with `[redacted]` in place of what the pointers into that object name. */
export function masked(side: "input" | "output", value: JsonValue, pointers: readonly string[]): JsonValue {
  const seen = pointers.reduce<JsonValue>((rest, pointer) => edit(rest, segments(pointer), () => REDACTED), { [side]: value });
  return isObject(seen) ? (seen[side] ?? null) : null;
}

function edit(value: JsonValue, path: readonly string[], change: () => JsonValue | undefined): JsonValue {
  const [segment, ...rest] = path;
  if (segment === undefined || typeof value !== "object" || value === null) return value;
  const hit = (key: string) => segment === "*" || segment === key;
  const next = (member: JsonValue) => (rest.length === 0 ? change() : edit(member, rest, change));
  if (Array.isArray(value)) return value.map((item, index) => (hit(String(index)) ? (next(item) ?? null) : item));
  const members: [string, JsonValue][] = [];
  for (const [key, member] of Object.entries(value)) {
    const kept = hit(key) ? next(member) : member;
    if (kept !== undefined) members.push([key, kept]);
  }
  return Object.fromEntries(members);
}

function segments(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}
