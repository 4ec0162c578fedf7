export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;
export type JsonObject = { [key: string]: JsonValue };

/**
 * Source text of one JSON value, known to be valid. What passes through the gateway travels in this
 * form, so numbers, key order and unknown members reach the other side as they were written.
 */
export type JsonText = string;

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
