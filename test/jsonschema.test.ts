import fc from "fast-check";
import { expect, test } from "vitest";
import { automatonOf, matches } from "../src/lib/automaton.ts";
import { flatSchema } from "../src/lib/flatschema.ts";
import { compileSchema } from "../src/lib/jsonschema.ts";
import { parseRegex } from "../src/lib/regex.ts";
import type { JsonObject, JsonValue } from "../src/model/json.ts";

function problems(schema: JsonValue, value: JsonValue): string[] {
  const compiled = compileSchema(schema);
  return compiled.ok ? compiled.check.problems(value) : [`refused: ${compiled.reason}`];
}

function refusal(schema: JsonValue): string | null {
  const compiled = compileSchema(schema);
  return compiled.ok ? null : compiled.reason;
}

const PERSON: JsonObject = {
  type: "object",
  properties: { name: { type: "string", minLength: 2 }, age: { type: "integer", minimum: 0 }, tags: { type: "array", items: { type: "string" } }, "a/b": { const: 1 } },
  required: ["name", "age"],
  additionalProperties: false,
};

test.each<[JsonValue, JsonValue, string[]]>([
  [PERSON, { name: "Ada", age: 3, tags: ["x"] }, []],
  [PERSON, {}, ["/name: is required", "/age: is required"]],
  [PERSON, { name: 1, age: 1.5, extra: true }, ["/name: must be string, not number", "/age: must be integer, not number", "/extra: is not allowed here"]],
  [PERSON, { name: "x", age: -1, tags: ["a", 2] }, ["/name: string is too short (1 < 2)", "/age: -1 is less than 0", "/tags/1: must be string, not number"]],
  [PERSON, [], ["the value: must be object, not array"]],
  [PERSON, { name: "Ada", age: 1, "a/b": 2 }, ["/a~1b: must be 1"]],
  [{ enum: ["a", "b"] }, "c", ['the value: must be one of "a","b"']],
  [{ anyOf: [{ type: "string" }, { type: "null" }] }, 1, ["the value: fits none of the alternatives: must be string, not number; or must be null, not number"]],
  [{ oneOf: [{ type: "number" }, { type: "integer" }] }, 1, ["the value: fits 2 of the alternatives of oneOf; it must fit exactly one"]],
  [{ pattern: "^[a-z]+$" }, "A", ["the value: does not match the pattern of the schema"]],
  [{ propertyNames: { pattern: "^[a-z]+$" } }, { A: 1 }, ["the name of /A: does not match the pattern of the schema"]],
  [{ patternProperties: { "^x-": { type: "string" } }, additionalProperties: false }, { "x-a": 1, b: 2 }, ["/x-a: must be string, not number", "/b: is not allowed here"]],
  [{ if: { properties: { kind: { const: "a" } } }, then: { required: ["x"] } }, { kind: "a" }, ["/x: is required"]],
  [false, 1, ["the value: is not allowed here"]],
])("problems name the place and what is expected there: %j", (schema, value, expected) => {
  expect(problems(schema, value)).toEqual(expected);
});

test("the schema of the conformance suite (2020-12 with $defs, $anchor, $ref, conditions) is enforced", () => {
  const schema: JsonObject = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    $defs: { address: { $anchor: "addressDef", type: "object", properties: { street: { type: "string" } }, required: ["street"] } },
    properties: { address: { $ref: "#/$defs/address" }, other: { $ref: "#addressDef" }, contact: { type: "string" }, phone: { type: "string" } },
    allOf: [{ anyOf: [{ required: ["contact"] }, { required: ["phone"] }] }],
    if: { required: ["phone"] },
    then: { required: ["address"] },
    additionalProperties: false,
  };
  expect(problems(schema, { contact: "x" })).toEqual([]);
  expect(problems(schema, { phone: "1" })).toEqual(["/address: is required"]);
  expect(problems(schema, { contact: "x", other: {} })).toEqual(["/other/street: is required"]);
});

test("draft-07 schemas, which most servers write, are taken by their own rules", () => {
  const schema = { $schema: "http://json-schema.org/draft-07/schema#", type: "object", definitions: { id: { type: "integer" } }, properties: { id: { $ref: "#/definitions/id" } } };
  expect(problems(schema, { id: "x" })).toEqual(["/id: must be integer, not string"]);
});

