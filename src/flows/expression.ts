import { GatewayError } from "../model/error.ts";
import type { JsonObject, JsonValue } from "../model/json.ts";
import type { Limits } from "../model/limits.ts";
import { Meter } from "./meter.ts";
import { replaceNatives } from "./natives.ts";
import { plain } from "./plain.ts";
import { parse, type Parsed } from "./syntax.ts";

/** What an expression sees: `$input`, `$steps`, `$item` (in a forEach), `$ctx`. */
export interface Scope {
  input: JsonValue;
  /** Outputs of the nodes that have completed, by id. */
  steps: JsonObject;
  item?: JsonValue;
  ctx: JsonObject;
}

/** The source inside `{% … %}` when the whole text is one expression, else null. */
export function expressionOf(text: string): string | null {
  return /^\{%(?<source>[^]*)%\}$/.exec(text)?.groups?.["source"]?.trim() ?? null;
}

/**
 * Evaluates JSONata for one run. Expressions are the workspace's, not ours, so each is bounded by steps, sizes and depth, has no
 * regular expressions and no `$eval`, and cannot change what it reads; see `syntax.ts`, `meter.ts` and `natives.ts`.
 */
export class Expressions {
  readonly #limits: Limits;
  readonly #now: () => number;
  readonly #meter: Meter;
  /** By source; at most one for each expression of the flow. */
  readonly #parsed = new Map<string, Parsed>();
  /** One at a time: they only compute, and the meter is shared. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(limits: Limits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#meter = new Meter({ fuel: limits.flowFuel, runFuel: limits.runFuel, valueChars: limits.expressionValueBytes });
  }

  /**
   * The value as JSON, or undefined where the expression finds nothing.
   * Errors: `invalid` (syntax, types, `$error`), `too_large` (steps, sizes, depth).
   */
  evaluate(source: string, scope: Scope): Promise<JsonValue | undefined> {
    const turn = this.#turn.then(() => this.#evaluate(source, scope));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** A definition's value with every expression in it evaluated. A member whose expression finds nothing is left out; in a list it is null. */
  async resolve(template: JsonValue, scope: Scope): Promise<JsonValue | undefined> {
    if (typeof template === "string") {
      const source = expressionOf(template);
      return source === null ? template : this.evaluate(source, scope);
    }
    if (typeof template !== "object" || template === null) return template;
    if (Array.isArray(template)) {
      const items: JsonValue[] = [];
      for (const item of template) items.push((await this.resolve(item, scope)) ?? null);
      return items;
    }
    return this.resolveObject(template, scope);
  }

  async resolveObject(template: JsonObject, scope: Scope): Promise<JsonObject> {
    const members: [string, JsonValue][] = [];
    for (const [key, member] of Object.entries(template)) {
      const value = await this.resolve(member, scope);
      if (value !== undefined) members.push([key, value]);
    }
    return Object.fromEntries(members);
  }

  async #evaluate(source: string, scope: Scope): Promise<JsonValue | undefined> {
    const { expression } = this.#parsed.get(source) ?? (await this.#prepare(source));
    this.#meter.refill();
    try {
      const value: unknown = await expression.evaluate(undefined, { ...scope });
      return plain(value, this.#limits.nodeOutputBytes, this.#limits.jsonDepth);
    } catch (thrown) {
      throw evaluationError(thrown, source, this.#limits);
    }
  }

  async #prepare(source: string): Promise<Parsed> {
    const syntax = await parse(source, this.#limits);
    if (!syntax.ok) throw new GatewayError("invalid", `the expression cannot be used: ${syntax.message}`);
    const { expression, passing } = syntax.parsed;
    const { default: jsonata } = await import("jsonata");
    replaceNatives(expression, jsonata, this.#meter, this.#now);
    bind(expression, "jsonata.__evaluate_entry", () => this.#meter.step());
    bind(expression, "jsonata.__evaluate_exit", (node: object, _input: unknown, _environment: unknown, result: unknown) => {
      if (!passing.has(node)) this.#meter.weigh(result);
    });
    this.#parsed.set(source, syntax.parsed);
    return syntax.parsed;
  }
}

/** JSONata's hooks are bound to symbols, which its typings leave out. */
function bind(expression: Parsed["expression"], hook: string, value: unknown): void {
  Reflect.apply(expression.assign, expression, [Symbol.for(hook), value]);
}

/** JSONata's message without the values it quotes: they are the run's data, and a message may travel further. */
function evaluationError(thrown: unknown, source: string, limits: Limits): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const { code, message, position, token, value, value2 } = factsOf(thrown);
  if (code === "D2015") return tooLarge(`the expression makes a list of more than ${limits.expressionItems} items`, { limit: "expressionItems" });
  if (code === "D1011") return tooLarge("the expression calls itself too often", {});
  const foreign = typeof token === "string" && !source.includes(token);
  if (typeof message !== "string" || typeof code !== "string" || foreign) return new GatewayError("invalid", "the expression failed", { cause: thrown });
  // $error and $assert speak in the author's own words.
  if (code === "D3137" || code === "D3141") return new GatewayError("invalid", clip(message), { cause: thrown });
  const bare = [value, value2].reduce<string>((text, quoted) => (quoted === undefined ? text : text.replace(quote(quoted), "…")), message);
  const where = typeof position === "number" ? ` (at character ${position})` : "";
  return new GatewayError("invalid", `${clip(bare)}${where}`, { cause: thrown });
}

function tooLarge(message: string, data: JsonObject): GatewayError {
  return new GatewayError("too_large", message, { data });
}

/** As JSONata wrote it into its message; a function, which it cannot write, was not quoted. */
function quote(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "";
  }
}

function factsOf(thrown: unknown): Record<string, unknown> {
  return typeof thrown === "object" && thrown !== null ? { ...thrown, ...("message" in thrown ? { message: thrown.message } : {}) } : {};
}

function clip(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}
