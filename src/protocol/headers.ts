import type { Call } from "../model/call.ts";
import type { HeaderParam } from "../model/catalog.ts";
import { GatewayError } from "../model/error.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";
import { HEADER_MISMATCH } from "./jsonrpc.ts";

const PREFIX = "=?base64?";
const SUFFIX = "?=";
/** RFC 4648 section 4 with its padding. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Most names: visible characters with spaces between them, and not the start of an encoding. */
const SIMPLE = /^[\x21-\x3c\x3e-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
/** What may stand in a field value as it is (RFC 9110 section 5.5). */
const PLAIN = /^[\t\x20-\x7e]*$/;
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** `Mcp-Name` or `Mcp-Param-*` as received → the text it stands for; not ok when its encoding is not exactly what a sender writes. */
export function decodeHeaderValue(raw: string): { ok: true; value: string } | { ok: false } {
  if (SIMPLE.test(raw)) return { ok: true, value: raw };
  const value = raw.replace(/^[ \t]+|[ \t]+$/g, "");
  if (!PLAIN.test(value)) return { ok: false };
  if (!isEncoded(value)) return { ok: true, value };
  const base64 = value.slice(PREFIX.length, -SUFFIX.length);
  if (!BASE64.test(base64)) return { ok: false };
  const binary = atob(base64);
  if (btoa(binary) !== base64) return { ok: false };
  try {
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return { ok: true, value: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { ok: false };
  }
}

/** Text → what to send: as it is where a field value can hold it, else `=?base64?…?=` of its UTF-8. */
export function encodeHeaderValue(value: string): string {
  const plain = value !== "" && PLAIN.test(value) && !/^[ \t]|[ \t]$/.test(value);
  if (plain && !(value.startsWith(PREFIX) && value.endsWith(SUFFIX))) return value;
  let binary = "";
  for (const byte of new TextEncoder().encode(value)) binary += String.fromCharCode(byte);
  return PREFIX + btoa(binary) + SUFFIX;
}

/**
 * Holds the `Mcp-Param-*` headers of a call against its arguments. Throws -32020 when one is missing although the argument
 * has a value, differs from it, or is badly encoded. Headers that the tool does not declare are not looked at; a client
 * without such headers (legacy) is not checked.
 */
export function checkHeaderParams(call: Call, params: readonly HeaderParam[]): void {
  if (!call.headerParam) return;
  for (const { header, path } of params) {
    const raw = call.headerParam(header);
    const value = valueAt(call.params.arguments, path);
    if (raw === null && !hasHeaderForm(value)) continue;
    if (raw === null) throw mismatch(`the header Mcp-Param-${header} is missing although the argument ${path.join(".")} has a value`);
    const decoded = decodeHeaderValue(raw);
    if (!decoded.ok) throw mismatch(`the header Mcp-Param-${header} is not correctly encoded`);
    if (!sameValue(decoded.value, value)) throw mismatch(`the header Mcp-Param-${header} differs from the argument ${path.join(".")}`);
  }
}

/**
 * The `x-mcp-header` annotations of a tool's input schema, or the reason why they make the tool invalid (MCP 2026-07-28,
 * streamable HTTP, custom headers): an RFC 9110 token, unique without regard to case, on a string, integer or boolean that is
 * reached from the root through `properties` alone.
 */
export function headerParamsOf(inputSchema: JsonObject): { ok: true; params: HeaderParam[] } | { ok: false; reason: string } {
  const params: HeaderParam[] = [];
  const reason = visit(inputSchema, [], true, params);
  return reason === null ? { ok: true, params } : { ok: false, reason };
}

function isEncoded(value: string): boolean {
  return value.length >= PREFIX.length + SUFFIX.length && value.startsWith(PREFIX) && value.endsWith(SUFFIX);
}

function mismatch(message: string): GatewayError {
  return new GatewayError("invalid", message, { wire: { rpc: HEADER_MISMATCH, http: 400 } });
}

function valueAt(root: JsonValue | undefined, path: readonly string[]): JsonValue | undefined {
  let value = root;
  for (const name of path) value = isObject(value) ? value[name] : undefined;
  return value;
}

/** Integers beyond 2^53 have none: a receiver could not compare them. What has the wrong type is left to argument validation. */
function hasHeaderForm(value: JsonValue | undefined): boolean {
  if (typeof value === "number") return !Number.isInteger(value) || Number.isSafeInteger(value);
  return typeof value === "string" || typeof value === "boolean";
}

function sameValue(header: string, value: JsonValue | undefined): boolean {
  if (typeof value === "number") return hasHeaderForm(value) && NUMBER.test(header) && Number(header) === value;
  if (typeof value === "boolean") return header === String(value);
  return header === value;
}

/** Members of a schema that hold data, not schemas. */
const DATA: readonly string[] = ["const", "enum", "default", "examples", "example"];
/** Members of a schema whose own members are schemas by name. */
const NAMED: readonly string[] = ["patternProperties", "dependentSchemas", "$defs", "definitions"];

function visit(schema: JsonValue, path: string[], reachable: boolean, found: HeaderParam[]): string | null {
  if (Array.isArray(schema)) return firstProblem(schema, (element) => visit(element, path, false, found));
  if (!isObject(schema)) return null;
  if (Object.hasOwn(schema, "x-mcp-header")) {
    const problem = annotationProblem(schema, path, reachable, found);
    if (problem !== null) return problem;
    found.push({ header: String(schema["x-mcp-header"]), path });
  }
  return firstProblem(Object.entries(schema), ([keyword, value]) => {
    if (DATA.includes(keyword) || typeof value !== "object") return null;
    if (keyword === "properties" && isObject(value)) {
      return firstProblem(Object.entries(value), ([name, child]) => visit(child, [...path, name], reachable, found));
    }
    if (NAMED.includes(keyword) && isObject(value)) return firstProblem(Object.values(value), (child) => visit(child, path, false, found));
    return visit(value, path, false, found);
  });
}

function annotationProblem(schema: JsonObject, path: string[], reachable: boolean, found: HeaderParam[]): string | null {
  const where = path.length === 0 ? "the root" : path.join(".");
  const header = schema["x-mcp-header"];
  if (!reachable || path.length === 0) return `x-mcp-header at ${where} is not reached through properties alone`;
  if (typeof header !== "string" || !TOKEN.test(header)) return `x-mcp-header of ${where} is not an HTTP token`;
  if (schema.type !== "string" && schema.type !== "integer" && schema.type !== "boolean") {
    return `x-mcp-header of ${where} is on something that is not a string, integer or boolean`;
  }
  const taken = found.some((other) => other.header.toLowerCase() === header.toLowerCase());
  return taken ? `x-mcp-header ${header} is used twice` : null;
}

function firstProblem<T>(items: readonly T[], problemOf: (item: T) => string | null): string | null {
  for (const item of items) {
    const problem = problemOf(item);
    if (problem !== null) return problem;
  }
  return null;
}