test.each<[string, JsonValue, RegExp]>([
  ["a remote reference", { properties: { a: { $ref: "https://example.com/schema.json" } } }, /leads out of the schema: "https:\/\/example\.com/],
  ["a reference to nowhere", { $ref: "#/$defs/none" }, /leads out of the schema/],
  ["a relative reference", { $ref: "other.json#/a" }, /leads out of the schema/],
  ["a dynamic reference", { $defs: { a: { $dynamicAnchor: "t" } }, properties: { a: { $dynamicRef: "#t" } } }, /^\/properties\/a\/\$dynamicRef is not supported/],
  ["a reference to itself", { $ref: "#" }, /leads back to itself/],
  ["a ring of references", { $defs: { a: { allOf: [{ $ref: "#/$defs/b" }] }, b: { $ref: "#/$defs/a" } }, properties: { x: { $ref: "#/$defs/a" } } }, /leads back to itself/],
  ["an unknown dialect", { $schema: "https://example.com/mine" }, /names a dialect that is not supported/],
  ["a back reference", { pattern: "^(a+)\\1$" }, /^\/pattern uses a back reference/],
  ["a broken pattern", { properties: { a: { pattern: "(" } } }, /^\/properties\/a\/pattern is not a valid/],
  ["a property pattern that backtracks", { patternProperties: { "^(a+)+$": {} } }, /cannot be run in linear time/],
  ["a pattern that repeats millions of times", { pattern: "^((a{1,99}b){1,99}c){1,99}$" }, /repeats too much/],
  ["a malformed keyword", { properties: { a: { required: true } } }, /^\/properties\/a\/required must be a list of strings/],
  ["an unknown type", { type: "strin" }, /^\/type must be one of/],
  ["depth", JSON.parse(`${'{"items":'.repeat(40)}{}${"}".repeat(40)}`), /nests deeper than 32/],
  ["5,001 subschemas", { anyOf: Array.from({ length: 5_001 }, () => ({})) }, /more than 5000 subschemas/],
  ["size", { description: "x".repeat(300_000) }, /longer than/],
])("refused with its place: %s", (_what, schema, reason) => {
  expect(refusal(schema)).toMatch(reason);
});

const HOSTILE = ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){20}", "^(?=(a+)+$)a", "a*a*a*a*a*a*a*b", "(?<!(a+)+)b", "[a-z]*[a-z]*[a-z]*1"];

test.each(HOSTILE)("the pattern %s cannot be made slow", (pattern) => {
  // what the platform's engine needs minutes or ages for; without the linear engine this test does not end
  const text = `${"a".repeat(30_000)}!`;
  expect(problems({ pattern }, text).length).toBeLessThanOrEqual(1);
  expect(refusal({ pattern })).toBeNull();
});

test("a schema that doubles its work at every step is stopped", () => {
  const twice = { properties: { a: { $ref: "#/$defs/n" } }, required: ["z"] };
  const schema = { $defs: { n: { anyOf: [twice, twice] } }, $ref: "#/$defs/n" };
  const deep: JsonValue = JSON.parse(`${'{"a":'.repeat(60)}1${"}".repeat(60)}`);
  expect(problems(schema, deep)).toEqual(["a value needs too many steps to be checked against this schema"]);
});

test("a long list is not compared item by item", () => {
  const items = Array.from({ length: 50_000 }, (_none, at) => at);
  expect(problems({ uniqueItems: true }, items)).toEqual(["the value: array has too many items (50000 > 2000)"]);
  expect(problems({ uniqueItems: true }, [1, 2, 1])).toEqual(["the value: duplicate items at indexes 0 and 2"]);
  expect(problems({ uniqueItems: true }, "text")).toEqual([]);
});

test.each(["__proto__", "constructor", "hasOwnProperty", "url", "linear:^(a)\\1$", "email"])("format %s only describes", (format) => {
  expect(problems({ type: "string", format }, "anything")).toEqual([]);
});

