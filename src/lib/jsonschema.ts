import { dereference, format, validate, type OutputUnit, type Schema } from "@cfworker/json-schema";
import { GatewayError } from "../model/error.ts";
import type { JsonValue } from "../model/json.ts";
import { automatonOf, matches } from "./automaton.ts";
import { flatSchema } from "./flatschema.ts";
import { parseRegex } from "./regex.ts";
import { cleanSchema, draftOf, LINEAR, type Clean } from "./schema.ts";
import { problemsOf } from "./schemaproblem.ts";

/** A compiled schema. */
export interface SchemaCheck {
  /** What is wrong with a value, at most ten short sentences that name the place; none: it fits. */
  problems(value: JsonValue): string[];
}

export type Compiled = { ok: true; check: SchemaCheck } | { ok: false; reason: string };

const MAX_CHARS = 256 * 1024;
/** References followed in one check: bounds schemas that double their work at every step. */
const MAX_REFERENCES = 20_000;
/** Schemas applied to the same value one inside the other. */
const MAX_CHAIN = 64;

/**
 * The validator's own table of formats is where `pattern` comes to a linear-time engine. All formats of a schema were taken out
 * (in 2020-12 they only describe), so these names can come from `cleanSchema` alone.
 */
Object.setPrototypeOf(format, new Proxy(Object.create(null), { get: (_none, name) => (typeof name === "string" && name.startsWith(LINEAR) ? linear(name.slice(LINEAR.length)) : undefined) }));

function linear(source: string): (text: string) => boolean {
  return (text) => {
    const parsed = parseRegex(source);
    const automaton = parsed.ok ? automatonOf(parsed.tree) : null;
    const found = automaton && matches(automaton, text);
    if (typeof found === "boolean") return found;
    throw new GatewayError("too_large", "is too long to be matched with its pattern");
  };
}

/**
 * Compiles a JSON Schema (2020-12; 2019-09, drafts 7, 6 and 4 by `$schema`). `format` is not asserted.
 * Refused, with a reason that names the place: `$dynamicRef`, references that leave the schema or loop without reading anything,
 * unknown dialects, malformed keywords, patterns without a linear-time form, more than 256 Ki characters, 5,000 subschemas or a depth of 32.
 */
export function compileSchema(schema: JsonValue): Compiled {
  try {
    if (JSON.stringify(schema).length > MAX_CHARS) return { ok: false, reason: `is longer than ${MAX_CHARS} characters` };
    const draft = draftOf(schema);
    const clean = cleanSchema(schema);
    const lookup = lookupOf(clean);
    checkReferences(clean, lookup);
    const isFit = flatSchema(schema);
    return {
      ok: true,
      check: {
        problems(value) {
          if (isFit?.(value)) return [];
          const run = (short: boolean) => validate(value, clean, draft, counted(lookup), short);
          return found(() => (run(true).valid ? [] : run(false).errors));
        },
      },
    };
  } catch (thrown) {
    if (thrown instanceof GatewayError) return { ok: false, reason: thrown.message };
    return { ok: false, reason: "cannot be compiled" };
  }
}

/** The validator ends by exceptions where fuel, stack or a character class gives out: then the value counts as unchecked, which is a problem. */
function found(run: () => OutputUnit[]): string[] {
  try {
    const errors = run();
    return errors.length === 0 ? [] : problemsOf(errors);
  } catch (thrown) {
    const reason = thrown instanceof GatewayError ? thrown.message : "cannot be checked against this schema: it is too complex";
    return [`a value ${reason}`];
  }
}

type Lookup = Record<string, Schema | boolean>;

function lookupOf(clean: Clean): Lookup {
  try {
    return dereference(clean);
  } catch (cause) {
    throw new GatewayError("invalid", "has $id or $ref values that are no URIs or name two schemas", { cause });
  }
}

function counted(lookup: Lookup): Lookup {
  let left = MAX_REFERENCES;
  return new Proxy(lookup, {
    get(target, key) {
      if (--left < 0) throw new GatewayError("too_large", "needs too many steps to be checked against this schema");
      return typeof key === "string" ? target[key] : undefined;
    },
  });
}

/** Every `$ref` leads to a place in this schema, and none leads back to itself before a part of the value was read. */
function checkReferences(root: Clean, lookup: Lookup): void {
  const heights = new Map<object, number>();
  const height = (schema: unknown): number => {
    if (typeof schema !== "object" || schema === null) return 0;
    const known = heights.get(schema);
    if (known === Infinity) throw new GatewayError("invalid", "has a $ref that leads back to itself");
    if (known !== undefined) return known;
    heights.set(schema, Infinity);
    const own = 1 + Math.max(0, ...sameValue(schema, lookup).map(height));
    heights.set(schema, own);
    if (own > MAX_CHAIN) throw new GatewayError("invalid", `applies more than ${MAX_CHAIN} schemas one inside the other`);
    return own;
  };
  for (const schema of [root, ...Object.values(lookup)]) height(schema);
}

/** The schemas that a schema applies to the very value it is given. */
function sameValue(schema: Schema, lookup: Lookup): unknown[] {
  const { $ref, anyOf = [], allOf = [], oneOf = [], not, if: condition, then, else: otherwise, dependentSchemas = {}, dependencies = {} } = schema;
  const parts: unknown[] = [...anyOf, ...allOf, ...oneOf, not, condition, then, otherwise, ...Object.values(dependentSchemas), ...Object.values(dependencies)];
  if ($ref !== undefined) {
    const target = lookup[schema.__absolute_ref__ ?? $ref];
    if (target === undefined) throw new GatewayError("invalid", `has a $ref that leads out of the schema: ${JSON.stringify($ref).slice(0, 200)}`);
    parts.push(target);
  }
  return parts.filter((part) => !Array.isArray(part));
}
