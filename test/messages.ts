import { isObject, type JsonObject } from "../src/model/json.ts";
import { isDefined, schemaProblems } from "./schemas.ts";

/** Who sent a message: a server is not allowed what a client is. */
export type Sender = "server" | "client";

const MODERN = "2026-07-28";

/** What the official schemas call a request and its result; a method that is not here has no place on the wire. */
const REQUESTS: Readonly<Record<string, [sender: Sender, request: string, result: string]>> = {
  initialize: ["client", "InitializeRequest", "InitializeResult"],
  "server/discover": ["client", "DiscoverRequest", "DiscoverResult"],
  "tools/list": ["client", "ListToolsRequest", "ListToolsResult"],
  "tools/call": ["client", "CallToolRequest", "CallToolResult"],
  "resources/list": ["client", "ListResourcesRequest", "ListResourcesResult"],
  "resources/templates/list": ["client", "ListResourceTemplatesRequest", "ListResourceTemplatesResult"],
  "resources/read": ["client", "ReadResourceRequest", "ReadResourceResult"],
  "resources/subscribe": ["client", "SubscribeRequest", "EmptyResult"],
  "resources/unsubscribe": ["client", "UnsubscribeRequest", "EmptyResult"],
  "prompts/list": ["client", "ListPromptsRequest", "ListPromptsResult"],
  "prompts/get": ["client", "GetPromptRequest", "GetPromptResult"],
  "completion/complete": ["client", "CompleteRequest", "CompleteResult"],
  "logging/setLevel": ["client", "SetLevelRequest", "EmptyResult"],
  "subscriptions/listen": ["client", "SubscriptionsListenRequest", "SubscriptionsListenResult"],
  ping: ["client", "PingRequest", "EmptyResult"],
  "elicitation/create": ["server", "ElicitRequest", "ElicitResult"],
  "sampling/createMessage": ["server", "CreateMessageRequest", "CreateMessageResult"],
  "roots/list": ["server", "ListRootsRequest", "ListRootsResult"],
};

const NOTIFICATIONS: Readonly<Record<string, [sender: Sender | "both", definition: string]>> = {
  "notifications/initialized": ["client", "InitializedNotification"],
  "notifications/roots/list_changed": ["client", "RootsListChangedNotification"],
  "notifications/cancelled": ["both", "CancelledNotification"],
  "notifications/progress": ["both", "ProgressNotification"],
  "notifications/message": ["server", "LoggingMessageNotification"],
  "notifications/tools/list_changed": ["server", "ToolListChangedNotification"],
  "notifications/prompts/list_changed": ["server", "PromptListChangedNotification"],
  "notifications/resources/list_changed": ["server", "ResourceListChangedNotification"],
  "notifications/resources/updated": ["server", "ResourceUpdatedNotification"],
  "notifications/subscriptions/acknowledged": ["server", "SubscriptionsAcknowledgedNotification"],
  "notifications/elicitation/complete": ["server", "ElicitationCompleteNotification"],
};

/** Methods whose modern result may be a question (MCP 2026-07-28, multi round-trip requests). */
const ASKING = ["tools/call", "prompts/get", "resources/read"];

/** What the schema of the Tasks extension calls results; a tool call may be answered with a task as well. */
const TASKS: Readonly<Record<string, string>> = { "tasks/get": "GetTaskResult", "tasks/update": "UpdateTaskResult", "tasks/cancel": "CancelTaskResult" };

/**
 * What is wrong with a message that `sender` sent on a hop of `revision`, by the official schema; [] when nothing is. `asked`: the method of the
 * request that a response answers; null where that is not known.
 */
export function messageProblems(revision: string, sender: Sender, message: JsonObject, asked: string | null): string[] {
  const envelope = misfit(revision, "JSONRPCMessage", message);
  if (typeof message.method === "string") return [...envelope, ...spokenProblems(revision, sender, message, message.method)];
  return isObject(message.result) ? [...envelope, ...resultProblems(revision, message.result, asked)] : envelope;
}

function spokenProblems(revision: string, sender: Sender, message: JsonObject, method: string): string[] {
  const isRequest = message.id !== undefined;
  const [by, definition] = (isRequest ? REQUESTS[method] : NOTIFICATIONS[method]) ?? [];
  if (!by || !definition || !isDefined(revision, definition)) return [`${revision} has no ${method}`];
  // A modern server puts no request on the wire, a ping goes both ways before.
  if ((by !== sender && by !== "both" && method !== "ping") || (isRequest && sender === "server" && revision >= MODERN)) return [`${method} is nothing that a ${sender} of ${revision} sends`];
  return misfit(revision, definition, message);
}

function resultProblems(revision: string, result: JsonObject, asked: string | null): string[] {
  const definition = REQUESTS[asked ?? ""]?.[2] ?? "EmptyResult";
  if (revision < MODERN) {
    // SDK v1 refuses what is not empty where nothing belongs (a strict schema of its own), and what this revision does not know is not for it.
    const foreign = ["resultType", "ttlMs", "cacheScope"].filter((name) => name in result);
    const extra = definition === "EmptyResult" ? Object.keys(result).filter((name) => name !== "_meta") : [];
    return [...misfit(revision, definition, result), ...[...new Set([...foreign, ...extra])].map((name) => `${name} has no place in a result of ${revision}`)];
  }
  const ofTask = TASKS[asked ?? ""];
  if (ofTask !== undefined) return misfit("ext-tasks", ofTask, result);
  switch (result.resultType) {
    case "task":
      return asked === "tools/call" ? misfit("ext-tasks", "CreateTaskResult", result) : [`${asked} cannot be answered with a task`];
    case "complete":
      return misfit(revision, definition, result);
    case "input_required":
      return ASKING.includes(asked ?? "") ? misfit(revision, "InputRequiredResult", result) : [`${asked} cannot be answered with a question`];
    default:
      // A client treats a result of an unknown type as invalid (MCP 2026-07-28, results); the schema allows any string.
      return [`unknown resultType ${JSON.stringify(result.resultType)}`];
  }
}

function misfit(revision: string, definition: string, value: JsonObject): string[] {
  const problems = schemaProblems(revision, definition, value);
  return problems.length === 0 ? [] : [`not a ${definition} of ${revision} (${problems.join("; ")})`];
}
