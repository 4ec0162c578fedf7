import fc from "fast-check";
import { expect, test } from "vitest";
import { editObject, elementsOf, memberOf, Members, membersOf, parseStrict } from "../src/lib/json.ts";

const LIMITS = { depth: 64, keys: 10_000 };
const utf8 = new TextEncoder();
const strict = (text: string, limits = LIMITS) => parseStrict(utf8.encode(text), limits);

function reasonFor(text: string, limits = LIMITS): string {
  const parsed = strict(text, limits);
  return parsed.ok ? "ok" : parsed.reason;
}

// --- JSON text as people and machines write it: odd numbers, escapes, white space, unlucky keys ---------------------

const space = fc.constantFrom("", "", "", " ", "\n", "\r\n\t", "  ");
const digits = fc.stringMatching(/^[1-9][0-9]{0,30}$/);
const number = fc.oneof(
  fc.constantFrom("0", "-0", "-0.0", "1e400", "1E+2", "0.1e-7", "12345678901234567890", "9007199254740993", "1.0"),
  digits,
  digits.map((whole) => `-${whole}.${whole}`),
);
const character = fc.oneof(
  fc.constantFrom("a", "Z", "{", "}", "[", "]", ":", ",", " ", "é", "\u2028", "😀", "\ufffd"),
  fc.constantFrom('\\"', "\\\\", "\\/", "\\n", "\\u0041", "\\ud83d\\ude00", "\\ud800", "\\u0000"),
);
const string = fc.array(character, { maxLength: 8 }).map((parts) => `"${parts.join("")}"`);
const key = fc.oneof({ weight: 2, arbitrary: string }, { weight: 1, arbitrary: fc.constantFrom('"__proto__"', '"p\\u0061rams"', '"params"', '"_meta"', '"a"', '"constructor"', '"toString"', '""') });

/** Puts white space between the tokens of a container; `gaps` may be shorter than needed. */
function container(open: string, close: string, items: string[], gaps: string[]): string {
  const gap = (at: number) => gaps[at % Math.max(gaps.length, 1)] ?? "";
  return open + items.map((item, at) => gap(2 * at) + item + gap(2 * at + 1)).join(",") + (items.length === 0 ? gap(0) : "") + close;
}

const { value: jsonText } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof({ depthSize: "small", withCrossShrink: true }, fc.constantFrom("null", "true", "false"), number, string, tie("object"), tie("array")),
  array: fc.tuple(fc.array(tie("value"), { maxLength: 4 }), fc.array(space, { maxLength: 5 })).map(([items, gaps]) => container("[", "]", items, gaps)),
  object: fc
    .tuple(fc.uniqueArray(fc.tuple(key, tie("value"), space, space), { maxLength: 5, selector: ([name]) => JSON.parse(name) }), fc.array(space, { maxLength: 5 }))
    .map(([members, gaps]) => container("{", "}", members.map(([name, value, before, after]) => `${name}${before}:${after}${value}`), gaps)),
}));

/** A pair of the same object as text and as the list that made it. */
const objectOf = fc
  .tuple(fc.uniqueArray(fc.tuple(key, jsonText, space), { maxLength: 6, selector: ([name]) => JSON.parse(name) }), fc.array(space, { maxLength: 5 }))
  .map(([members, gaps]) => ({
    members: members.map(([name, raw]) => ({ key: String(JSON.parse(name)), raw })),
    text: container("{", "}", members.map(([name, raw, gap]) => `${name}${gap}:${gap}${raw}`), gaps),
  }));

test("any JSON text without duplicate keys parses to what JSON.parse makes of it, and keeps its text", () => {
  fc.assert(
    fc.property(jsonText, space, (text, edge) => {
      const source = edge + text + edge;
      const parsed = strict(source);
      expect(parsed.ok).toBe(true);
      if (!parsed.ok) return;
      expect(parsed.text).toBe(source);
      expect(parsed.value).toEqual(JSON.parse(source));
    }),
    { numRuns: 500 },
  );
});

