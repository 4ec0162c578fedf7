import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { check, type Known } from "../src/flows/check.ts";
import { compile } from "../src/flows/compile.ts";
import { parseDefinition } from "../src/flows/definition.ts";
import type { Problem } from "../src/flows/flow.ts";
import { DEFAULT_LIMITS } from "../src/model/limits.ts";

const known: Known = {
  tools: new Set(["everything_echo"]),
  connections: new Map([
    ["demo", "postgres"],
    ["crm", "bearer"],
  ]),
};

async function problemsOf(value: unknown): Promise<Problem[]> {
  const parsed = parseDefinition(value);
  if (!parsed.ok) return parsed.problems;
  return check(parsed.definition, compile(parsed.definition), known, DEFAULT_LIMITS);
}

/** An agent with these nodes, in YAML's flow style, and nothing else of note. */
function agent(nodes: string, more: object = {}): object {
  return { slug: "an-agent", name: "An agent", description: "Does something.", flow: { nodes: parse(nodes) }, ...more };
}

const examples = readdirSync("examples").filter((file) => file.endsWith(".yaml"));

test("there are examples", () => expect(examples.length).toBeGreaterThanOrEqual(3));

test.each(examples)("examples/%s can be applied as it is", async (file) => {
  expect(await problemsOf(parse(readFileSync(`examples/${file}`, "utf8")))).toEqual([]);
});

test.each<[string, string, string, string | RegExp]>([
  // what is wrong, node, field, message — the nodes are below
  ["an unknown type", "a", "type", "known are sql, http, transform, tool, ask, emit"],
  ["a field that no node has", "a", "foo", "is not a known field"],
  ["a missing field", "a", "query", "is missing"],
  ["a node without an id", "nodes.1", "id", "is missing"],
  ["an id that expressions could not name", "a-b", "id", "letters, digits and underscores"],
  ["a timeout without a unit", "a", "timeout", "with its unit"],
  ["too many tries", "a", "retry.attempts", /10/],
  ["a pointer that is none", "a", "redact.trace.0", "JSON pointer"],
  ["the same id twice", "a", "id", "more than one node"],
  ["a need that is no node", "a", "needs", "there is no node x"],
  ["a circle", "a", "needs", "a → c → b → a"],
  ["a node that needs itself", "a", "needs", "a → a"],
  ["broken syntax", "a", "value", "end of expression"],
  ["broken syntax deep inside", "a", "value.list.1.x", "end of expression"],
  ["a regular expression", "a", "value", "regular expressions are not available"],
  ["$eval", "a", "value", "$eval is not available"],
  ["an unknown function", "a", "value", "$mpa is not a known"],
  ["an expression among other text", "a", "message", "must be the whole text"],
  ["a step that does not exist", "a", "value", "there is no node x"],
  ["a step that is not needed", "b", "value", "does not need a"],
  ["a step that runs later", "a", "when", "does not need b"],
  ["$item outside of forEach", "a", "value", "$item has a value only"],
  ["$item in the items themselves", "a", "forEach.items", "$item has a value only"],
  ["a condition that is no expression", "a", "when", "must be an expression"],
  ["params that are no list", "a", "params", "must be an expression"],
  ["an expression in SQL", "a", "query", "put $1, $2"],
  ["a connection that does not exist", "a", "connection", "there is no connection nowhere"],
  ["a connection of another kind", "a", "connection", "crm is not a database"],
  ["a tool that does not exist", "a", "tool", "the catalog has no tool everything_eco"],
  ["an expression in a URL", "a", "url", "put {name}"],
  ["a value in a URL's host", "a", "url", "in its path only"],
  ["a value in a URL's query", "a", "url", "in its path only"],
  ["a URL that is none", "a", "url", "must be an http(s) URL"],
  ["a value in a URL that path lacks", "a", "url", "path has no id"],
  ["a value in path that the URL lacks", "a", "url", "has no {od} for path.od"],
  ["a question without words", "a", "message", "is missing"],
  ["a question for each item", "a", "forEach", "is not a known field"],
  ["a question that is asked again", "a", "retry", "is not a known field"],
  ["a form with a list of objects", "a", "schema", "properties.x.type: must be a field of type string, number, integer, boolean or array"],
  ["a form that wants what it does not have", "a", "schema", "required: there is no property y"],
  ["a form that is no object", "a", "schema", "must be an expression"],
  ["another way to take a refusal", "a", "onDecline", /fail/],
])("%s: told by node and field", async (what, node, field, message) => {
  const found = await problemsOf(agent(WRONG[what] ?? ""));
  expect(found.filter((problem) => problem.node === node && problem.field === field).map((problem) => problem.message)).toEqual([
    typeof message === "string" ? expect.stringContaining(message) : expect.stringMatching(message),
  ]);
});

