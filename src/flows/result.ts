import type { Outcome } from "../model/call.ts";
import { GatewayError } from "../model/error.ts";
import type { Flow } from "./flow.ts";
import type { FlowEnd } from "./run.ts";

/** A run that is over. */
export type Ended = Exclude<FlowEnd, { status: "waiting" }>;

/**
 * The end of a run as the result of its tool: the output as text (a text as it is, anything else as JSON), and as `structuredContent`
 * where the agent declares an output schema. `_meta` names the run. A run that did not complete is thrown, with the node's name.
 */
export function outcomeOf(flow: Flow, end: Ended, run: string): Outcome {
  if (end.status !== "completed") throw failureOf(end, run);
  const { output } = end;
  const content = [{ type: "text", text: typeof output === "string" ? output : JSON.stringify(output) }];
  const result = { content, ...(flow.structured && { structuredContent: output }), _meta: { "causeway/run": run } };
  return { type: "complete", result: JSON.stringify(result) };
}

function failureOf(end: Exclude<Ended, { status: "completed" }>, run: string): GatewayError {
  const { code, message, data, retryAfter, cause } = end.error;
  if (end.status === "cancelled") return end.error;
  const where = end.node === null ? "" : `node ${end.node}: `;
  const wait = retryAfter === undefined ? {} : { retryAfter };
  return new GatewayError(code, `${where}${message}`, { cause, data: { ...data, run, ...(end.node !== null && { node: end.node }) }, ...wait });
}
