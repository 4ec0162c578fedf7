import type { Matcher } from "../model/catalog.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";

/** `misfit`: the argument is of a type the matcher cannot speak about, so nothing may be concluded from it. */
export type Fit = "yes" | "no" | "misfit";

/** What a pointer leads to when it does not lead to a value. */
const ABSENT = Symbol("absent");
const MISFIT = Symbol("misfit");
type Found = JsonValue | typeof ABSENT | typeof MISFIT;

const NONE: JsonObject = Object.freeze({});

/** A matcher whose pointer has been read. */
export interface Condition {
  matcher: Matcher;
  /** From the arguments to the value; null: the pointer is none. */
  steps: readonly string[] | null;
}

export function conditionOf(matcher: Matcher): Condition {
  return { matcher, steps: stepsOf(matcher.pointer) };
}

/** Whether one condition holds for the arguments. Total: every matcher and every value gets an answer. Absent arguments are `{}`. */
export function fit({ matcher, steps }: Condition, args: JsonValue | undefined): Fit {
  const value = steps ? lookUp(steps, args ?? NONE) : MISFIT;
  if (value === MISFIT) return "misfit";
  if (matcher.op === "exists") return yes((value !== ABSENT) === matcher.value);
  if (value === ABSENT) return "no";
  switch (matcher.op) {
    case "equals":
      return equal(matcher.value, value);
    case "in":
      return any(matcher.values.map((wanted) => equal(wanted, value)));
    case "prefix":
      return typeof value === "string" ? yes(value.startsWith(matcher.value)) : "misfit";
    case "range":
      return typeof value === "number" ? yes(value >= (matcher.min ?? -Infinity) && value <= (matcher.max ?? Infinity)) : "misfit";
    default:
      return "misfit";
  }
}

/** All of them together: one `no` settles it; otherwise one misfit spoils it. No conditions: `yes`. */
export function fitAll(conditions: readonly Condition[], args: JsonValue | undefined): Fit {
  let all: Fit = "yes";
  for (const condition of conditions) {
    const one = fit(condition, args);
    if (one === "no") return "no";
    if (one === "misfit") all = "misfit";
  }
  return all;
}

function any(fits: readonly Fit[]): Fit {
  if (fits.includes("yes")) return "yes";
  return fits.includes("no") ? "no" : "misfit";
}

/** Against null every value fits; otherwise the types must agree. Two integers beyond 2^53 cannot be told apart once parsed. */
function equal(wanted: JsonValue, value: JsonValue): Fit {
  if (wanted === null) return yes(value === null);
  if (value === null || typeof wanted !== typeof value || Array.isArray(wanted) !== Array.isArray(value)) return "misfit";
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) return "misfit";
  if (typeof wanted === "object" && typeof value === "object") return yes(same(wanted, value));
  return yes(wanted === value);
}

function same(a: JsonValue, b: JsonValue): boolean {
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, at) => same(item, b[at] ?? null));
  }
  if (!isObject(a) || !isObject(b)) return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key] ?? null, b[key] ?? null));
}

/** Of a JSON Pointer (RFC 6901), escapes resolved; null when the text is none. */
function stepsOf(pointer: string): string[] | null {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) return null;
  return pointer.slice(1).split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** A step into what has no members is a misfit; a member that is not there is absent. */
function lookUp(steps: readonly string[], root: JsonValue): Found {
  let value = root;
  for (const step of steps) {
    const found = member(value, step);
    if (typeof found === "symbol") return found;
    value = found;
  }
  return value;
}

function member(value: JsonValue, name: string): Found {
  if (Array.isArray(value)) {
    if (!/^(?:0|[1-9]\d*)$/.test(name)) return MISFIT;
    const item = value[Number(name)];
    return item === undefined ? ABSENT : item;
  }
  if (!isObject(value)) return MISFIT;
  return Object.hasOwn(value, name) ? (value[name] ?? null) : ABSENT;
}

function yes(holds: boolean): Fit {
  return holds ? "yes" : "no";
}