const WRONG: Record<string, string> = {
  "an unknown type": "[{id: a, type: loop}]",
  "a field that no node has": "[{id: a, type: transform, value: 1, foo: 2}]",
  "a missing field": "[{id: a, type: sql, connection: demo}]",
  "a node without an id": "[{id: a, type: emit}, {type: emit}]",
  "an id that expressions could not name": "[{id: a-b, type: emit}]",
  "a timeout without a unit": '[{id: a, type: emit, timeout: "5"}]',
  "too many tries": "[{id: a, type: emit, retry: {attempts: 11}}]",
  "a pointer that is none": "[{id: a, type: emit, redact: {trace: [rows]}}]",
  "the same id twice": "[{id: a, type: emit}, {id: a, type: emit}]",
  "a need that is no node": "[{id: a, type: emit, needs: [x]}]",
  "a circle": "[{id: a, type: emit, needs: [c]}, {id: b, type: emit, needs: [a]}, {id: c, type: emit, needs: [b]}]",
  "a node that needs itself": "[{id: a, type: emit, needs: [a]}]",
  "broken syntax": '[{id: a, type: transform, value: "{% 1 + %}"}]',
  "broken syntax deep inside": '[{id: a, type: transform, value: {list: [1, {x: "{% 1 + %}"}]}}]',
  "a regular expression": '[{id: a, type: transform, value: "{% $contains($input.a, /x/) %}"}]',
  $eval: '[{id: a, type: transform, value: "{% $eval($input.a) %}"}]',
  "an unknown function": '[{id: a, type: transform, value: "{% $mpa([1], $string) %}"}]',
  "an expression among other text": '[{id: a, type: emit, message: "Hello {% $input.name %}"}]',
  "a step that does not exist": '[{id: a, type: transform, value: "{% $steps.x.y %}"}]',
  "a step that is not needed": '[{id: a, type: emit}, {id: b, type: transform, value: "{% [1].($steps.a.message) %}"}]',
  "a step that runs later": '[{id: a, type: emit, when: "{% $steps.b = 1 %}"}, {id: b, type: transform, needs: [a], value: 1}]',
  "$item outside of forEach": '[{id: a, type: transform, value: "{% $item %}"}]',
  "$item in the items themselves": '[{id: a, type: transform, forEach: {items: "{% [$item] %}"}, value: 1}]',
  "a condition that is no expression": "[{id: a, type: emit, when: $input.x}]",
  "params that are no list": "[{id: a, type: sql, connection: demo, query: select 1, params: $input.x}]",
  "an expression in SQL": "[{id: a, type: sql, connection: demo, query: \"select '{% $input.x %}'\"}]",
  "a connection that does not exist": "[{id: a, type: sql, connection: nowhere, query: select 1}]",
  "a connection of another kind": "[{id: a, type: sql, connection: crm, query: select 1}]",
  "a tool that does not exist": "[{id: a, type: tool, tool: everything_eco}]",
  "an expression in a URL": '[{id: a, type: http, url: "{% $input.url %}"}]',
  "a value in a URL's host": '[{id: a, type: http, url: "https://{id}.example.com/", path: {id: x}}]',
  "a value in a URL's query": '[{id: a, type: http, url: "https://example.com/?q={id}", path: {id: x}}]',
  "a URL that is none": "[{id: a, type: http, url: example.com/x}]",
  "a value in a URL that path lacks": '[{id: a, type: http, url: "https://example.com/{id}"}]',
  "a question without words": "[{id: a, type: ask}]",
  "a question for each item": "[{id: a, type: ask, message: M, forEach: {items: [1]}}]",
  "a question that is asked again": "[{id: a, type: ask, message: M, retry: {attempts: 2}}]",
  "a form with a list of objects": "[{id: a, type: ask, message: M, schema: {type: object, properties: {x: {type: object}}}}]",
  "a form that wants what it does not have": "[{id: a, type: ask, message: M, schema: {type: object, properties: {x: {type: string}}, required: [y]}}]",
  "a form that is no object": "[{id: a, type: ask, message: M, schema: x}]",
  "another way to take a refusal": "[{id: a, type: ask, message: M, onDecline: retry}]",
  "a value in path that the URL lacks": '[{id: a, type: http, url: "https://example.com/{id}", path: {id: 1, od: 2}}]',
};

