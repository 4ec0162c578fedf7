import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Matcher, Rule, Target, ToolAnnotations } from "../src/model/catalog.ts";
import type { Principal } from "../src/model/identity.ts";
import { SCOPES } from "../src/model/identity.ts";
import type { JsonObject, JsonValue } from "../src/model/json.ts";
import { visibilityClass, visible } from "../src/policy/bearing.ts";
import type { Effect } from "../src/policy/bearing.ts";
import { decide } from "../src/policy/decide.ts";
import { conditionOf, fit } from "../src/policy/matchers.ts";
import { matchesPattern } from "../src/policy/rules.ts";
import type { Policy, Subject } from "../src/policy/rules.ts";

const principal: Principal = { kind: "token", id: "tok_a", name: "a", workspace: "ws_a", role: "runner", scopes: ["mcp:read", "mcp:call"], readOnly: false, toolset: null, expiresAt: null };
const tool: Subject = { name: "crm_find", target: { kind: "mcp", upstream: "up_1", name: "find" }, annotations: { readOnlyHint: true }, toolsets: ["sales"] };

function rule(effect: Effect, parts: { who?: Partial<Rule["who"]>; what?: Partial<Rule["what"]>; when?: Matcher[]; id?: string } = {}): Rule {
  return {
    id: parts.id ?? effect,
    who: { roles: [], principals: [], scopes: [], ...parts.who },
    what: { tools: [], targets: [], upstreams: [], readOnly: null, ...parts.what },
    when: parts.when ?? [],
    effect,
  };
}

function policy(rules: Rule[], defaultEffect: "allow" | "deny" = "allow"): Policy {
  const upstream = { id: "up_1", slug: "crm", url: "https://crm.example/mcp", connection: null, era: null, capabilities: {}, timeoutMs: 1, concurrency: 1 };
  return { rules, defaultEffect, upstreams: [upstream] };
}

describe("one condition against the arguments", () => {
  const is = (value: JsonObject | string | number | null, pointer = "/a"): Matcher => ({ pointer, op: "equals", value });
  const range = (min?: number, max?: number): Matcher => ({ pointer: "/a", op: "range", ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) });
  test.each<[Matcher, JsonValue | undefined, string]>([
    [is("x"), { a: "x" }, "yes"],
    [is("x"), { a: "y" }, "no"],
    [is("x"), { a: 1 }, "misfit"],
    [is("x"), { a: ["x"] }, "misfit"],
    [is("x"), { a: null }, "misfit"],
    [is("x"), {}, "no"],
    [is("x"), undefined, "no"],
    [is(null), { a: null }, "yes"],
    [is(null), { a: "x" }, "no"],
    [is(1), { a: 1.0 }, "yes"],
    [is(1), { a: true }, "misfit"],
    [is(9007199254740992), { a: 9007199254740992 }, "misfit"],
    [is({ x: [1, { y: 2 }] }), { a: { x: [1, { y: 2 }] } }, "yes"],
    [is({ x: [1] }), { a: { x: [1], z: 0 } }, "no"],
    [is({ x: [1] }), { a: [1] }, "misfit"],
    [is("x", "/a/b"), { a: { b: "x" } }, "yes"],
    [is("x", "/a/1"), { a: ["w", "x"] }, "yes"],
    [is("x", "/a/5"), { a: ["w", "x"] }, "no"],
    [is("x", "/a/-"), { a: ["x"] }, "misfit"],
    [is("x", "/a/01"), { a: ["w", "x"] }, "misfit"],
    [is("x", "/a/b"), { a: "x" }, "misfit"],
    [is("x", "/a/b"), { a: null }, "misfit"],
    [is("x", "/a~1b/~0"), { "a/b": { "~": "x" } }, "yes"],
    [is("x", ""), "x", "yes"],
    [is("x", "a"), { a: "x" }, "misfit"],
    [is("x", "/~2"), { "~2": "x" }, "misfit"],
    [is("x", "/constructor"), {}, "no"],
    [is("x", "/__proto__"), {}, "no"],
    [{ pointer: "/a", op: "in", values: ["x", 1] }, { a: 1 }, "yes"],
    [{ pointer: "/a", op: "in", values: ["x", 1] }, { a: "y" }, "no"],
    [{ pointer: "/a", op: "in", values: ["x", 1] }, { a: true }, "misfit"],
    [{ pointer: "/a", op: "in", values: ["x", null] }, { a: null }, "yes"],
    [{ pointer: "/a", op: "in", values: [] }, { a: "x" }, "misfit"],
    [{ pointer: "/a", op: "prefix", value: "/tmp/" }, { a: "/tmp/x" }, "yes"],
    [{ pointer: "/a", op: "prefix", value: "/tmp/" }, { a: "/etc" }, "no"],
    [{ pointer: "/a", op: "prefix", value: "/tmp/" }, { a: ["/tmp/x"] }, "misfit"],
    [range(1, 10), { a: 1 }, "yes"],
    [range(1, 10), { a: 10 }, "yes"],
    [range(1, 10), { a: 10.5 }, "no"],
    [range(1), { a: 0 }, "no"],
    [range(undefined, 5), { a: -1 }, "yes"],
    [range(1, 10), { a: "5" }, "misfit"],
    [range(1, 10), {}, "no"],
    [{ pointer: "/a", op: "exists", value: true }, { a: null }, "yes"],
    [{ pointer: "/a", op: "exists", value: true }, {}, "no"],
    [{ pointer: "/a", op: "exists", value: false }, undefined, "yes"],
    [{ pointer: "/a/b", op: "exists", value: false }, { a: 1 }, "misfit"],
  ])("%j on %j: %s", (matcher, args, expected) => {
    expect(fit(conditionOf(matcher), args)).toBe(expected);
  });

  test("a kind of condition from a later version is a misfit", () => {
    const later: Matcher = JSON.parse('{"pointer":"/a","op":"matches","value":"x"}');
    expect(fit(conditionOf(later), { a: "x" })).toBe("misfit");
  });
});

