import fc from "fast-check";
import { expect, test } from "vitest";
import { Expressions, expressionOf, type Scope } from "../src/flows/expression.ts";
import type { GatewayError } from "../src/model/error.ts";
import type { JsonValue } from "../src/model/json.ts";
import { DEFAULT_LIMITS, type Limits } from "../src/model/limits.ts";

const NOW = Date.UTC(2026, 10, 20, 5);
const rows = Array.from({ length: 5_000 }, (_, id) => ({ id, name: `n${id}`, group: id % 3 }));
const scope: Scope = {
  input: { a: 1, list: [3, 1, 2, 1], text: "grüße", large: "x".repeat(1_000_000), tricky: { _jsonata_lambda: true, body: { type: "number", value: 1 } } },
  steps: { query: { rows } },
  item: "the item",
  ctx: { run: { id: "run_1" } },
};

function evaluate(source: string, limits: Partial<Limits> = {}): Promise<JsonValue | undefined> {
  return new Expressions({ ...DEFAULT_LIMITS, ...limits }, () => NOW).evaluate(source, scope);
}

test.each<[string, JsonValue | undefined]>([
  ["$input.a + 1", 2],
  ["$item & '!'", "the item!"],
  ["{ 'run': $ctx.run.id }", { run: "run_1" }],
  ["$input.nothing", undefined],
  ["[$input.nothing, 1]", [1]],
  ["$sort($input.list)", [1, 1, 2, 3]],
  ["$distinct($input.list)", [3, 1, 2]],
  ["$distinct([{'a':1,'b':2},{'b':2,'a':1}])", [{ a: 1, b: 2 }]],
  ["$string($input.list)", "[3,1,2,1]"],
  ["$map($input.list, $string)", ["3", "1", "2", "1"]],
  ["$steps.query.rows[id = 4999].name", "n4999"],
  ["$sum($steps.query.rows.id)", 12_497_500],
  ["$steps.query.rows^(>id)[0].id", 4_999],
  ["$steps.query.rows{ $string(group): $count(id) }", { 0: 1667, 1: 1667, 2: 1666 }],
  ["$filter($steps.query.rows, function($row, $index) { $index < 2 }).name", ["n0", "n1"]],
  ["$now()", "2026-11-20T05:00:00.000Z"],
  ["$now('[Y0001]-[M01]-[D01]')", "2026-11-20"],
  ["$millis()", NOW],
  ["$fromMillis(0, '[D01].[M01].[Y0001]')", "01.01.1970"],
  ["$toMillis('2026-01-01')", Date.UTC(2026, 0, 1)],
  ["$formatNumber(1234.5, '#,##0.00')", "1,234.50"],
  ["$formatInteger(7, '000')", "007"],
  ["$pad('x', -4, 'ab')", "abax"],
  ["$join(['a', 'b'], '-')", "a-b"],
  ["$replace('a.b.c', '.', '->')", "a->b->c"],
  ["$replace('a.b.c', '.', '$0', 1)", "a$0b.c"],
  ["$base64decode($base64encode($input.text))", "grüße"],
  ["{ '__proto__': 1 }", JSON.parse('{"__proto__":1}')],
])("%s", async (source, value) => {
  expect(await evaluate(source)).toEqual(value);
});

test.each<[string, string, string]>([
  ["a loop without end", "($f := function($n) { $f($n + 1) }; $f(0))", "more than 200000 steps"],
  ["an endless loop inside a callback", "$map([1], function($x) { ($f := function() { $f() }; $f()) })", "more than 200000 steps"],
  ["a recursion without end", "($f := function($n) { 1 + $f($n + 1) }; $f(0))", "calls itself too often"],
  ["a sequence of millions", "[1..9999999]", "more than 10000 items"],
  ["a text of five billion characters", "$pad('x', 5000000000)", "4194304 characters"],
  ["joining with a large separator", "$join($map([1..9999], $string), $input.large)", "4194304 characters"],
  ["joining copies made before", "($t := $substring($input.large, 0, 5000); $join($map([1..1000], function() { $t })))", "4194304 characters"],
  ["replacing by large texts", "$replace($input.large, 'x', $input.large)", "4194304 characters"],
  ["doubling a text", "($g := function($v, $n) { $n = 0 ? $v : $g($v & $v, $n - 1) }; $g('ab', 60))", "4194304 characters"],
  ["doubling an object by sharing", "($g := function($v, $n) { $n = 0 ? $v : $g({'a': $v, 'b': $v}, $n - 1) }; $g({'a': 1}, 60))", "4194304 characters"],
  ["comparing lists that share", "($g := function($v, $n) { $n = 0 ? $v : $g([[$v], [$v]], $n - 1) }; $g(1, 40) = $g(1, 40))", "4194304 characters"],
  ["keeping many large texts", "$map([1..100], function($i) { $uppercase($input.large & $i) })", "more than 200000 steps"],
  ["nesting deeper than JSON may", "($g := function($v, $n) { $n = 0 ? $v : $g({'a': $v}, $n - 1) }; $g(1, 100))", "nested deeper than 64"],
  ["an answer larger than a node may give", "$input.large & $input.large", "more than 1048576 characters"],
])("%s is stopped", async (_, source, message) => {
  await expect(evaluate(source)).rejects.toMatchObject({ code: "too_large", message: expect.stringContaining(message) });
});

