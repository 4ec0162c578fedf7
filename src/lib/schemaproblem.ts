import type { OutputUnit } from "@cfworker/json-schema";

const MAX_PROBLEMS = 10;
const MAX_CHARS = 300;

/** Keywords whose error only says that the errors after it lie further down. */
const WRAPPERS: ReadonlySet<string> = new Set([
  "properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames", "dependentSchemas",
  "items", "prefixItems", "additionalItems", "unevaluatedItems", "$ref", "allOf", "if",
]);
/** Keywords that one part of the schema is enough for: what is wrong with each is told in one sentence. */
const ALTERNATIVES: ReadonlySet<string> = new Set(["anyOf", "oneOf", "contains"]);

/** Errors of the validator as sentences for whoever has to mend the value: the place as a JSON pointer, then what is expected there. */
export function problemsOf(errors: readonly OutputUnit[]): string[] {
  const alternatives = errors.filter((error) => ALTERNATIVES.has(error.keyword));
  const outer = errors.filter((error) => !alternatives.some((other) => isUnder(error, other)));
  const leaves = outer.filter((error) => !WRAPPERS.has(error.keyword));
  const problems = new Set(leaves.map((error) => (ALTERNATIVES.has(error.keyword) ? alternative(error, errors) : sentence(error))));
  const listed = [...problems].slice(0, MAX_PROBLEMS);
  return problems.size > MAX_PROBLEMS ? [...listed, `and ${problems.size - MAX_PROBLEMS} more`] : listed;
}

function isUnder(error: OutputUnit, other: OutputUnit): boolean {
  return error !== other && error.keywordLocation.startsWith(`${other.keywordLocation}/`) && error.instanceLocation.startsWith(other.instanceLocation);
}

function alternative(error: OutputUnit, errors: readonly OutputUnit[]): string {
  if (error.keyword === "contains") return sentence(error);
  const several = /\((\d+) matches\)/.exec(error.error)?.[1];
  if (several !== undefined && several !== "0") return `${placeOf(error)}: fits ${several} of the alternatives of oneOf; it must fit exactly one`;
  const inside = errors.filter((other) => isUnder(other, error) && !WRAPPERS.has(other.keyword) && !ALTERNATIVES.has(other.keyword));
  const reasons = [...new Set(inside.map((other) => (placeOf(other) === placeOf(error) ? expected(other) : sentence(other))))];
  const shown = reasons.slice(0, 4).join("; or ");
  return clip(`${placeOf(error)}: fits none of the alternatives${shown && `: ${shown}`}`);
}

function sentence(error: OutputUnit): string {
  return clip(`${placeOf(error)}: ${expected(error)}`);
}

/** The value's place as a JSON pointer (RFC 6901); a missing or surplus property is named itself. */
function placeOf(error: OutputUnit): string {
  const place = decode(error.instanceLocation.slice(1));
  const missing = /required property "(.*)"\.$/s.exec(error.error)?.[1];
  if (error.keyword === "required" && missing !== undefined) return `${place}/${missing}`;
  const named = error.keywordLocation.includes("/propertyNames/") ? "the name of " : "";
  return `${named}${place || "the value"}`;
}

function decode(pointer: string): string {
  try {
    return decodeURIComponent(pointer);
  } catch {
    return pointer;
  }
}

function expected(error: OutputUnit): string {
  switch (error.keyword) {
    case "required":
      return "is required";
    case "type": {
      const [actual = "", ...wanted] = [...error.error.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "");
      return `must be ${wanted.join(" or ")}, not ${actual}`;
    }
    case "enum":
      if (error.error.endsWith("any of [].")) return "is not allowed here";
      return `must be one of ${error.error.replace(/^Instance does not match any of \[?/, "").replace(/\]?\.$/, "")}`;
    case "const":
      return `must be ${error.error.replace(/^Instance does not match /, "").replace(/\.$/, "")}`;
    case "format":
    case "pattern":
      return "does not match the pattern of the schema";
    case "not":
      return "must not fit the schema under `not`";
    default:
      return lower(error.error.replace(/\s+/g, " ").replace(/\.$/, ""));
  }
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function clip(text: string): string {
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
}