test.each<[string, object, string, string]>([
  ["a slug that an upstream's tool could have", { slug: "up_tool" }, "slug", "inner hyphens"],
  ["no description", { description: undefined }, "description", "is missing"],
  ["arguments that are no object", { inputSchema: { type: "array" } }, "inputSchema.type", 'must be "object"'],
  ["a schema that cannot be checked", { inputSchema: { type: "object", $dynamicRef: "#x" } }, "inputSchema", "dynamicRef"],
  ["an output schema that cannot be checked", { outputSchema: { type: "objekt" } }, "outputSchema", "type"],
  ["an annotation that MCP does not have", { annotations: { readonly: true } }, "annotations.readonly", "is not a known field"],
  ["no flow", { flow: undefined }, "flow", "is missing"],
  ["a flow without nodes", { flow: { nodes: [] } }, "flow.nodes", "has no nodes"],
  ["an output that refers to nothing", { flow: { nodes: [{ id: "a", type: "emit" }], output: "{% $steps.b %}" } }, "flow.output", "there is no node b"],
])("%s: told by field", async (_, change, field, message) => {
  const found = await problemsOf(agent("[{id: a, type: emit}]", change));
  expect(found).toContainEqual({ node: null, field, message: expect.stringContaining(message) });
});

test("all problems of a kind are told at once", async () => {
  const found = await problemsOf(agent("[{id: a, type: tool, tool: x}, {id: b, type: sql, connection: y, query: select 1}]"));
  expect(found.map(({ node, field }) => `${node} ${field}`)).toEqual(["a tool", "b connection"]);
});

test("more nodes than a flow may have", async () => {
  const nodes = Array.from({ length: 201 }, (_, index) => ({ id: `n${index}`, type: "emit" }));
  expect(await problemsOf(agent("[]", { flow: { nodes } }))).toEqual([{ node: null, field: "flow.nodes", message: "has 201 nodes; the limit is 200" }]);
});

test("the same definition compiles to the same text, with defaults spelt out", () => {
  const compiled = () => {
    const parsed = parseDefinition(agent("[{id: a, type: sql, connection: demo, query: select 1, timeout: 2s, retry: {attempts: 2}}]"));
    return parsed.ok ? compile(parsed.definition) : null;
  };
  expect(JSON.stringify(compiled())).toBe(JSON.stringify(compiled()));
  expect(compiled()?.nodes[0]).toMatchObject({ connection: "demo", readOnly: true, timeoutMs: 2_000, retry: { attempts: 2, delayMs: 200, backoff: 2 } });
});
