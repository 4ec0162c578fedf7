import { GatewayError, toGatewayError } from "../model/error.ts";
import type { JsonObject, JsonValue } from "../model/json.ts";
import type { WorkNode } from "./flow.ts";
import { executeEmit } from "./nodes/emit.ts";
import { executeHttp } from "./nodes/http.ts";
import { executeSql } from "./nodes/sql.ts";
import { executeTool } from "./nodes/tool.ts";
import { executeTransform } from "./nodes/transform.ts";
import type { Done, Task } from "./task.ts";

const MAX_DELAY_MS = 60_000;

type Prepared = Omit<Task, "signal" | "timeoutMs">;

/**
 * Does what the node says, as often as its `retry` allows while what failed may pass. Each attempt has the node's timeout; none starts
 * after `signal` has fired, and none is waited for. `started` is told of each. Answers are good for one attempt: what they went to may be used up.
 */
export async function attempts(node: WorkNode, input: JsonObject, task: Prepared, signal: AbortSignal, deadline: number, started: () => void): Promise<Done> {
  const { attempts: most, delayMs, backoff } = (task.answered.inputResponses === null ? node.retry : null) ?? { attempts: 1, delayMs: 0, backoff: 1 };
  for (let attempt = 1; ; attempt++) {
    if (signal.aborted) throw toGatewayError(signal.reason);
    started();
    try {
      return await attemptOnce(node, input, task, signal, deadline);
    } catch (thrown) {
      const error = signal.aborted ? toGatewayError(signal.reason) : toGatewayError(thrown);
      if (signal.aborted || attempt >= most || !mayPass(error)) throw error;
      const pause = Math.min(delayMs * backoff ** (attempt - 1), MAX_DELAY_MS);
      await task.outside.wait(Math.max(pause, (error.retryAfter ?? 0) * 1_000), signal);
    }
  }
}

async function attemptOnce(node: WorkNode, input: JsonObject, task: Prepared, signal: AbortSignal, deadline: number): Promise<Done> {
  const left = Math.max(1, deadline - task.outside.now());
  const late = new AbortController();
  const stop = AbortSignal.any([signal, late.signal]);
  const timer = new AbortController();
  if (node.timeoutMs !== null) {
    const error = new GatewayError("timeout", `it took longer than ${node.timeoutMs} ms`);
    task.outside.wait(node.timeoutMs, timer.signal).then(() => late.abort(error), ignore);
  }
  try {
    const work = execute(node, input, { ...task, signal: stop, timeoutMs: Math.min(node.timeoutMs ?? left, left) });
    // What does not hear its signal is left behind: the run ends without it.
    work.catch(ignore);
    return await Promise.race([work, fired(stop)]);
  } finally {
    timer.abort();
  }
}

async function execute(node: WorkNode, input: JsonObject, task: Task): Promise<Done> {
  return node.type === "tool" ? executeTool(node, input, task) : { output: await outputOf(node, input, task) };
}

function outputOf(node: Exclude<WorkNode, { type: "tool" }>, input: JsonObject, task: Task): Promise<JsonValue> {
  switch (node.type) {
    case "sql":
      return executeSql(node, input, task);
    case "http":
      return executeHttp(node, input, task);
    case "transform":
      return executeTransform(input);
    case "emit":
      return executeEmit(input, task);
  }
}

/** Whether trying again can help: not for what the caller or the author must mend. */
function mayPass(error: GatewayError): boolean {
  const status = error.data?.["status"];
  if (error.code === "upstream" && typeof status === "number") return status >= 500 || status === 408 || status === 429;
  if (error.code === "upstream" && error.data?.["sqlstate"] !== undefined) return /^(08|40|53|57)/.test(String(error.data["sqlstate"]));
  return ["upstream", "upstream_invalid", "timeout", "unavailable", "limited"].includes(error.code);
}

/** Rejects with the signal's reason when it fires. */
function fired(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

function ignore(): void {}
