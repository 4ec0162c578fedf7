import fc from "fast-check";
import { expect, test } from "vitest";
import { bareCall, type Call } from "../src/model/call.ts";
import type { HeaderParam } from "../src/model/catalog.ts";
import { GatewayError } from "../src/model/error.ts";
import type { JsonObject } from "../src/model/json.ts";
import { checkHeaderParams, decodeHeaderValue, encodeHeaderValue, headerParamsOf } from "../src/protocol/headers.ts";

test("any text survives a header, and what is sent is a legal field value", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }).map((text) => text.toWellFormed()), fc.constantFrom("", " a", "a\t", "=?base64?YQ==?=", "a\r\nb")), (text) => {
      const sent = encodeHeaderValue(text);
      expect(sent).toMatch(/^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/);
      expect(decodeHeaderValue(sent)).toEqual({ ok: true, value: text });
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["plain text stays", "eu-1", "eu-1"],
  ["inner white space stays", "a b\tc", "a b\tc"],
  ["nothing is encoded", "", "=?base64??="],
  ["leading space is encoded", " a", "=?base64?IGE=?="],
  ["non-ASCII is encoded", "é", "=?base64?w6k=?="],
  ["what looks encoded is encoded", "=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="],
])("sent: %s", (_name, value, sent) => expect(encodeHeaderValue(value)).toBe(sent));

test.each([
  ["surrounding white space is trimmed", " \teu-1 ", "eu-1"],
  ["encoded text", "=?base64?w6k=?=", "é"],
  ["markers are case-sensitive", "=?BASE64?w6k=?=", "=?BASE64?w6k=?="],
  ["one marker alone is literal", "=?base64?w6k=", "=?base64?w6k="],
  ["overlapping markers are literal", "=?base64?=", "=?base64?="],
])("received: %s", (_name, raw, value) => expect(decodeHeaderValue(raw)).toEqual({ ok: true, value }));

test.each([
  ["missing padding", "=?base64?w6k?="],
  ["foreign characters", "=?base64?w6k-?="],
  ["white space inside", "=?base64?w6 k=?="],
  ["bits left over", "=?base64?w6l=?="],
  ["not UTF-8", "=?base64?/w==?="],
  ["raw non-ASCII", "\u00e9"],
  ["a control character", "a\u0001"],
])("received and refused: %s", (_name, raw) => expect(decodeHeaderValue(raw)).toEqual({ ok: false }));

// --- Mcp-Param-* against arguments --------------------------------------------------------------------------------------

const PARAMS: HeaderParam[] = [{ header: "Region", path: ["region"] }];

function callWith(args: JsonObject | undefined, headers: Record<string, string> | null): Call {
  return bareCall("tools/call", args === undefined ? { name: "t" } : { name: "t", arguments: args }, { headerParam: headers && ((name) => headers[name] ?? null) });
}

function wireOf(call: Call, params: HeaderParam[]): unknown {
  try {
    checkHeaderParams(call, params);
    return "ok";
  } catch (error) {
    return error instanceof GatewayError ? error.wire : error;
  }
}

const MISMATCH = { rpc: -32020, http: 400 };
const CASES: [string, JsonObject | undefined, Record<string, string> | null, unknown][] = [
  ["equal text", { region: "eu" }, { Region: "eu" }, "ok"],
  ["equal encoded text", { region: "é" }, { Region: "=?base64?w6k=?=" }, "ok"],
  ["different text", { region: "eu" }, { Region: "us" }, MISMATCH],
  ["text in another case", { region: "eu" }, { Region: "EU" }, MISMATCH],
  ["missing header", { region: "eu" }, {}, MISMATCH],
  ["missing header for false", { region: false }, {}, MISMATCH],
  ["missing header for zero", { region: 0 }, {}, MISMATCH],
  ["missing header for empty text", { region: "" }, {}, MISMATCH],
  ["bad encoding", { region: "é" }, { Region: "=?base64?w6k?=" }, MISMATCH],
  ["no value and no header", {}, {}, "ok"],
  ["no arguments and no header", undefined, {}, "ok"],
  ["null and no header", { region: null }, {}, "ok"],
  ["null and a header", { region: null }, { Region: "null" }, MISMATCH],
  ["no value and a header", {}, { Region: "eu" }, MISMATCH],
  ["integer", { region: 42 }, { Region: "42" }, "ok"],
  ["integer compared as a number", { region: 42 }, { Region: "42.0" }, "ok"],
  ["integer in hexadecimal", { region: 42 }, { Region: "0x2a" }, MISMATCH],
  ["integer and text", { region: 42 }, { Region: "forty" }, MISMATCH],
  ["integer and empty text", { region: 0 }, { Region: "=?base64??=" }, MISMATCH],
  ["integers that only meet in rounding", { region: 9007199254740993 }, { Region: "9007199254740993" }, MISMATCH],
  ["boolean", { region: true }, { Region: "true" }, "ok"],
  ["boolean in capitals", { region: true }, { Region: "True" }, MISMATCH],
  ["an object has no header form", { region: { a: 1 } }, {}, "ok"],
  ["an object and a header", { region: { a: 1 } }, { Region: "[object Object]" }, MISMATCH],
  ["headers nobody declared", { region: "eu" }, { Region: "eu", Other: "x" }, "ok"],
  ["a revision without such headers", { region: "eu" }, null, "ok"],
];
test.each(CASES)("Mcp-Param: %s", (_name, args, headers, expected) => expect(wireOf(callWith(args, headers), PARAMS)).toEqual(expected));