test.each([
  ["*", "anything", true],
  ["crm_*", "crm_find", true],
  ["crm_*", "crm_", true],
  ["crm_*", "xcrm_find", false],
  ["*_find", "crm_find", true],
  ["*_find", "crm_find2", false],
  ["c*m*d", "crm_find", true],
  ["c*m*d", "crd_find", false],
  ["ab*ba", "aba", false],
  ["a*a", "aa", true],
  ["a**b", "ab", true],
  ["a.c", "abc", false],
  ["", "", true],
  ["", "a", false],
  ["crm_find", "crm_find", true],
  ["crm_find", "CRM_find", false],
])("pattern %j on %j: %j", (pattern, name, expected) => {
  expect(matchesPattern(pattern, name)).toBe(expected);
});

test("a pattern agrees with the regular expression it stands for", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
  fc.assert(
    fc.property(letters, fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 10 }), (pattern, name) => {
      expect(matchesPattern(pattern, name)).toBe(new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(name));
    }),
    { numRuns: 2_000 },
  );
});

describe("decide", () => {
  const over100: Matcher = { pointer: "/amount", op: "range", min: 100 };
  test.each<[string, Policy, JsonValue | undefined, Effect]>([
    ["no rule, default allow", policy([]), {}, "allow"],
    ["no rule, default deny", policy([], "deny"), {}, "deny"],
    ["allowed over default deny", policy([rule("allow")], "deny"), {}, "allow"],
    ["deny before ask before allow", policy([rule("allow"), rule("ask"), rule("deny")]), {}, "deny"],
    ["ask before allow", policy([rule("ask"), rule("allow")]), {}, "ask"],
    ["another role", policy([rule("deny", { who: { roles: ["viewer"] } })]), {}, "allow"],
    ["own role", policy([rule("deny", { who: { roles: ["viewer", "runner"] } })]), {}, "deny"],
    ["own id", policy([rule("deny", { who: { principals: ["tok_a"] } })]), {}, "deny"],
    ["one of the scopes", policy([rule("deny", { who: { scopes: ["mcp:call", "audit:read"] } })]), {}, "deny"],
    ["role yes, id no", policy([rule("deny", { who: { roles: ["runner"], principals: ["tok_b"] } })]), {}, "allow"],
    ["by tool pattern", policy([rule("deny", { what: { tools: ["x_*", "crm_*"] } })]), {}, "deny"],
    ["by kind of target", policy([rule("deny", { what: { targets: ["agent"] } })]), {}, "allow"],
    ["by upstream slug", policy([rule("deny", { what: { upstreams: ["crm"] } })]), {}, "deny"],
    ["by upstream id", policy([rule("deny", { what: { upstreams: ["up_1"] } })]), {}, "deny"],
    ["by another upstream", policy([rule("deny", { what: { upstreams: ["erp"] } })]), {}, "allow"],
    ["for read-only tools", policy([rule("deny", { what: { readOnly: true } })]), {}, "deny"],
    ["for other than read-only tools", policy([rule("deny", { what: { readOnly: false } })]), {}, "allow"],
    ["condition holds", policy([rule("ask", { when: [over100] })]), { amount: 150 }, "ask"],
    ["condition does not hold", policy([rule("ask", { when: [over100] })]), { amount: 50 }, "allow"],
    ["condition on an argument that is missing", policy([rule("ask", { when: [over100] })]), undefined, "allow"],
    ["a type that does not fit, in a rule that asks", policy([rule("ask", { when: [over100] })]), { amount: "150" }, "deny"],
    ["a type that does not fit, in a rule that allows", policy([rule("allow", { when: [over100] })]), { amount: "150" }, "deny"],
    ["another condition of that rule fails anyway", policy([rule("ask", { when: [over100, { pointer: "/x", op: "exists", value: true }] })]), { amount: "150" }, "allow"],
    ["a broken pointer", policy([rule("allow", { when: [{ pointer: "amount", op: "exists", value: true }] })]), {}, "deny"],
  ])("%s", (_name, rules, args, effect) => {
    expect(decide(rules, { principal, entry: tool, args }).effect).toBe(effect);
  });

  test("says which rule decided", () => {
    expect(decide(policy([rule("allow", { id: "r1" }), rule("ask", { id: "r2" })]), { principal, entry: tool, args: {} })).toEqual({ effect: "ask", rule: "r2", reason: "rule" });
    expect(decide(policy([]), { principal, entry: tool, args: {} })).toEqual({ effect: "allow", rule: null, reason: "default" });
  });

  test.each<[ToolAnnotations, Effect]>([
    [{ readOnlyHint: true }, "allow"],
    [{ readOnlyHint: false }, "deny"],
    [{}, "deny"],
    [{ destructiveHint: false, idempotentHint: true }, "deny"],
  ])("a read-only principal and %j: %s, whatever a rule allows", (annotations, effect) => {
    const decision = decide(policy([rule("allow")]), { principal: { ...principal, readOnly: true }, entry: { ...tool, annotations }, args: {} });
    expect(decision.effect).toBe(effect);
    if (effect === "deny") expect(decision.reason).toBe("read_only");
  });

  test.each<[string[] | undefined, Effect]>([
    [["sales", "all"], "allow"],
    [["all"], "deny"],
    [[], "deny"],
    [undefined, "deny"],
  ])("a principal of the toolset sales and a tool in %j: %s", (toolsets, effect) => {
    const entry: Subject = { name: tool.name, target: tool.target, annotations: tool.annotations, ...(toolsets && { toolsets }) };
    expect(decide(policy([rule("allow")]), { principal: { ...principal, toolset: "sales" }, entry, args: {} }).effect).toBe(effect);
  });

  test("an effect of a later version denies and hides", () => {
    const later: Rule = { ...rule("allow"), effect: JSON.parse('"quarantine"') };
    expect(decide(policy([later]), { principal, entry: tool, args: {} }).effect).toBe("deny");
    expect(visible(policy([later]), principal, tool)).toBe(false);
  });
});


