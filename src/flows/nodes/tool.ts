import { CLIENT_ERROR, type InputRequest, type Notification, type Outcome } from "../../model/call.ts";
import { GatewayError, WIRE, type ErrorCode } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonValue } from "../../model/json.ts";
import type { NodeOf } from "../flow.ts";
import type { AskingCall } from "../journal.ts";
import type { Done, Task } from "../task.ts";

/** A tool that asks for nothing asks for time: it is called again after this, then after twice as long, and so on. */
const PAUSE_MS = 250;
const MAX_PAUSES = 10;

/**
 * Calls a tool of the workspace's catalog, with policy and audit of its own → the tool's result as MCP defines it
 * (`content`, `structuredContent`, …), or what it asks. A result that is an error fails the node with the tool's own words.
 */
export async function executeTool(node: NodeOf<"tool">, input: JsonObject, task: Task): Promise<Done> {
  const args = input["arguments"] ?? {};
  if (!isObject(args)) throw new GatewayError("invalid", "arguments must give an object");
  let answered = task.answered;
  for (let pause = 0; pause < MAX_PAUSES; pause++) {
    const outcome = await called(node, args, { ...task, answered });
    if (outcome.type !== "input_required") return { output: resultOf(outcome) };
    if (Object.keys(outcome.inputRequests).length > 0) return { asks: outcome };
    await task.outside.wait(PAUSE_MS * 2 ** pause, task.signal);
    answered = { inputResponses: null, requestState: outcome.requestState ?? null };
  }
  throw new GatewayError("upstream", `the tool asked for time more than ${MAX_PAUSES} times`);
}

async function called({ tool, forEach }: NodeOf<"tool">, args: JsonObject, task: Task): Promise<Outcome> {
  const { signal, key, answered } = task;
  const reply = task.outside.callTool(tool, args, { ...answered, signal, idempotencyKey: key, mayAsk: forEach === null, accepted: task.called });
  for (;;) {
    const step = await reply.next();
    if (step.done) return step.value;
    forward(step.value, task);
  }
}

/** The key of a tool's question for the client: two nodes may call tools that ask by the same key. */
export function keyOf(node: string, key: string): string {
  return `${node}/${key}`;
}

/** What came back for the questions of a call, by the tool's own keys; null: nothing. Errors: `forbidden` for a refusal that the tool has no way to hear. */
export function responsesTo({ id }: NodeOf<"tool">, { questions, takesErrors }: AskingCall, given: ReadonlyMap<string, JsonObject>): JsonObject | null {
  const responses = Object.entries(questions).flatMap(([key, question]) => {
    const response = given.get(keyOf(id, key));
    return response === undefined ? [] : [[key, takesErrors ? response : heard(response, question)] as const];
  });
  return responses.length > 0 ? Object.fromEntries(responses) : null;
}

/** A legacy client that answers an elicitation with an error has not agreed (mcp elicitation, actions). */
function heard(response: JsonObject, { method }: InputRequest): JsonObject {
  if (response[CLIENT_ERROR] === undefined) return response;
  if (method === "elicitation/create") return { action: "cancel" };
  throw new GatewayError("forbidden", `the client refused what the tool asked it (${method})`);
}

/** What the tool says of its progress, in this run's own counting. */
function forward(notification: Notification, task: Task): void {
  if (notification.method !== "notifications/progress") return;
  const params: unknown = JSON.parse(notification.params);
  if (typeof params === "object" && params !== null && "message" in params && typeof params.message === "string") {
    task.progress({ value: null, total: null, message: params.message });
  }
}

function resultOf(outcome: Exclude<Outcome, { type: "input_required" }>): JsonValue {
  if (outcome.type === "failed") throw new GatewayError("upstream", messageOf(outcome.error));
  if (outcome.type === "task") throw new GatewayError("internal", "internal error", { cause: "a nested call became a task" });
  const result: JsonValue = JSON.parse(outcome.result);
  if (!isObject(result)) throw new GatewayError("upstream_invalid", "the tool's result is not an object");
  if (outcome.isError || result["isError"] === true) throw failureOf(result);
  return result;
}

function failureOf(result: JsonObject): GatewayError {
  const meta = isObject(result["_meta"]) ? result["_meta"]["causeway/error"] : undefined;
  const code = isObject(meta) ? meta["code"] : undefined;
  const texts = (Array.isArray(result["content"]) ? result["content"] : []).map((item) => (isObject(item) && typeof item["text"] === "string" ? item["text"] : ""));
  return new GatewayError(isErrorCode(code) ? code : "upstream", texts.filter(Boolean).join("\n") || "the tool failed");
}

function messageOf(error: string): string {
  const value: JsonValue = JSON.parse(error);
  return isObject(value) && typeof value["message"] === "string" ? value["message"] : "the tool failed";
}

function isErrorCode(value: JsonValue | undefined): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(WIRE, value);
}
