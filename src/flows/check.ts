import { compileSchema } from "../lib/jsonschema.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";
import type { DefinedNode, Definition } from "./definition.ts";
import { expressionOf } from "./expression.ts";
import type { Flow, FlowNode, Problem } from "./flow.ts";
import { formProblems } from "./question.ts";
import { parse } from "./syntax.ts";

/** What a definition may refer to in its workspace. */
export interface Known {
  /** Names of the published catalog's tools. */
  tools: ReadonlySet<string>;
  /** Kinds of the connections, by name. */
  connections: ReadonlyMap<string, string>;
}

/**
 * Everything about a definition that its shape does not show: ids, cycles, expressions and what they refer to, tools, connections, URLs,
 * schemas. `flow` is the definition compiled. Types of what flows between nodes are not checked.
 */
export async function check(definition: Definition, flow: Flow, known: Known, limits: Limits): Promise<Problem[]> {
  const { nodes } = flow;
  if (nodes.length > limits.flowNodes) return [{ node: null, field: "flow.nodes", message: `has ${nodes.length} nodes; the limit is ${limits.flowNodes}` }];
  const problems = [...schemaProblems(definition), ...idProblems(nodes), ...needProblems(nodes)];
  definition.flow.nodes.forEach((node) => problems.push(...fixedProblems(node, known)));
  if (problems.length > 0) return problems;
  const expressions = [...nodes.flatMap(expressionsOf), ...valueExpressions(null, "flow.output", flow.output?.value ?? null, false)];
  for (const expression of expressions) problems.push(...(await expressionProblems(expression, nodes, limits)));
  return problems;
}

function schemaProblems({ inputSchema, outputSchema }: Definition): Problem[] {
  const problems: Problem[] = [];
  if (inputSchema["type"] !== "object") problems.push({ node: null, field: "inputSchema.type", message: 'must be "object": arguments of a tool are an object' });
  for (const [field, schema] of [["inputSchema", inputSchema], ["outputSchema", outputSchema]] as const) {
    const compiled = schema && compileSchema(schema);
    if (compiled && !compiled.ok) problems.push({ node: null, field, message: compiled.reason });
  }
  return problems;
}

function idProblems(nodes: FlowNode[]): Problem[] {
  const repeated = nodes.filter(({ id }, index) => nodes.findIndex((node) => node.id === id) !== index);
  return repeated.map(({ id }) => ({ node: id, field: "id", message: "is the id of more than one node" }));
}

function needProblems(nodes: FlowNode[]): Problem[] {
  const ids = new Set(nodes.map(({ id }) => id));
  const unknown = nodes.flatMap((node) =>
    node.needs.filter((need) => !ids.has(need)).map((need) => ({ node: node.id, field: "needs", message: `there is no node ${need}` })),
  );
  if (unknown.length > 0) return unknown;
  const cycle = cycleOf(nodes);
  return cycle.length === 0 ? [] : [{ node: cycle[0] ?? null, field: "needs", message: `the nodes need each other in a circle: ${cycle.join(" → ")}` }];
}

/** The ids of one circle, the first again at its end; empty when there is none. */
function cycleOf(nodes: FlowNode[]): string[] {
  const needs = new Map(nodes.map((node) => [node.id, node.needs]));
  const cleared = new Set<string>();
  const follow = (id: string, path: string[]): string[] => {
    if (path.includes(id)) return [...path.slice(path.indexOf(id)), id];
    if (cleared.has(id)) return [];
    for (const need of needs.get(id) ?? []) {
      const cycle = follow(need, [...path, id]);
      if (cycle.length > 0) return cycle;
    }
    cleared.add(id);
    return [];
  };
  return nodes.map(({ id }) => follow(id, [])).find((cycle) => cycle.length > 0) ?? [];
}

/** Fields that are fixed when the agent is saved: what a caller says must not decide what is run and where. */
function fixedProblems(node: DefinedNode, known: Known): Problem[] {
  const problem = (field: string, message: string): Problem => ({ node: node.id, field, message });
  return [...computedFields(node).map((field) => problem(field, "must be an expression from {% to %}")), ...workProblems(node, known, problem)];
}

/** Fields in which a text can only be an expression, and is none. */
function computedFields(node: DefinedNode): string[] {
  const fields: [string, unknown][] = [["when", node.when]];
  if (node.type !== "ask") fields.push(["forEach.items", node.forEach?.items]);
  if (node.type === "sql") fields.push(["params", node.params]);
  if (node.type === "http") fields.push(["query", node.query]);
  if (node.type === "tool") fields.push(["arguments", node.arguments]);
  if (node.type === "ask") fields.push(["schema", node.schema]);
  if (node.type === "emit") fields.push(["progress", node.progress], ["total", node.total]);
  return fields.filter(([, value]) => typeof value === "string" && expressionOf(value) === null).map(([field]) => field);
}

