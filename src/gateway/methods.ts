import type { Call, Reply } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { complete } from "./complete.ts";
import { discover } from "./discover.ts";
import { getPrompt, listPrompts } from "./prompts.ts";
import { listResources, listTemplates, readResource } from "./resources.ts";
import { ping, setLevel, subscribe, unsubscribe } from "./session.ts";
import { subscriptionsListen } from "./subscriptions.ts";
import { cancelTask, getTask, updateTask } from "./tasks.ts";
import { callTool, listTools } from "./tools.ts";

/** What each MCP method means. Which era knows which of them is the codec's business. */
export const METHODS: ReadonlyMap<string, (call: Call, ctx: CallContext) => Reply> = new Map([
  ["server/discover", discover],
  ["initialize", discover],
  ["ping", ping],
  ["tools/list", listTools],
  ["tools/call", callTool],
  ["resources/list", listResources],
  ["resources/templates/list", listTemplates],
  ["resources/read", readResource],
  ["prompts/list", listPrompts],
  ["prompts/get", getPrompt],
  ["completion/complete", complete],
  ["subscriptions/listen", subscriptionsListen],
  ["tasks/get", getTask],
  ["tasks/update", updateTask],
  ["tasks/cancel", cancelTask],
  ["logging/setLevel", setLevel],
  ["resources/subscribe", subscribe],
  ["resources/unsubscribe", unsubscribe],
]);
