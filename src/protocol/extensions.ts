import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";
import { METHODS } from "./methods.ts";

const APPS = "io.modelcontextprotocol/ui";
const SKILLS = "io.modelcontextprotocol/skills";

/** Extensions whose content passes through untouched; anything else would need more than a hop does. */
const CARRIED: readonly string[] = [APPS, SKILLS];

/** First part of the names of methods that are the core protocol's own, of any revision, or the Tasks extension's. */
const CORE: readonly string[] = ["initialize", "ping", "server", "tools", "resources", "prompts", "completion", "subscriptions", "logging", "tasks", "elicitation", "sampling", "roots", "notifications"];

/** Methods of extensions that only read (Skills, SEP-2640). */
const READING: readonly string[] = ["skills/list", "skills/get", "resources/directory/read"];

/** What the gateway says it can when it lists an upstream on nobody's behalf: a server may show its apps only to who can show them (MCP Apps). */
export const LISTING_CAPABILITIES: JsonObject = Object.freeze({ extensions: { [APPS]: { mimeTypes: ["text/html;profile=mcp-app"] } } });

/** Whether a method is an extension's: for the upstream to know, not for us. One segment is no name an extension could have. */
export function isExtension(method: string): boolean {
  if (METHODS.has(method) || !/^[A-Za-z0-9][\w.-]*(?:\/[\w.-]+){1,7}$/.test(method) || method.length > 128) return false;
  return READING.includes(method) || !CORE.includes(method.split("/", 1)[0] ?? "");
}

/** Whether a method of an extension is known to change nothing. */
export function onlyReads(method: string): boolean {
  return READING.includes(method);
}

/** Of declared extensions (`capabilities.extensions`, of either side) those that a hop carries, with their settings; null when there is none. */
export function carriedExtensions(declared: JsonValue | undefined, ids: readonly string[] = CARRIED): JsonObject | null {
  const carried: JsonObject = {};
  for (const id of ids) {
    const settings = isObject(declared) ? declared[id] : undefined;
    if (isObject(settings)) carried[id] = settings;
  }
  return Object.keys(carried).length > 0 ? carried : null;
}

/** The same where several upstreams are one server: their apps, but not their skills, whose methods could not be told whom they are for. */
export function sharedExtensions(declared: readonly (JsonValue | undefined)[]): JsonObject | null {
  const found = declared.map((each) => carriedExtensions(each, [APPS])).find((each) => each !== null);
  return found ? { [APPS]: {} } : null;
}
