import { GatewayError } from "../model/error.ts";
import { isObject, type JsonValue } from "../model/json.ts";
import { automatonOf } from "./automaton.ts";
import { isPlain, parseRegex } from "./regex.ts";

/** A schema as the validator gets it: known keywords only, each of the right shape, patterns replaced by what runs in linear time. */
export type Clean = boolean | { [keyword: string]: unknown };

export type Draft = "4" | "7" | "2019-09" | "2020-12";

/** Formats whose name begins so stand for `pattern`: the rest is the regular expression. */
export const LINEAR = "linear:";

const MAX_DEPTH = 32;
const MAX_NODES = 5_000;
/** Comparing all items with all others takes the square of their number, so it is done for so many only. */
const UNIQUE_ITEMS = 2_000;

const DIALECTS: ReadonlyMap<string, Draft> = new Map<string, Draft>([
  ["https://json-schema.org/draft/2020-12/schema", "2020-12"],
  ["https://json-schema.org/draft/2019-09/schema", "2019-09"],
  ["http://json-schema.org/draft-07/schema", "7"],
  ["http://json-schema.org/draft-06/schema", "7"],
  ["http://json-schema.org/draft-04/schema", "4"],
]);

const TYPES: readonly JsonValue[] = ["array", "boolean", "integer", "null", "number", "object", "string"];

interface Walk {
  at: string;
  depth: number;
  tally: { nodes: number };
}

type Keyword = (value: JsonValue, walk: Walk) => unknown;

const KEYWORDS: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  ["$ref", text],
  ["$dynamicRef", unsupported],
  ["$recursiveRef", unsupported],
  ["$id", text],
  ["$anchor", text],
  ["type", types],
  ["const", (value) => value],
  ["enum", (value, walk) => (Array.isArray(value) ? value : refuse(walk, "must be an array"))],
  ["required", texts],
  ["dependentRequired", (value, walk) => members(value, walk, texts)],
  ["dependencies", (value, walk) => members(value, walk, (member, place) => (Array.isArray(member) ? texts(member, place) : schema(member, place)))],
  ["items", (value, walk) => (Array.isArray(value) ? schemas(value, walk) : schema(value, walk))],
  ["patternProperties", (value, walk) => members(value, walk, patternMember)],
  ["uniqueItems", (value, walk) => (typeof value === "boolean" ? value : refuse(walk, "must be true or false"))],
  ["exclusiveMinimum", bound],
  ["exclusiveMaximum", bound],
  ["minimum", number],
  ["maximum", number],
  ["multipleOf", (value, walk) => (typeof value === "number" && value > 0 ? value : refuse(walk, "must be a number above 0"))],
  ["pattern", text],
  ...named(["$defs", "definitions", "properties", "dependentSchemas"], (value, walk) => members(value, walk, schema)),
  ...named(["anyOf", "allOf", "oneOf", "prefixItems"], schemas),
  ...named(["not", "if", "then", "else", "contains", "propertyNames", "additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems"], schema),
  ...named(["minProperties", "maxProperties", "minItems", "maxItems", "minContains", "maxContains", "minLength", "maxLength"], count),
]);

function named(keywords: string[], read: Keyword): [string, Keyword][] {
  return keywords.map((keyword) => [keyword, read]);
}