function workProblems(node: DefinedNode, known: Known, problem: (field: string, message: string) => Problem): Problem[] {
  if (node.type === "sql") {
    const kind = known.connections.get(node.connection);
    const connection = kind === "postgres" ? [] : [problem("connection", kind === undefined ? `there is no connection ${node.connection}` : `${node.connection} is not a database`)];
    return node.query.includes("{%") ? [...connection, problem("query", "takes no expressions: put $1, $2, … where values go and the values in params")] : connection;
  }
  if (node.type === "tool") return known.tools.has(node.tool) ? [] : [problem("tool", `the catalog has no tool ${node.tool}`)];
  if (node.type === "ask") return isFixed(node.schema) ? formProblems(node.schema).map((message) => problem("schema", message)) : [];
  if (node.type !== "http") return [];
  const connection = node.connection === undefined || known.connections.has(node.connection) ? [] : [problem("connection", `there is no connection ${node.connection}`)];
  return [...connection, ...urlProblems(node.url, Object.keys(node.path ?? {})).map((message) => problem("url", message))];
}

/** A form without expressions can be looked at before it is shown. */
function isFixed(schema: JsonValue | undefined): schema is JsonObject {
  return isObject(schema) && valueExpressions(null, "", schema, false).length === 0;
}

function urlProblems(url: string, given: string[]): string[] {
  if (url.includes("{%")) return ["takes no expressions: put {name} where a value goes and the value in path"];
  const parts = /^https?:\/\/(?<host>[^/?#{}]+)(?<path>[^?#]*)(?<query>\?[^#{}]*)?$/.exec(url)?.groups;
  if (!parts || !URL.canParse(url.replace(/[{}]/g, ""))) return ["must be an http(s) URL; {name} can stand in its path only, and it has no fragment"];
  const named = [...(parts["path"] ?? "").matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const missing = named.filter((name) => !given.includes(name)).map((name) => `has {${name}}, but path has no ${name}`);
  return [...missing, ...given.filter((name) => !named.includes(name)).map((name) => `has no {${name}} for path.${name}`)];
}

interface Placed {
  node: FlowNode | null;
  field: string;
  source: string;
  /** `$item` has a value here. */
  item: boolean;
}

function expressionsOf(node: FlowNode): Placed[] {
  const whens = node.when === null ? [] : [{ node, field: "when", source: node.when, item: false }];
  return [...whens, ...valueExpressions(node, "forEach.items", node.forEach?.items ?? null, false), ...valueExpressions(node, "", node.input, node.forEach !== null)];
}

/** The expressions in a value; a text that holds one among other characters is kept whole, and does not parse. */
function valueExpressions(node: FlowNode | null, field: string, value: JsonValue, item: boolean): Placed[] {
  if (typeof value === "string") return value.includes("{%") ? [{ node, field, source: expressionOf(value) ?? value, item }] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => valueExpressions(node, field === "" ? key : `${field}.${key}`, member, item));
}

async function expressionProblems({ node, field, source, item }: Placed, nodes: FlowNode[], limits: Limits): Promise<Problem[]> {
  const problem = (message: string): Problem => ({ node: node?.id ?? null, field, message });
  if (source.includes("{%")) return [problem("an expression must be the whole text, from {% to %}; join texts with & inside it")];
  const syntax = await parse(source, limits);
  if (!syntax.ok) return [problem(syntax.message)];
  const { steps, item: usesItem } = syntax.parsed.references;
  const before = node === null ? new Set(nodes.map(({ id }) => id)) : ancestors(node, nodes);
  const problems = steps.filter((id) => !before.has(id)).map((id) => {
    return problem(nodes.some((other) => other.id === id) ? `refers to $steps.${id}, but the node does not need ${id}` : `refers to $steps.${id}, and there is no node ${id}`);
  });
  return usesItem && !item ? [...problems, problem("$item has a value only in the fields of a node with forEach")] : problems;
}

/** Every node that has ended when this one starts. */
function ancestors(node: FlowNode, nodes: FlowNode[]): Set<string> {
  const found = new Set<string>();
  const queue = [...node.needs];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    queue.push(...(nodes.find((other) => other.id === id)?.needs ?? []));
  }
  return found;
}
