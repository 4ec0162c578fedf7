import type { JsonObject, JsonValue } from "../../model/json.ts";

/** Gives `value`, whose expressions have been evaluated already; nothing found is null. */
export async function executeTransform(input: JsonObject): Promise<JsonValue> {
  return input["value"] ?? null;
}