test("members named like those of objects are members", () => {
  const schema: JsonValue = JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string"},"constructor":{"type":"number"}},"required":["__proto__"],"additionalProperties":false}');
  expect(problems(schema, JSON.parse('{"__proto__":"x","constructor":1}'))).toEqual([]);
  expect(problems(schema, JSON.parse('{"__proto__":1}'))).toEqual(["/__proto__: must be string, not number"]);
  expect(problems(schema, {})).toEqual(["/__proto__: is required"]);
});

// --- the linear engine against the platform's -------------------------------------------------------------------

const PATTERNS = [
  "^\\d{4}-\\d{2}-\\d{2}$", "a|b|", "^(?:foo|bar)+$", "[^a-c]+$", "\\bfoo\\b", "\\Boo", "^.{2,3}$", "(?=.*\\d)(?=.*[a-z]).{3,}", "^(?!.*\\.\\.)[a.]+$",
  "(?<=a)b", "(?<!a)b", "^\\p{Lu}\\p{Ll}*$", "\\u{1F642}", "^[\\w.-]+@[\\w-]+\\.\\w+$", "(a?){3}b", "^$", "[\\]\\\\]", "\\x41|\\u0042", "(?<year>\\d+)-", "^(a*)*$", "a{0}b", "(?:(?=ab)a|b)+$",
];

test.each(PATTERNS)("%s matches what the platform's engine matches", (pattern) => {
  const parsed = parseRegex(pattern);
  const automaton = parsed.ok ? automatonOf(parsed.tree) : null;
  if (!automaton) throw new TypeError(`${pattern} is not taken`);
  const native = new RegExp(pattern, "u");
  const unit = fc.constantFrom("a", "b", "c", "f", "o", "r", "A", "B", "1", "2", "-", ".", "@", " ", "\\", "]", "é", "🙂", "\n");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
      expect(matches(automaton, text)).toBe(native.test(text));
    }),
    { numRuns: 300 },
  );
});

test("escapes of other dialects are understood", () => {
  expect(problems({ pattern: "^[\\w\\-\\@]+\\-\\_$" }, "a@b-_")).toEqual([]);
  expect(problems({ pattern: "^\\\\@$" }, "\\@")).toEqual([]);
});

/** An object of scalars, as most tools take it, and what is nearly one. */
const flat = fc.record(
  {
    type: fc.constant("object"),
    properties: fc.dictionary(
      fc.constantFrom("a", "b", "c", "__proto__", "toString"),
      fc.record({ type: fc.constantFrom("string", "number", "integer", "boolean"), enum: fc.constant(["x", 1, true]), minimum: fc.integer({ min: -2, max: 2 }), maximum: fc.integer({ min: -2, max: 2 }) }, { requiredKeys: ["type"] }),
    ),
    required: fc.uniqueArray(fc.constantFrom("a", "b", "toString")),
    additionalProperties: fc.boolean(),
  },
  { requiredKeys: ["type"] },
);
const values = fc.dictionary(fc.constantFrom("a", "b", "c", "d", "__proto__", "toString"), fc.constantFrom<JsonValue>("x", "y", "", 0, 1, 1.5, -2, true, false, null, [], {}));

test("the quick yes for a flat schema is the validator's yes", () => {
  let fitted = 0;
  fc.assert(
    fc.property(flat, values, (schema, value) => {
      const text: JsonObject = JSON.parse(JSON.stringify(schema));
      const isFit = flatSchema(text);
      expect(isFit).not.toBeNull();
      if (!isFit?.(value)) return;
      fitted++;
      // Wrapped, the schema is not flat any more.
      expect(problems({ allOf: [text] }, value)).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
  expect(fitted).toBeGreaterThan(100);
});

test.each<[string, JsonValue]>([
  ["a keyword that it does not know", { type: "object", minProperties: 1 }],
  ["a member that is more than a scalar", { type: "object", properties: { a: { type: "array", items: { type: "string" } } } }],
  ["a member without a type", { type: "object", properties: { a: {} } }],
  ["a type that is an object's own name", { type: "object", properties: { a: { type: "constructor" } } }],
  ["what is not an object", { type: "string" }],
  ["a boolean", true],
])("no quick yes for %s", (_name, schema) => expect(flatSchema(schema)).toBeNull());