test("nested arguments are found by their path", () => {
  const nested: HeaderParam[] = [{ header: "City", path: ["address", "city"] }];
  expect(wireOf(callWith({ address: { city: "Ulm" } }, { City: "Ulm" }), nested)).toBe("ok");
  expect(wireOf(callWith({ address: { city: "Ulm" } }, { City: "Bonn" }), nested)).toEqual(MISMATCH);
  expect(wireOf(callWith({ address: "Ulm" }, {}), nested)).toBe("ok");
  expect(wireOf(callWith({}, {}), [{ header: "X", path: ["constructor", "name"] }])).toBe("ok");
});

// --- x-mcp-header in a schema -------------------------------------------------------------------------------------------

const annotated = (type: string, header: unknown = "Region"): JsonObject => JSON.parse(JSON.stringify({ type, "x-mcp-header": header }));

test("annotations reached through properties are found", () => {
  const schema: JsonObject = {
    type: "object",
    properties: {
      region: annotated("string"),
      address: { type: "object", properties: { zip: annotated("integer", "Zip"), "x-mcp-header": { type: "string" } } },
      flag: annotated("boolean", "X-Flag"),
      plain: { const: { "x-mcp-header": "not an annotation" } },
    },
  };
  expect(headerParamsOf(schema)).toEqual({
    ok: true,
    params: [
      { header: "Region", path: ["region"] },
      { header: "Zip", path: ["address", "zip"] },
      { header: "X-Flag", path: ["flag"] },
    ],
  });
  expect(headerParamsOf({ type: "object" })).toEqual({ ok: true, params: [] });
});

const INVALID: [string, JsonObject][] = [
  ["at the root", { ...annotated("string") }],
  ["on a number", { properties: { a: annotated("number") } }],
  ["on an array", { properties: { a: annotated("array") } }],
  ["without a type", { properties: { a: { "x-mcp-header": "A" } } }],
  ["on a type list", { properties: { a: { type: ["string", "null"], "x-mcp-header": "A" } } }],
  ["empty", { properties: { a: annotated("string", "") } }],
  ["not text", { properties: { a: annotated("string", 7) } }],
  ["with a space", { properties: { a: annotated("string", "My Region") } }],
  ["with a line break", { properties: { a: annotated("string", "A\r\nB") } }],
  ["with a colon", { properties: { a: annotated("string", "A:B") } }],
  ["twice, in another case", { properties: { a: annotated("string", "Region"), b: annotated("string", "REGION") } }],
  ["under items", { properties: { a: { type: "array", items: annotated("string") } } }],
  ["under properties of items", { properties: { a: { items: { properties: { b: annotated("string") } } } } }],
  ["under oneOf", { oneOf: [{ properties: { a: annotated("string") } }] }],
  ["under anyOf of a property", { properties: { a: { anyOf: [annotated("string")] } } }],
  ["under not", { not: { properties: { a: annotated("string") } } }],
  ["under then", { then: { properties: { a: annotated("string") } } }],
  ["under $defs", { $defs: { a: annotated("string") } }],
  ["under additionalProperties", { additionalProperties: annotated("string") }],
  ["under patternProperties", { patternProperties: { "^a": annotated("string") } }],
];
test.each(INVALID)("an annotation makes the tool invalid: %s", (_name, schema) => {
  expect(headerParamsOf(schema)).toEqual({ ok: false, reason: expect.stringContaining("x-mcp-header") });
});
