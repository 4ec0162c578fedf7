import type { JsonText, JsonValue } from "../model/json.ts";
import { editObject, elementsOf, memberOf, membersOf } from "../lib/json.ts";

/** Members of a schema that hold data: a `$ref` in there is not a reference. */
const DATA: readonly string[] = ["const", "enum", "default", "examples"];

/**
 * An output schema as 2025-06-18 and 2025-11-25 allow it: with an object at the root. Where the root is something else, the
 * value travels as `{"result": value}` and the schema says so. Where the root may be an object or something else, both forms fit.
 */
export function wrapSchema(schema: JsonText): JsonText {
  const type: JsonValue = JSON.parse(memberOf(schema, "type") ?? "null");
  if (type === "object") return schema;
  const dialect = memberOf(schema, "$schema");
  const bare = editObject(schema, { drop: ["$schema"] });
  const head = dialect === null ? '{"type":"object",' : `{"$schema":${dialect},"type":"object",`;
  if (!mayBeObject(type)) return `${head}"properties":{"result":${rebase(bare, "#/properties/result")}},"required":["result"]}`;
  const at = "#/anyOf/0/properties/result";
  return `${head}"anyOf":[{"properties":{"result":${rebase(bare, at)}},"required":["result"]},{"$ref":"${at}"}]}`;
}

function mayBeObject(type: JsonValue): boolean {
  return typeof type !== "string" && !(Array.isArray(type) && !type.includes("object"));
}

/** Local references (`#`, `#/…`) of a schema that moved to `base`. A subschema with an `$id` has a root of its own. */
function rebase(schema: JsonText, base: string): JsonText {
  const elements = elementsOf(schema);
  if (elements) return `[${elements.map((element) => rebase(element, base)).join(",")}]`;
  const members = membersOf(schema);
  if (!members || members.some((member) => member.key === "$id")) return schema;
  const set: Record<string, JsonText> = {};
  for (const { key, raw } of members) {
    if (key === "$ref" && raw.startsWith('"')) set[key] = rebased(raw, base);
    else if (!DATA.includes(key) && (raw.startsWith("{") || raw.startsWith("["))) set[key] = rebase(raw, base);
  }
  return editObject(schema, { set });
}

function rebased(raw: JsonText, base: string): JsonText {
  const reference: JsonValue = JSON.parse(raw);
  if (typeof reference !== "string" || !(reference === "#" || reference.startsWith("#/"))) return raw;
  return JSON.stringify(base + reference.slice(1));
}
