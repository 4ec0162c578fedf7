import { GatewayError } from "../../model/error.ts";
import type { JsonObject, JsonValue } from "../../model/json.ts";
import type { NodeOf } from "../flow.ts";
import type { Task } from "../task.ts";

/** Of a statement whose node sets none. */
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * One parameterised statement on a database of the workspace → `{ rows, rowCount }`. Read-only unless the node says otherwise.
 * `params` fill `$1`, `$2`, …; a list becomes a Postgres array, an object becomes JSON.
 */
export async function executeSql(node: NodeOf<"sql">, input: JsonObject, task: Task): Promise<JsonValue> {
  const params = input["params"] ?? [];
  if (!Array.isArray(params)) throw new GatewayError("invalid", "params must give a list");
  const { rows, rowCount } = await task.outside.query(
    node.connection,
    {
      text: node.query,
      params,
      readOnly: node.readOnly,
      timeoutMs: node.timeoutMs === null ? Math.min(task.timeoutMs, DEFAULT_TIMEOUT_MS) : task.timeoutMs,
      maxRows: Math.min(node.maxRows ?? Infinity, task.limits.sqlRows),
    },
    task.signal,
  );
  return { rows, rowCount };
}