test.each<[string, Policy, boolean]>([
  ["nothing said, default allow", policy([]), true],
  ["nothing said, default deny", policy([], "deny"), false],
  ["denied outright", policy([rule("allow"), rule("deny")]), false],
  ["denied for some arguments", policy([rule("deny", { when: [{ pointer: "/a", op: "equals", value: 1 }] })]), true],
  ["allowed for some arguments only", policy([rule("allow", { when: [{ pointer: "/a", op: "equals", value: 1 }] })], "deny"), true],
  ["asked", policy([rule("ask")], "deny"), true],
  ["another's permission", policy([rule("allow", { who: { roles: ["owner"] } })], "deny"), false],
])("visible: %s", (_name, rules, expected) => {
  expect(visible(rules, principal, tool)).toBe(expected);
});

// --- properties -------------------------------------------------------------------------------------------------

const value = fc.oneof(fc.constantFrom<JsonValue>(null, true, 0, 1, 2, "x", "xy", "", [1], { b: 1 }), fc.constant<JsonValue>({ b: "x" }));
const args = fc.option(fc.dictionary(fc.constantFrom("a", "b"), value), { nil: undefined });
const pointer = fc.constantFrom("/a", "/b", "/a/b", "", "oops");
const matcher = fc.oneof<fc.Arbitrary<Matcher>[]>(
  fc.record({ pointer, op: fc.constant("equals" as const), value: fc.constantFrom(null, true, 1, "x") }),
  fc.record({ pointer, op: fc.constant("in" as const), values: fc.subarray([null, 1, "x"]) }),
  fc.record({ pointer, op: fc.constant("prefix" as const), value: fc.constantFrom("x", "") }),
  fc.record({ pointer, op: fc.constant("range" as const), min: fc.constantFrom(0, 2), max: fc.constantFrom(1, 3) }),
  fc.record({ pointer, op: fc.constant("exists" as const), value: fc.boolean() }),
);
const anyRule: fc.Arbitrary<Rule> = fc.record({
  id: fc.uuid(),
  who: fc.record({ roles: fc.subarray<"runner" | "viewer">(["runner", "viewer"]), principals: fc.subarray(["tok_a", "tok_b"]), scopes: fc.subarray([...SCOPES], { maxLength: 2 }) }),
  what: fc.record({ tools: fc.subarray(["crm_*", "*"]), targets: fc.subarray<Target["kind"]>(["mcp", "agent"]), upstreams: fc.subarray(["crm", "erp"]), readOnly: fc.constantFrom(true, false, null) }),
  when: fc.array(matcher, { maxLength: 2 }),
  effect: fc.constantFrom<Effect>("allow", "deny", "ask"),
});
const anyPolicy = fc.record({ rules: fc.array(anyRule, { maxLength: 5 }), defaultEffect: fc.constantFrom<"allow" | "deny">("allow", "deny") }).map(({ rules, defaultEffect }) => policy(rules, defaultEffect));
const anyPrincipal = fc
  .record({ id: fc.constantFrom("tok_a", "tok_b"), role: fc.constantFrom("runner" as const, "viewer" as const, null), readOnly: fc.boolean(), toolset: fc.constantFrom("sales", "other", null) })
  .map((parts): Principal => ({ ...principal, ...parts }));
