import { editObject, memberOf } from "../lib/json.ts";
import { isObject, type JsonText, type JsonValue } from "../model/json.ts";

/** Flat key of early MCP Apps servers, deprecated and still sent. */
const FLAT = "ui/resourceUri";

/** The `ui://` resource that a tool's result is shown with (MCP Apps, `_meta.ui.resourceUri`), or null. `definition`: the parsed tool. */
export function appUriOf(definition: JsonValue): string | null {
  const meta = isObject(definition) ? definition["_meta"] : undefined;
  if (!isObject(meta)) return null;
  const uri = isObject(meta["ui"]) ? meta["ui"]["resourceUri"] : meta[FLAT];
  return typeof uri === "string" ? uri : null;
}

/** The tool's text with that URI replaced, in both places where it may stand; all else byte for byte. */
export function withAppUri(text: JsonText, uri: string): JsonText {
  const meta = memberOf(text, "_meta");
  if (meta === null) return text;
  const ui = memberOf(meta, "ui");
  const value = JSON.stringify(uri);
  const nested = ui !== null && memberOf(ui, "resourceUri") !== null ? editObject(meta, { set: { ui: editObject(ui, { set: { resourceUri: value } }) } }) : meta;
  const whole = memberOf(nested, FLAT) === null ? nested : editObject(nested, { set: { [FLAT]: value } });
  return editObject(text, { set: { _meta: whole } });
}
