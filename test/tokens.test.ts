import { expect, test } from "vitest";
import { bearerOf, parseToken, writeToken } from "../src/access/credential.ts";
import { isOperator } from "../src/access/operator.ts";
import { scopeOf, scopesOf } from "../src/access/scopes.ts";
import { newId } from "../src/lib/ids.ts";

const workspace = newId("ws");
const id = newId("tok");

test("a token says which workspace and which token it is", () => {
  const token = writeToken(workspace, id);
  expect(token.startsWith(`cwy_${workspace}_${id}_`)).toBe(true);
  expect(parseToken(token)).toEqual({ workspace, id });
  expect(writeToken(workspace, id)).not.toBe(token);
});

test("every one-character typo, swap, cut and addition is noticed", () => {
  const token = writeToken(workspace, id);
  for (let at = 0; at < token.length; at++) {
    const typo = token[at] === "7" ? "8" : "7";
    expect(parseToken(token.slice(0, at) + typo + token.slice(at + 1))).toBeNull();
    expect(parseToken(token.slice(0, at))).toBeNull();
    const swapped = token.slice(0, at) + (token[at + 1] ?? "") + (token[at] ?? "") + token.slice(at + 2);
    if (swapped !== token) expect(parseToken(swapped)).toBeNull();
  }
  for (const text of [`${token}0`, ` ${token}`, `${token}\n`, token.toUpperCase(), "", "cwy_", "ghp_0123456789"]) expect(parseToken(text)).toBeNull();
});

test.each([
  ["Bearer abc", "abc"],
  ["bearer   abc ", "abc"],
  ["BEARER a-b_c.d~e+f/g=", "a-b_c.d~e+f/g="],
  ["Bearer", null],
  ["Bearer ", null],
  ["Bearer a b", null],
  ["Bearer a, Bearer b", null],
  ["Basic abc", null],
  ["abc", null],
  ["Bearer ü", null],
])("bearerOf(%j) is %j", (header, token) => {
  expect(bearerOf(header)).toBe(token);
});

test.each([
  ["s3cret", "Bearer s3cret", true],
  ["s3cret", "Bearer s3creT", false],
  ["s3cret", "Bearer s3cre", false],
  ["s3cret", "s3cret", false],
  ["s3cret", null, false],
  [null, "Bearer null", false],
  [null, null, false],
])("operator token %j against %j: %j", (operatorToken, header, expected) => {
  expect(isOperator({ config: { operatorToken } }, header)).toBe(expected);
});

test("only calling a tool, or what nobody here knows, needs more than reading", () => {
  for (const method of ["tools/call", "tasks/update", "tasks/cancel", "com.acme/do"]) expect(scopeOf(method)).toBe("mcp:call");
  for (const method of ["tools/list", "prompts/get", "resources/read", "server/discover", "ping", "skills/list", "made-up", "tasks/get"]) expect(scopeOf(method)).toBe("mcp:read");
});

test("a stored scope that is not known grants nothing", () => {
  expect(scopesOf('["mcp:read","mcp:everything","access:admin"]')).toEqual(["mcp:read", "access:admin"]);
  expect(scopesOf('"mcp:read"')).toEqual([]);
});
