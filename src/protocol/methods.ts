import { LOG_LEVELS } from "../model/call.ts";
import { isObject, type JsonObject, type JsonValue } from "../model/json.ts";

type Check = (value: JsonValue) => boolean;

/** One parameter: what it must be, in words and as a check. */
interface Param {
  must: string;
  check: Check;
  optional?: true;
}

/** What both eras need to know about a method before anyone handles it. */
export interface MethodRow {
  modern: boolean;
  legacy: boolean;
  /** The parameter that `Mcp-Name` repeats. */
  name?: "name" | "uri" | "taskId";
  /** May be answered `input_required` and sent again with `inputResponses` (MRTR). */
  mrtr?: true;
  /** Its modern result carries `ttlMs` and `cacheScope`. */
  cacheable?: true;
  params: Readonly<Record<string, Param>>;
}

const isString: Check = (value) => typeof value === "string";
const isBoolean: Check = (value) => typeof value === "boolean";
const isStringMap: Check = (value) => isObject(value) && Object.values(value).every(isString);
const isStrings: Check = (value) => Array.isArray(value) && value.every(isString);

const text: Param = { must: "a string", check: isString };
const cursor: Param = { must: "a string", check: isString, optional: true };
const args: Param = { must: "an object", check: isObject, optional: true };
const stringArgs: Param = { must: "an object of strings", check: isStringMap, optional: true };
const level: Param = { must: `one of ${LOG_LEVELS.join(", ")}`, check: (value) => LOG_LEVELS.some((known) => known === value) };
const reference: Param = { must: "a ref/prompt with a name or a ref/resource with a uri", check: isReference };
const argument: Param = { must: "an object with a name and a value", check: (value) => isObject(value) && isString(value.name ?? null) && isString(value.value ?? null) };
const context: Param = { must: "an object whose arguments are strings", check: (value) => isObject(value) && (value.arguments === undefined || isStringMap(value.arguments)), optional: true };
const filter: Param = { must: "an object of booleans, resourceSubscriptions and taskIds", check: isFilter };
const given: Param = { must: "an object of objects", check: (value) => isObject(value) && Object.values(value).every(isObject) };
const answers: Param = { ...given, optional: true };
const state: Param = { must: "a string", check: isString, optional: true };

/** The known methods; anything else is unknown in that era. Tasks of 2025-11-25 are not offered to clients. */
export const METHODS: ReadonlyMap<string, MethodRow> = new Map<string, MethodRow>([
  ["server/discover", { modern: true, legacy: false, cacheable: true, params: {} }],
  ["tools/list", { modern: true, legacy: true, cacheable: true, params: { cursor } }],
  ["tools/call", { modern: true, legacy: true, name: "name", mrtr: true, params: { name: text, arguments: args } }],
  ["resources/list", { modern: true, legacy: true, cacheable: true, params: { cursor } }],
  ["resources/templates/list", { modern: true, legacy: true, cacheable: true, params: { cursor } }],
  ["resources/read", { modern: true, legacy: true, name: "uri", mrtr: true, cacheable: true, params: { uri: text } }],
  ["prompts/list", { modern: true, legacy: true, cacheable: true, params: { cursor } }],
  ["prompts/get", { modern: true, legacy: true, name: "name", mrtr: true, params: { name: text, arguments: stringArgs } }],
  ["completion/complete", { modern: true, legacy: true, params: { ref: reference, argument, context } }],
  ["subscriptions/listen", { modern: true, legacy: false, params: { notifications: filter } }],
  ["tasks/get", { modern: true, legacy: false, name: "taskId", params: { taskId: text } }],
  ["tasks/update", { modern: true, legacy: false, name: "taskId", params: { taskId: text, inputResponses: given } }],
  ["tasks/cancel", { modern: true, legacy: false, name: "taskId", params: { taskId: text } }],
  ["resources/subscribe", { modern: false, legacy: true, params: { uri: text } }],
  ["resources/unsubscribe", { modern: false, legacy: true, params: { uri: text } }],
  ["logging/setLevel", { modern: false, legacy: true, params: { level } }],
  ["ping", { modern: false, legacy: true, params: {} }],
]);

const MRTR_PARAMS: Readonly<Record<string, Param>> = { inputResponses: answers, requestState: state };

/** What is wrong with the params of a request, in words for the caller; null when nothing is. */
export function paramsProblem(row: MethodRow, params: JsonObject, modern: boolean): string | null {
  return problemIn(row.params, params) ?? (modern && row.mrtr ? problemIn(MRTR_PARAMS, params) : null);
}

/** Says which method is not known, without repeating more than a name's worth of it. */
export function unknownMethod(method: string): string {
  return `unknown method ${method.slice(0, 100)}`;
}

function problemIn(specs: Readonly<Record<string, Param>>, params: JsonObject): string | null {
  for (const name in specs) {
    const spec = specs[name];
    if (!spec) continue;
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (value === undefined ? !spec.optional : !spec.check(value)) return `params.${name} must be ${spec.must}`;
  }
  return null;
}

function isReference(value: JsonValue): boolean {
  if (!isObject(value)) return false;
  if (value.type === "ref/prompt") return typeof value.name === "string";
  return value.type === "ref/resource" && typeof value.uri === "string";
}

function isFilter(value: JsonValue): boolean {
  if (!isObject(value)) return false;
  const { toolsListChanged, promptsListChanged, resourcesListChanged, resourceSubscriptions, taskIds } = value;
  const flags = [toolsListChanged, promptsListChanged, resourcesListChanged];
  const lists = [resourceSubscriptions, taskIds];
  return flags.every((flag) => flag === undefined || isBoolean(flag)) && lists.every((list) => list === undefined || isStrings(list));
}
