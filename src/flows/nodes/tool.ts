import type { Notification, Outcome } from "../../model/call.ts";
import { GatewayError, WIRE, type ErrorCode } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonValue } from "../../model/json.ts";
import type { NodeOf } from "../flow.ts";
import type { Task } from "../task.ts";

/**
 * Calls a tool of the workspace's catalog, with policy and audit of its own → the tool's result as MCP defines it
 * (`content`, `structuredContent`, …). A result that is an error fails the node with the tool's own words.
 */
export async function executeTool(node: NodeOf<"tool">, input: JsonObject, task: Task): Promise<JsonValue> {
  const args = input["arguments"] ?? {};
  if (!isObject(args)) throw new GatewayError("invalid", "arguments must give an object");
  const reply = task.outside.callTool(node.tool, args, { signal: task.signal, idempotencyKey: task.key, accepted: task.called });
  for (;;) {
    const step = await reply.next();
    if (step.done) return resultOf(step.value);
    forward(step.value, task);
  }
}

/** What the tool says of its progress, in this run's own counting. */
function forward(notification: Notification, task: Task): void {
  if (notification.method !== "notifications/progress") return;
  const params: unknown = JSON.parse(notification.params);
  if (typeof params === "object" && params !== null && "message" in params && typeof params.message === "string") {
    task.progress({ value: null, total: null, message: params.message });
  }
}

function resultOf(outcome: Outcome): JsonValue {
  if (outcome.type === "input_required") throw new GatewayError("unsupported", "the tool asks a question, which a flow cannot answer");
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
