import type { JsonObject, JsonValue } from "../model/json.ts";

/** Reads one value from Postgres' text form. */
export type Parser = (text: string) => unknown;

const BOOL = 16;
const INT8 = 20;
const TIMESTAMPTZ = 1184;
const SMALL_NUMBERS: ReadonlySet<number> = new Set([21, 23, 26]);
const FLOATS: ReadonlySet<number> = new Set([700, 701]);
const JSONS: ReadonlySet<number> = new Set([114, 3802]);

/** Array types by OID, with the OID of their elements (pg_type.typelem). */
const ELEMENTS: ReadonlyMap<number, number> = new Map([
  [1000, BOOL], [1005, 21], [1007, 23], [1028, 26], [1016, INT8], [1021, 700], [1022, 701], [1231, 1700], [1009, 25], [1015, 1043], [1002, 18], [1003, 19],
  [1014, 1042], [1185, TIMESTAMPTZ], [1115, 1114], [1182, 1082], [1183, 1083], [1270, 1266], [1187, 1186], [2951, 2950], [199, 114], [3807, 3802], [1041, 869], [651, 650],
]);

/** For our own tables: int8 as number, timestamptz as Date; date, numeric and the rest as text, so that no time zone and no rounding gets in. */
export function rowParser(oid: number): Parser {
  if (oid === INT8) return Number;
  if (oid === TIMESTAMPTZ) return (text) => new Date(isoTime(text));
  return common(oid, rowParser);
}

/** For a workspace's own database: JSON values only, nothing rounded. */
export function jsonParser(oid: number): Parser {
  if (oid === TIMESTAMPTZ) return isoTime;
  return common(oid, jsonParser);
}

function common(oid: number, parserOf: (oid: number) => Parser): Parser {
  const element = ELEMENTS.get(oid);
  if (element !== undefined) return (text) => array(text, parserOf(element));
  if (oid === BOOL) return (text) => text === "t";
  if (SMALL_NUMBERS.has(oid)) return Number;
  if (FLOATS.has(oid)) return float;
  if (JSONS.has(oid)) return (text) => JSON.parse(text);
  return (text) => text;
}

/** `{a,"b \\" c",NULL,{d}}`, behind its bounds (`[0:1]=`) where they are not the usual ones. The text is Postgres' own, so it is well formed. */
function array(text: string, element: Parser): unknown[] {
  const stack: unknown[][] = [[]];
  for (const [token, quoted] of text.slice(text.indexOf("{")).matchAll(/"((?:[^"\\]|\\.)*)"|[{}]|[^{},]+/gs)) {
    if (token === "{") stack.push([]);
    else if (token === "}") {
      const closed = stack.pop();
      stack.at(-1)?.push(closed);
    } else if (quoted !== undefined) stack.at(-1)?.push(element(quoted.replace(/\\(.)/gs, "$1")));
    else stack.at(-1)?.push(token === "NULL" ? null : element(token));
  }
  const [whole] = stack[0] ?? [];
  return Array.isArray(whole) ? whole : [];
}

/** JSON has no NaN and no infinities: they stay text. */
function float(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

/** `2026-11-20 05:00:00.123456+00` → `2026-11-20T05:00:00.123456+00:00`; what RFC 3339 cannot say (infinity, years BC) stays as it is. */
function isoTime(text: string): string {
  const found = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(?::(\d\d))?$/.exec(text);
  return found ? `${found[1]}T${found[2]}${found[3]}:${found[4] ?? "00"}` : text;
}

/** A row read with `jsonParser` is a JSON object; this tells the compiler, value by value. */
export function jsonRow(row: Record<string, unknown>): JsonObject {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, isJson(value) ? value : String(value)]));
}

function isJson(value: unknown): value is JsonValue {
  return value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean" || typeof value === "object";
}
