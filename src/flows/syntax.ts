import type { Expression } from "jsonata";
import type { Limits } from "../model/limits.ts";

/** An expression that the flow language allows, parsed. */
export interface Parsed {
  expression: Expression;
  /** Steps of a path that only hand values on; the path's own result is what gets weighed. */
  passing: WeakSet<object>;
  references: References;
}

export interface References {
  /** Node ids read as `$steps.id`. */
  steps: string[];
  item: boolean;
}

export type Syntax = { ok: true; parsed: Parsed } | { ok: false; message: string };

const ROOTS: ReadonlySet<string> = new Set(["input", "steps", "item", "ctx"]);

/**
 * The functions of JSONata that expressions may name. Left out: `eval` (source from data), `match` (only of use with regular
 * expressions), `parseInteger` (builds one from its picture).
 */
const FUNCTIONS: ReadonlySet<string> = new Set([
  "abs", "append", "assert", "average", "base64decode", "base64encode", "boolean", "ceil", "clone", "contains", "count", "decodeUrl", "decodeUrlComponent",
  "distinct", "each", "encodeUrl", "encodeUrlComponent", "error", "exists", "filter", "floor", "formatBase", "formatInteger", "formatNumber", "fromMillis",
  "join", "keys", "length", "lookup", "lowercase", "map", "max", "merge", "millis", "min", "not", "now", "number", "pad", "power", "random", "reduce",
  "replace", "reverse", "round", "shuffle", "sift", "single", "sort", "split", "spread", "sqrt", "string", "substring", "substringAfter", "substringBefore",
  "sum", "toMillis", "trim", "type", "uppercase", "zip",
]);

/** Kinds of syntax that are allowed; a kind that a later JSONata adds is refused until it is listed. */
const KINDS: ReadonlySet<string> = new Set([
  "apply", "binary", "bind", "block", "condition", "descendant", "filter", "function", "index", "lambda", "name", "number", "parent", "path", "sort", "string",
  "unary", "value", "variable", "wildcard",
]);

const REFUSALS: Readonly<Record<string, string>> = {
  regex: "regular expressions are not available",
  transform: "the transform operator is not available: build the object with { … } or $merge",
  partial: "partial application is not available: write a function",
};

/**
 * Parses an expression and refuses what cannot be bounded while it runs: regular expressions (the host's engine backtracks, and a
 * signature of a function is one too), `$eval`, partial application (a native function that no step is counted for), the transform
 * operator (changes values in place). Names every unknown variable. Never throws.
 */
export async function parse(source: string, limits: Limits): Promise<Syntax> {
  if (source.length > limits.expressionChars) return { ok: false, message: `the expression is longer than ${limits.expressionChars} characters` };
  const { default: jsonata } = await import("jsonata");
  try {
    const expression = jsonata(source, { stack: MAX_DEPTH, sequence: limits.expressionItems });
    const survey = new Survey();
    survey.visit(expression.ast());
    const problem = survey.problem();
    if (problem !== null) return { ok: false, message: problem };
    return { ok: true, parsed: { expression, passing: survey.passing, references: { steps: [...survey.steps], item: survey.variables.has("item") } } };
  } catch (thrown) {
    return { ok: false, message: syntaxMessage(thrown) };
  }
}

/** Nested evaluations. */
const MAX_DEPTH = 2_000;

/** What a walk over the whole syntax tree finds. The tree is JSONata's own and barely typed, so it is read as plain data. */
class Survey {
  readonly passing = new WeakSet<object>();
  readonly steps = new Set<string>();
  readonly variables = new Set<string>();
  readonly #bound = new Set<string>();
  readonly #seen = new Set<object>();
  #refusal: string | null = null;

  visit(value: unknown): void {
    if (typeof value !== "object" || value === null || this.#seen.has(value) || value instanceof RegExp) return;
    this.#seen.add(value);
    if (!Array.isArray(value)) this.#node(value);
    for (const member of Object.values(value)) this.visit(member);
  }

  problem(): string | null {
    if (this.#refusal !== null) return this.#refusal;
    for (const name of this.#bound) if (ROOTS.has(name)) return `$${name} cannot be bound to another value`;
    for (const name of this.variables) {
      const known = name === "" || name === "$" || ROOTS.has(name) || this.#bound.has(name) || FUNCTIONS.has(name);
      if (!known) return name === "eval" ? "$eval is not available" : `$${name} is not a known variable or function`;
    }
    return null;
  }

  #node(node: object): void {
    const type = text(node, "type");
    if (type === null) return;
    if (!KINDS.has(type)) this.#refusal ??= REFUSALS[type] ?? `this syntax (${type}) is not available`;
    if (type === "variable") this.variables.add(text(node, "value") ?? "");
    if (type === "lambda" && "signature" in node && node.signature !== undefined) this.#refusal ??= "a function cannot have a signature: leave out <…>";
    if (type === "lambda" && "arguments" in node) this.#bind(node.arguments);
    if (type === "bind" && "lhs" in node) this.#bind([node.lhs]);
    if (type === "index") this.#add(text(node, "value"));
    this.#add(text(node, "focus"));
    this.#add(text(node, "index"));
    if (type === "path" && "steps" in node && Array.isArray(node.steps)) this.#path(node.steps);
  }

  #path(steps: unknown[]): void {
    const [root, first] = steps.map((step) => (typeof step === "object" && step !== null ? step : {}));
    for (const step of steps.slice(0, -1)) {
      if (typeof step === "object" && step !== null && /^(name|variable)$/.test(text(step, "type") ?? "")) this.passing.add(step);
    }
    if (!root || !first || text(root, "type") !== "variable" || text(root, "value") !== "steps") return;
    const id = text(first, "value");
    if (text(first, "type") === "name" && id !== null) this.steps.add(id);
  }

  #bind(variables: unknown): void {
    if (!Array.isArray(variables)) return;
    for (const one of variables) if (typeof one === "object" && one !== null) this.#add(text(one, "value"));
  }

  #add(name: string | null): void {
    if (name !== null) this.#bound.add(name);
  }
}

function text(node: object, key: string): string | null {
  const value: unknown = Reflect.get(node, key);
  return typeof value === "string" ? value : null;
}

function syntaxMessage(thrown: unknown): string {
  const message = typeof thrown === "object" && thrown !== null ? text(thrown, "message") : null;
  const position: unknown = typeof thrown === "object" && thrown !== null && "position" in thrown ? thrown.position : null;
  return `${message ?? "the expression cannot be parsed"}${typeof position === "number" ? ` (at character ${position})` : ""}`;
}
