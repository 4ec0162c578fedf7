import type { Matcher } from "../model/catalog.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";

/** `misfit`: the argument is of a type the matcher cannot speak about, so nothing may be concluded from it. */
export type Fit = "yes" | "no" | "misfit";

/** What a pointer leads to when it does not lead to a value. */
const ABSENT = Symbol("absent");
const MISFIT = Symbol("misfit");
type Found = JsonValue | typeof ABSENT | typeof MISFIT;

const NONE: JsonObject = Object.freeze({});

/** Whether one condition holds for the arguments. Total: every matcher and every value gets an answer. Absent arguments are `{}`. */
export function fit(matcher: Matcher, args: JsonValue | undefined): Fit {
  const value = lookUp(matcher.pointer, args ?? NONE);
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
export function fitAll(matchers: readonly Matcher[], args: JsonValue | undefined): Fit {
  let all: Fit = "yes";
  for (const matcher of matchers) {
    const one = fit(matcher, args);
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

/** RFC 6901. A step into what has no members, and a pointer that is none, are misfits; a member that is not there is absent. */
function lookUp(pointer: string, root: JsonValue): Found {
  if (pointer === "") return root;
  if (!pointer.startsWith("/") || (pointer.includes("~") && /~(?![01])/.test(pointer))) return MISFIT;
  let value = root;
  for (let at = 0; at >= 0; ) {
    const next = pointer.indexOf("/", at + 1);
    const step = pointer.slice(at + 1, next < 0 ? undefined : next);
    const found = member(value, step.includes("~") ? step.replaceAll("~1", "/").replaceAll("~0", "~") : step);
    if (typeof found === "symbol") return found;
    value = found;
    at = next;
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
