import { CliError } from "./io.ts";

/**
 * Tool arguments from `key=value` words and `--args`. A value is read by the type its property has in the tool's input
 * schema; where the schema does not say, JSON is tried and text is kept. `key:=json` is always JSON, and a word that begins
 * with a brace is a whole object. Words win over `--args`, later ones over earlier ones.
 */
export function argumentsOf(words: readonly string[], base: string | undefined, schema: unknown): Record<string, unknown> {
  const args = base === undefined ? {} : objectOf("--args", base);
  for (const word of words) {
    if (word.startsWith("{")) {
      Object.assign(args, objectOf("arguments", word));
      continue;
    }
    const [, key, typed, value] = /^([^=:]+)(:?)=([\s\S]*)$/.exec(word) ?? [];
    if (key === undefined || value === undefined) throw new CliError(`arguments: not key=value: ${word}`);
    args[key] = typed ? jsonOf(key, value) : valueOf(key, value, typesOf(schema, key));
  }
  return args;
}

function objectOf(field: string, text: string): Record<string, unknown> {
  const value = jsonOf(field, text);
  if (isObject(value)) return { ...value };
  throw new CliError(`${field}: must be a JSON object, like '{"limit": 5}'`);
}

function valueOf(key: string, text: string, types: readonly string[]): unknown {
  if (types.length === 0) return jsonOrText(text);
  if (types.includes("string")) return text;
  const value = jsonOf(key, text);
  if (types.includes(typeOf(value)) || (types.includes("integer") && Number.isInteger(value))) return value;
  throw new CliError(`${key}: must be ${types.join(" or ")}`);
}

function typesOf(schema: unknown, key: string): string[] {
  const properties = isObject(schema) ? schema["properties"] : null;
  const property = isObject(properties) ? properties[key] : null;
  const type = isObject(property) ? property["type"] : null;
  return (Array.isArray(type) ? type : [type]).filter((one) => typeof one === "string");
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function jsonOf(field: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError(`${field}: not JSON: ${text}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