const anyTool = fc
  .record({ name: fc.constantFrom("crm_find", "erp_find"), readOnlyHint: fc.boolean(), upstream: fc.constantFrom("up_1", "up_2") })
  .map(({ name, readOnlyHint, upstream }): Subject => ({ ...tool, name, annotations: { readOnlyHint }, target: { kind: "mcp", upstream, name } }));

const STRICT = ["allow", "ask", "deny"];

test("the decision of many rules is the strictest of the decisions of each", () => {
  fc.assert(
    fc.property(anyPolicy, anyPrincipal, anyTool, args, (rules, who, entry, given) => {
      const alone = rules.rules.map((one) => decide({ ...rules, rules: [one] }, { principal: who, entry, args: given }));
      const spoken = alone.filter(({ reason }) => reason !== "default");
      const strictest = spoken.reduce((most, { effect }) => Math.max(most, STRICT.indexOf(effect)), -1);
      const all = decide(rules, { principal: who, entry, args: given });
      if (strictest >= 0) expect(all.effect).toBe(STRICT[strictest]);
      else expect(all.effect).toBe(decide({ ...rules, rules: [] }, { principal: who, entry, args: given }).effect);
    }),
    { numRuns: 3_000 },
  );
});

test("what some arguments get past is visible; what is not visible is denied for all", () => {
  fc.assert(
    fc.property(anyPolicy, anyPrincipal, anyTool, args, (rules, who, entry, given) => {
      const { effect } = decide(rules, { principal: who, entry, args: given });
      if (effect !== "deny") expect(visible(rules, who, entry)).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});

test("principals of one visibility class see the same", () => {
  fc.assert(
    fc.property(anyPolicy, anyPrincipal, anyPrincipal, anyTool, (rules, one, other, entry) => {
      fc.pre(visibilityClass(rules, one) === visibilityClass(rules, other));
      expect(visible(rules, one, entry)).toBe(visible(rules, other, entry));
    }),
    { numRuns: 2_000 },
  );
});