/** The dialect a schema names; 2020-12 when it names none (MCP 2026-07-28, tools). Throws `invalid` for one that is not known. */
export function draftOf(root: JsonValue): Draft {
  const dialect = isObject(root) ? root["$schema"] : undefined;
  if (dialect === undefined) return "2020-12";
  const draft = typeof dialect === "string" ? DIALECTS.get(dialect.replace(/#$/, "")) : undefined;
  return draft ?? refuse({ at: "/$schema" }, `names a dialect that is not supported: ${JSON.stringify(dialect)}; use https://json-schema.org/draft/2020-12/schema`);
}

/**
 * Copies a schema keyword by keyword; what only describes (title, default, format, unknown ones) stays behind.
 * Throws `invalid` naming the place: malformed keywords, dynamic references, patterns that cannot be run in linear time,
 * nesting over 32, more than 5,000 subschemas. Not checked: where `$ref` leads.
 */
export function cleanSchema(root: JsonValue): Clean {
  return schema(root, { at: "", depth: 0, tally: { nodes: 0 } });
}

function schema(value: JsonValue, walk: Walk): Clean {
  if (value === true) return true;
  // `false` as a list of no values: the validator loses the place of a bare `false` in what it reports
  if (value === false) return { enum: [] };
  if (!isObject(value)) return refuse(walk, "must be a schema: an object, true or false");
  if (walk.depth > MAX_DEPTH) return refuse(walk, `nests deeper than ${MAX_DEPTH}`);
  if (++walk.tally.nodes > MAX_NODES) return refuse({ at: "" }, `has more than ${MAX_NODES} subschemas`);
  const clean: { [keyword: string]: unknown } = {};
  for (const [keyword, member] of Object.entries(value)) {
    const read = KEYWORDS.get(keyword);
    if (read) clean[keyword] = read(member, { ...walk, at: `${walk.at}/${keyword}`, depth: walk.depth + 1 });
  }
  const { pattern, uniqueItems, allOf } = clean;
  if (typeof pattern === "string") setPattern(clean, pattern, walk);
  if (uniqueItems === true) {
    delete clean["uniqueItems"];
    const few = { maxItems: UNIQUE_ITEMS };
    clean["allOf"] = [...(Array.isArray(allOf) ? allOf : []), { if: few, then: { uniqueItems }, else: few }];
  }
  return clean;
}

/** The validator hands `pattern` to the platform's backtracking engine: only a pattern that is plainly linear there may stay one. */
function setPattern(clean: { [keyword: string]: unknown }, pattern: string, walk: Walk): void {
  const parsed = parseRegex(pattern);
  if (!parsed.ok) return refuse(walk, `/pattern ${parsed.reason}`);
  delete clean["pattern"];
  if (isPlain(parsed.tree)) clean["pattern"] = parsed.source;
  else if (automatonOf(parsed.tree)) clean["format"] = `${LINEAR}${parsed.source}`;
  else refuse(walk, "/pattern repeats too much to be run in linear time");
}

/** Names of `patternProperties` always go to the platform's engine. */
function patternMember(value: JsonValue, walk: Walk, pattern: string): Clean {
  const parsed = parseRegex(pattern);
  if (!parsed.ok) return refuse(walk, parsed.reason);
  if (!isPlain(parsed.tree) || parsed.source !== pattern) return refuse(walk, "is a pattern that cannot be run in linear time; use one repetition and ^ at its start");
  return schema(value, walk);
}

function schemas(value: JsonValue, walk: Walk): Clean[] {
  if (!Array.isArray(value) || value.length === 0) return refuse(walk, "must be a list of schemas");
  return value.map((item, index) => schema(item, { ...walk, at: `${walk.at}/${index}` }));
}

function members<T>(value: JsonValue, walk: Walk, read: (member: JsonValue, walk: Walk, name: string) => T): Record<string, T> {
  if (!isObject(value)) return refuse(walk, "must be an object");
  const copy: Record<string, T> = Object.create(null);
  for (const [name, member] of Object.entries(value)) copy[name] = read(member, { ...walk, at: `${walk.at}/${name}` }, name);
  return copy;
}

function types(value: JsonValue, walk: Walk): JsonValue {
  const all = Array.isArray(value) ? value : [value];
  if (all.length > 0 && all.every((type) => TYPES.includes(type))) return value;
  return refuse(walk, `must be one of ${TYPES.join(", ")}, or a list of them`);
}

function text(value: JsonValue, walk: Walk): string {
  return typeof value === "string" ? value : refuse(walk, "must be a string");
}

function texts(value: JsonValue, walk: Walk): JsonValue {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : refuse(walk, "must be a list of strings");
}

function number(value: JsonValue, walk: Walk): number {
  return typeof value === "number" ? value : refuse(walk, "must be a number");
}

/** A number, or a boolean as draft 4 has it. */
function bound(value: JsonValue, walk: Walk): number | boolean {
  return typeof value === "boolean" ? value : number(value, walk);
}

function count(value: JsonValue, walk: Walk): number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : refuse(walk, "must be a whole number of 0 or more");
}

function unsupported(_value: JsonValue, walk: Walk): never {
  return refuse(walk, "is not supported; use $ref with a place in the same schema");
}

function refuse({ at }: { at: string }, reason: string): never {
  const shown = at.length > 200 ? `${at.slice(0, 200)}…` : at;
  throw new GatewayError("invalid", `${shown}${reason.startsWith("/") ? "" : " "}${reason}`.trim());
}