test("any text at all: refused exactly when JSON.parse refuses it", () => {
  const rubbish = fc.tuple(jsonText, fc.nat(), fc.constantFrom("", ",", "}", "{", '"', "\\", ":", "]", "x", "\u0000")).map(([text, at, junk]) => {
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + junk + text.slice(cut + 1);
  });
  fc.assert(
    fc.property(rubbish, (text) => {
      const well = text.toWellFormed();
      let value: unknown;
      try {
        value = JSON.parse(well);
      } catch {
        expect(reasonFor(well)).toBe("grammar");
        return;
      }
      const parsed = strict(well);
      if (parsed.ok) expect(parsed.value).toEqual(value);
      else expect(parsed.reason).toBe("duplicate_key");
    }),
    { numRuns: 1_000 },
  );
});

test("members are cut out byte for byte, whatever their keys look like", () => {
  fc.assert(
    fc.property(objectOf, ({ text, members }) => {
      expect(membersOf(text)).toEqual(members);
      const parsed = strict(text);
      expect(parsed.ok).toBe(true);
      if (!parsed.ok) return;
      for (const { key: name, raw } of members) {
        expect(memberOf(text, name)).toBe(raw);
        expect(parsed.members.raw(name)).toBe(raw);
        for (const inner of membersOf(raw) ?? []) {
          expect(parsed.members.raw(name, inner.key)).toBe(inner.raw);
          expect(Members.of(text).raw(name, inner.key)).toBe(inner.raw);
        }
      }
      expect(parsed.members.raw("no such key")).toBeNull();
      expect(parsed.members.raw("__proto__", "toString")).toBe(memberOf(memberOf(text, "__proto__") ?? "null", "toString"));
    }),
    { numRuns: 500 },
  );
});

test("elements are cut out byte for byte", () => {
  fc.assert(
    fc.property(fc.array(jsonText, { maxLength: 6 }), fc.array(space, { maxLength: 5 }), (items, gaps) => {
      expect(elementsOf(container("[", "]", items, gaps))).toEqual(items);
    }),
    { numRuns: 300 },
  );
  expect(elementsOf("{}")).toBeNull();
  expect(membersOf("[]")).toBeNull();
  expect(memberOf("3", "a")).toBeNull();
});

test("an edit drops and sets what it names and keeps every other byte", () => {
  fc.assert(
    fc.property(objectOf, fc.array(fc.nat(5)), fc.dictionary(fc.constantFrom("a", "new", "__proto__x", "_meta"), jsonText, { maxKeys: 3 }), ({ text, members }, drops, set) => {
      const drop = drops.map((at) => members[at]?.key ?? "absent").filter((name) => !Object.hasOwn(set, name));
      const edited = editObject(text, { drop, set });
      const kept = members.filter((member) => !drop.includes(member.key)).map((member) => ({ key: member.key, raw: Object.hasOwn(set, member.key) ? set[member.key] : member.raw }));
      const added = Object.keys(set).filter((name) => !members.some((member) => member.key === name));
      expect(membersOf(edited)).toEqual([...added.map((name) => ({ key: name, raw: set[name] })), ...kept]);
      expect(strict(edited).ok).toBe(true);
      if (drop.every((name) => name === "absent") && Object.keys(set).length === 0) expect(edited).toBe(text);
    }),
    { numRuns: 500 },
  );
});

const EDITS: [string, string, Parameters<typeof editObject>[1], string][] = [
  ["white space around what stays", '{ "a" : 1 ,\n "b":2 , "c": 3 }', { drop: ["b"] }, '{ "a" : 1 , "c": 3 }'],
  ["the first", '{"a":1,"b":2}', { drop: ["a"] }, '{"b":2}'],
  ["the last, with the space around it", '{"a":1,"b":2 }', { drop: ["b"] }, '{"a":1}'],
  ["all", '{"a":1}', { drop: ["a"] }, "{}"],
  ["set in place", '{"a":1, "b" : [2] }', { set: { b: "9" } }, '{"a":1, "b" : 9 }'],
  ["set a new one first", '{"a":1}', { set: { n: "0" } }, '{"n":0,"a":1}'],
  ["set into nothing", "{ }", { set: { n: "0", m: "1" } }, '{"n":0,"m":1 }'],
  ["drop by the spelling of its key", '{"p\\u0061rams":1,"b":12345678901234567890}', { drop: ["params"] }, '{"b":12345678901234567890}'],
  ["made from the old value", '{"a":[1]}', { set: { a: (was) => `[${was}]`, b: () => null } }, '{"a":[[1]]}'],
  ["taken out by its function", '{"a":[1],"b":2}', { set: { a: () => null } }, '{"b":2}'],
  ["not an object", "[1]", { set: { a: "1" } }, "[1]"],
];
test.each(EDITS)("edit: %s", (_name, text, edit, expected) => expect(editObject(text, edit)).toBe(expected));

