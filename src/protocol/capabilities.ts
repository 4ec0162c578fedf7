import type { ClientCapabilities } from "../model/call.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";

/**
 * Client capabilities as declared; null when a known one has the wrong type. `elicitation: {}` means form only
 * (MCP 2026-07-28, elicitation, capabilities) and comes back as `{form: {}}`.
 */
export function capabilitiesOf(value: JsonValue | undefined): ClientCapabilities | null {
  if (!isObject(value) || !isCapabilities(value)) return null;
  const { elicitation } = value;
  if (!elicitation || elicitation.form || elicitation.url) return value;
  return { ...value, elicitation: { ...elicitation, form: {} } };
}

/** What a client says it is; null when it is not a name and a version. Self-reported: for display and logs only. */
export function clientInfoOf(value: JsonValue | undefined): { name: string; version: string } | null {
  if (!isObject(value) || typeof value.name !== "string" || typeof value.version !== "string") return null;
  return { name: value.name, version: value.version };
}

function isCapabilities(value: JsonObject): value is JsonObject & ClientCapabilities {
  const { elicitation, sampling, roots, extensions } = value;
  if (![elicitation, sampling, roots, extensions].every(isAbsentOrObject)) return false;
  if (isObject(elicitation) && !(isAbsentOrObject(elicitation.form) && isAbsentOrObject(elicitation.url))) return false;
  return !isObject(extensions) || Object.values(extensions).every(isObject);
}

function isAbsentOrObject(value: JsonValue | undefined): boolean {
  return value === undefined || isObject(value);
}
