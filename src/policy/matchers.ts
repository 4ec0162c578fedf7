import type { Matcher } from "../model/catalog.ts";
import { isObject, type JsonValue } from "../model/json.ts";

/** `misfit`: the argument is of a type the matcher cannot speak about, so nothing may be concluded from it. */
export type Fit = "yes" | "no" | "misfit";

type Found = { at: "value"; value: JsonValue } | { at: "absent" } | { at: "misfit" };

/** Whether one condition holds for the arguments. Total: every matcher and every value gets an answer. Absent arguments are `{}`. */
export function fit(matcher: Matcher, args: JsonValue | undefined): Fit {
  const found = lookUp(matcher.pointer, args ?? {});
  if (found.at === "misfit") return "misfit";
  if (matcher.op === "exists") return yes((found.at === "value") === matcher.value);
  if (found.at === "absent") return "no";
  const { value } = found;
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
  const fits = matchers.map((matcher) => fit(matcher, args));
  if (fits.includes("no")) return "no";
  return fits.includes("misfit") ? "misfit" : "yes";
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
  if (pointer === "") return { at: "value", value: root };
  if (!pointer.startsWith("/") || (pointer.includes("~") && /~(?![01])/.test(pointer))) return { at: "misfit" };
  let value = root;
  for (const step of pointer.slice(1).split("/")) {
    const found = member(value, step.includes("~") ? step.replaceAll("~1", "/").replaceAll("~0", "~") : step);
    if (found.at !== "value") return found;
    value = found.value;
  }
  return { at: "value", value };
}

function member(value: JsonValue, name: string): Found {
  if (Array.isArray(value)) {
    if (!/^(?:0|[1-9]\d*)$/.test(name)) return { at: "misfit" };
    const item = value[Number(name)];
    return item === undefined ? { at: "absent" } : { at: "value", value: item };
  }
  if (!isObject(value)) return { at: "misfit" };
  const item = Object.hasOwn(value, name) ? value[name] : undefined;
  return item === undefined ? { at: "absent" } : { at: "value", value: item };
}

function yes(holds: boolean): Fit {
  return holds ? "yes" : "no";
}
