import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";

type Fits = (value: JsonValue | undefined) => boolean;

/** Keywords that assert nothing. */
const DESCRIBING: readonly string[] = ["$schema", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"];
const OF_ROOT: readonly string[] = [...DESCRIBING, "type", "properties", "required", "additionalProperties"];
const OF_MEMBER: readonly string[] = [...DESCRIBING, "type", "enum", "minimum", "maximum"];

const TYPES: ReadonlyMap<JsonValue | undefined, Fits> = new Map<JsonValue | undefined, Fits>([
  ["string", (value) => typeof value === "string"],
  ["number", (value) => typeof value === "number"],
  ["integer", (value) => typeof value === "number" && value % 1 === 0],
  ["boolean", (value) => typeof value === "boolean"],
]);

/**
 * A quick yes for the schema that most tools have: an object of scalars. True only where every keyword was looked at and holds; false says nothing: a
 * validator has to be asked, which also tells what is wrong. Null: the schema is not of that kind.
 */
export function flatSchema(schema: JsonValue): ((value: JsonValue) => boolean) | null {
  if (!isObject(schema) || schema.type !== "object" || !has(schema, OF_ROOT)) return null;
  const { properties = {}, required = [], additionalProperties = true } = schema;
  if (!isObject(properties) || !Array.isArray(required) || typeof additionalProperties !== "boolean") return null;
  const members = new Map<string, Fits>();
  for (const [name, member] of Object.entries(properties)) {
    const fits = memberCheck(member);
    if (!fits) return null;
    members.set(name, fits);
  }
  return (value) => {
    if (!isObject(value)) return false;
    for (const name of required) if (!Object.hasOwn(value, String(name))) return false;
    for (const name in value) {
      const fits = members.get(name);
      if (fits ? !fits(value[name]) : !additionalProperties) return false;
    }
    return true;
  };
}

function memberCheck(schema: JsonValue): Fits | null {
  if (!isObject(schema) || !has(schema, OF_MEMBER)) return null;
  const { type, enum: values, minimum = -Infinity, maximum = Infinity } = schema;
  const isType = TYPES.get(type);
  if (!isType || typeof minimum !== "number" || typeof maximum !== "number") return null;
  if (values !== undefined) return Array.isArray(values) ? (value) => isType(value) && inRange(value, minimum, maximum) && values.some((one) => one === value) : null;
  if (minimum === -Infinity && maximum === Infinity) return isType;
  return (value) => isType(value) && inRange(value, minimum, maximum);
}

function inRange(value: JsonValue | undefined, least: number, most: number): boolean {
  return typeof value !== "number" || (value >= least && value <= most);
}

function has(schema: JsonObject, keywords: readonly string[]): boolean {
  return Object.keys(schema).every((keyword) => keywords.includes(keyword));
}
