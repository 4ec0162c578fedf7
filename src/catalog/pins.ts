import { canonical } from "../lib/canonical.ts";
import { sha256 } from "../lib/crypto.ts";
import type { JsonObject } from "../model/json.ts";

const PINNED = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"] as const;

/** Hash over what a model and a person are told of a tool: name, title, description, schemas, annotations. Order and white space do not count, absence does. */
export function pinOf(definition: JsonObject): Promise<string> {
  const pinned = PINNED.filter((key) => Object.hasOwn(definition, key)).map((key) => [key, definition[key] ?? null]);
  return sha256(canonical(Object.fromEntries(pinned)));
}
