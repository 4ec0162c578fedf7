import { GatewayError } from "../../model/error.ts";
import type { JsonObject, JsonValue } from "../../model/json.ts";
import type { Task } from "../task.ts";

/** Reports progress to the client, if it asked for any → `{ message, progress, total }`. */
export async function executeEmit(input: JsonObject, task: Task): Promise<JsonValue> {
  const message = input["message"] ?? null;
  if (message !== null && typeof message !== "string") throw new GatewayError("invalid", "message must give a text");
  const value = number(input, "progress");
  const total = number(input, "total");
  task.progress({ value, total, message });
  return { message, progress: value, total };
}

function number(input: JsonObject, field: string): number | null {
  const value = input[field] ?? null;
  if (value === null || typeof value === "number") return value;
  throw new GatewayError("invalid", `${field} must give a number`);
}