test.each([
  ["/a+/", "regular expressions are not available"],
  ["$contains($input.text, /^(a+)+$/)", "regular expressions are not available"],
  ["$match('aaa', /a/)", "regular expressions are not available"],
  ["$eval('1')", "$eval is not available"],
  ["($e := $eval; $e('1'))", "$eval is not available"],
  ["'1' ~> $eval", "$eval is not available"],
  ["$map(['1'], $eval)", "$eval is not available"],
  ["$map([1], $contains(?, 'a'))", "partial application"],
  ["(function($a)<a+a+a+a+:n>{ 1 })(1)", "cannot have a signature"],
  ["$input ~> |$|{'a': 2}|", "transform operator"],
  ["($steps := 1)", "$steps cannot be bound"],
  ["$map([1], function($input) { $input })", "$input cannot be bound"],
  ["$parseInteger('12', '#0')", "$parseInteger is not a known"],
  ["$toMillis('2026', '[Y]')", "ISO 8601 only"],
  ["$fromMillis(0, '[Y,9 999 999-*]')", "a number that is too large"],
  ["$formatNumber(1, $pad('0', 200, '0'))", "longer than 128 characters"],
  ["$string({}, true)", "leave out the second argument"],
  ["$inptu.a", "$inptu is not a known"],
  ["1 +", "end of expression"],
  ["function($x) { $x }", "gives a function"],
  ["1".repeat(10_000), "longer than 8192"],
])("%s is refused", async (source, message) => {
  await expect(evaluate(source)).rejects.toMatchObject({ code: "invalid", message: expect.stringContaining(message) });
});

test("each expression has its own fuel, and the run has its own too", async () => {
  const evaluated = async (limits: Partial<Limits>) => {
    const expressions = new Expressions({ ...DEFAULT_LIMITS, ...limits }, () => NOW);
    for (let done = 0; done < 20; done++) {
      const end = await expressions.evaluate("$map([1..100], function($i) { $i * 2 })", scope).catch((thrown: GatewayError) => thrown.data);
      if (!Array.isArray(end)) return { done, end };
    }
    return { done: 20, end: null };
  };
  expect(await evaluated({ flowFuel: 1_000 })).toEqual({ done: 20, end: null });
  expect(await evaluated({ flowFuel: 100 })).toEqual({ done: 0, end: { limit: "flowFuel" } });
  expect(await evaluated({ runFuel: 5_000 })).toEqual({ done: expect.toSatisfy((done: number) => done > 2 && done < 19), end: { limit: "runFuel" } });
});

test("data never changes, and evaluations at the same time do not see each other", async () => {
  const before = JSON.stringify(scope.input);
  const expressions = new Expressions(DEFAULT_LIMITS, () => NOW);
  const items = await Promise.all([1, 2, 3].map((item) => expressions.evaluate("$append($input.list, $item)", { ...scope, item })));
  expect(items).toEqual([1, 2, 3].map((item) => [3, 1, 2, 1, item]));
  expect(JSON.stringify(scope.input)).toBe(before);
});

test("evaluations at the same time do not use up each other's fuel", async () => {
  const expressions = new Expressions({ ...DEFAULT_LIMITS, flowFuel: 1_000 }, () => NOW);
  const all = [1, 2, 3, 4].map(() => expressions.evaluate("$count($map([1..100], function($i) { $i * 2 }))", scope));
  expect(await Promise.all(all)).toEqual([100, 100, 100, 100]);
});

test("data that looks like a function of JSONata is data", async () => {
  expect(await evaluate("$input.tricky")).toEqual({ _jsonata_lambda: true, body: { type: "number", value: 1 } });
  await expect(evaluate("($f := $input.tricky; $f())")).rejects.toMatchObject({ code: "invalid" });
});

test("an error says what the author said and never quotes the run's data", async () => {
  await expect(evaluate("$error('no stock left')")).rejects.toMatchObject({ message: "no stock left" });
  await expect(evaluate("$assert(false, 'must be paid')")).rejects.toMatchObject({ message: "must be paid" });
  const secret = { ...scope, item: "card 4111-1111" };
  const expressions = new Expressions(DEFAULT_LIMITS, () => NOW);
  for (const source of ["$number($item)", "-$item", "$item + 1", "{ $item: 1 }{ 1: 1 }", "$toMillis($item)", "$sum($item)", "[$item, 1]^($)", "$item < 1"]) {
    const message = await expressions.evaluate(source, secret).then(JSON.stringify, (thrown: unknown) => (thrown instanceof Error ? thrown.message : ""));
    expect(message).not.toContain("4111");
  }
});

test("only a text that is one expression from end to end is one", () => {
  expect(expressionOf("{% 1 %}")).toBe("1");
  expect(expressionOf("{%\n $input.a\n%}")).toBe("$input.a");
  expect(expressionOf("a {% 1 %}")).toBeNull();
  expect(expressionOf("{% 1 %} b")).toBeNull();
});

test("any JSON survives a template unless it is an expression", async () => {
  const expressions = new Expressions(DEFAULT_LIMITS, () => NOW);
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (value) => {
      const template: JsonValue = JSON.parse(JSON.stringify(value).replaceAll("{%", "{ %"));
      expect(JSON.stringify(await expressions.resolve(template, scope))).toBe(JSON.stringify(template));
    }),
  );
});

test("in a template, what is not found is left out of objects and null in lists", async () => {
  const expressions = new Expressions(DEFAULT_LIMITS, () => NOW);
  const template = { there: "{% $input.a %}", missing: "{% $input.nothing %}", list: ["{% $input.nothing %}", "plain"] };
  expect(await expressions.resolve(template, scope)).toEqual({ there: 1, list: [null, "plain"] });
});
