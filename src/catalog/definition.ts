import { compileSchema } from "../lib/jsonschema.ts";
import { isObject, type JsonObject, type JsonText, type JsonValue } from "../model/json.ts";
import { headerParamsOf } from "../protocol/headers.ts";
import type { EntryKind } from "./row.ts";
import { partsOf } from "./uritemplate.ts";

/** A tool's text is at most half a shard. */
const MAX_TOOL_CHARS = 256 * 1024;
const MAX_ENTRY_CHARS = 64 * 1024;
const MAX_NAME_CHARS = 512;
const MAX_URI_CHARS = 2_048;

export type Read = { ok: true; name: string; definition: JsonObject } | { ok: false; name: string; reason: string };

/** The member by which an entry of each kind is known. */
const KEY: Readonly<Record<EntryKind, string>> = { resources: "uri", templates: "uriTemplate", prompts: "name" };

/** A tool as a target lists it, or why no client could use it: malformed, too large, a schema that is not taken (lib/jsonschema), a bad `x-mcp-header`. */
export function readTool(text: JsonText): Read {
  const definition: JsonValue = JSON.parse(text);
  const name = nameIn(definition, "name");
  const reason = isObject(definition) ? toolProblem(definition, name, text) : "is not an object";
  return isObject(definition) && reason === null ? { ok: true, name, definition } : { ok: false, name: name.slice(0, 200), reason: reason ?? "" };
}

/** A resource, template or prompt, likewise. */
export function readEntry(kind: EntryKind, text: JsonText): Read {
  const definition: JsonValue = JSON.parse(text);
  const name = nameIn(definition, KEY[kind]);
  const reason = isObject(definition) ? entryProblem(kind, definition, name, text) : "is not an object";
  return isObject(definition) && reason === null ? { ok: true, name, definition } : { ok: false, name: name.slice(0, 200), reason: reason ?? "" };
}

function nameIn(definition: JsonValue, key: string): string {
  const name = isObject(definition) ? definition[key] : undefined;
  return typeof name === "string" ? name : "";
}

function toolProblem(tool: JsonObject, name: string, text: JsonText): string | null {
  const { inputSchema, title, description, annotations } = tool;
  if (text.length > MAX_TOOL_CHARS) return `is longer than ${MAX_TOOL_CHARS} characters`;
  if (name === "" || name.length > MAX_NAME_CHARS || !name.isWellFormed()) return "has no usable name";
  if (!isObject(inputSchema) || inputSchema["type"] !== "object") return "its inputSchema is not a schema of an object";
  if (![title, description].every((value) => value === undefined || typeof value === "string")) return "its title or description is not a string";
  if (annotations !== undefined && !isObject(annotations)) return "its annotations are not an object";
  const schema = compileSchema(inputSchema);
  if (!schema.ok) return `its inputSchema is not taken: ${schema.reason}`;
  const headers = headerParamsOf(inputSchema);
  return headers.ok ? null : headers.reason;
}

function entryProblem(kind: EntryKind, entry: JsonObject, name: string, text: JsonText): string | null {
  if (text.length > MAX_ENTRY_CHARS) return `is longer than ${MAX_ENTRY_CHARS} characters`;
  if (name === "" || !name.isWellFormed()) return `has no usable ${KEY[kind]}`;
  if (kind === "prompts") return name.length > MAX_NAME_CHARS ? "its name is too long" : null;
  if (name.length > MAX_URI_CHARS) return `its ${KEY[kind]} is longer than ${MAX_URI_CHARS} characters`;
  if (typeof entry["name"] !== "string") return "has no name";
  if (kind === "templates") return partsOf(name) === null ? "its uriTemplate is malformed" : null;
  return URL.canParse(name) ? null : "its uri is not a URI";
}