const REFUSED: [string, string, string][] = [
  ["a duplicate key", '{"a":1,"a":2}', "duplicate_key"],
  ["a duplicate deep inside", '[{"b":[{"a":1,"a":1}]}]', "duplicate_key"],
  ["a duplicate hidden by an escape", '{"text":1,"t\\u0065xt":2}', "duplicate_key"],
  ["a double __proto__", '{"__proto__":1,"__proto__":2}', "duplicate_key"],
  ["an empty body", "", "grammar"],
  ["a trailing comma", '{"a":1,}', "grammar"],
  ["two values", "{} {}", "grammar"],
  ["a comment", "{}//", "grammar"],
  ["NaN", '{"a":NaN}', "grammar"],
  ["a byte order mark", "\ufeff{}", "grammar"],
  ["a raw line break in a string", '{"a":"\n"}', "grammar"],
  ["an open string", '{"a":"', "grammar"],
  ["a lone opener", "{", "grammar"],
];
test.each(REFUSED)("refused: %s", (_name, text, reason) => expect(reasonFor(text)).toBe(reason));

const BYTES: [string, number[]][] = [
  ["a stray byte", [0x22, 0xff, 0x22]],
  ["a truncated sequence", [0x22, 0xe2, 0x82, 0x22]],
  ["an overlong slash", [0x22, 0xc0, 0xaf, 0x22]],
  ["an encoded surrogate", [0x22, 0xed, 0xa0, 0x80, 0x22]],
];
test.each(BYTES)("invalid UTF-8 is refused: %s", (_name, bytes) => {
  expect(parseStrict(Uint8Array.from(bytes), LIMITS)).toEqual({ ok: false, reason: "encoding" });
});

test("a real U+FFFD is a character like any other", () => expect(strict('"\ufffd"').ok).toBe(true));

test.each([
  ["arrays", (depth: number) => "[".repeat(depth) + "]".repeat(depth)],
  ["objects", (depth: number) => '{"a":'.repeat(depth - 1) + "{}" + "}".repeat(depth - 1)],
  ["arguments of a call", (depth: number) => `{"params":{"arguments":${"[".repeat(depth - 2)}${"]".repeat(depth - 2)}}}`],
])("depth of %s: 64 is taken, 65 refused", (_name, nested) => {
  expect(reasonFor(nested(64))).toBe("ok");
  expect(reasonFor(nested(65))).toBe("depth");
  expect(reasonFor(nested(50_000))).toBe("depth");
});

test.each([
  ['{"a":1}', 1],
  ['{"a":{}}', 2],
  ['{"a":{"b":{}}}', 3],
  ['{"a":[{"b":[]}]}', 4],
  ["[[],[[]]]", 3],
  ["1", 0],
])("%s is %i deep", (text, depth) => {
  expect(reasonFor(text, { depth, keys: 10 })).toBe("ok");
  expect(reasonFor(text, { depth: depth - 1, keys: 10 })).toBe("depth");
});

test("as many keys as the limit are taken, one more is refused", () => {
  const object = (keys: number) => `{"o":{${Array.from({ length: keys - 1 }, (_, at) => `"k${at}":{}`).join(",")}}}`;
  expect(reasonFor(object(50), { depth: 64, keys: 50 })).toBe("ok");
  expect(reasonFor(object(51), { depth: 64, keys: 50 })).toBe("keys");
});

test("brackets, braces and colons in strings count for nothing", () => {
  const text = JSON.stringify({ a: "[[[[{{{{::::", "b:{": 'x\\"y' });
  expect(strict(text, { depth: 1, keys: 2 }).ok).toBe(true);
});
