import { twice } from "../lib/reach.ts";
import type { Call, Outcome, Reply } from "../model/call.ts";
import type { ToolEntry } from "../model/catalog.ts";
import type { Builtin, CallContext, TaskApi, TaskView } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { ownerOf } from "../model/identity.ts";
import { isObject, type JsonText, type JsonValue } from "../model/json.ts";
import { canAnswer } from "../protocol/capabilities.ts";
import { taskId, taskPlace } from "./id.ts";

/*
 * For clients without tasks: a run that takes too long for their timers is answered with a handle, and `wait_for_run` gives its result, or the
 * handle again.
 */

export const WAIT_FOR_RUN = "wait_for_run";

/** Left for the answer to reach the client before the call's own deadline. */
const SPARE_MS = 2_000;

/** The builtin by the name under which rows of the catalog know it. */
export const WAITER: readonly [key: string, builtin: Extract<Builtin, { kind: "tool" }>] = [
  WAIT_FOR_RUN,
  {
    kind: "tool",
    definition: {
      name: WAIT_FOR_RUN,
      title: "Wait for a run",
      description: "Gives the result of a run that was still going on when its tool answered. Waits for some seconds; when the run needs more time, call it again.",
      inputSchema: {
        type: "object",
        properties: {
          run: { type: "string", description: "The run's id, as the tool gave it" },
          seconds: { type: "number", exclusiveMinimum: 0, description: "How long to wait at most; without it, as long as the gateway lets one call wait" },
        },
        required: ["run"],
        additionalProperties: false,
      },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    invoke: waitForRun,
  },
];

/** Whether the tool that a caller finds under its name is the gateway's own. */
export function isWaiter(entry: ToolEntry | null): boolean {
  return entry?.target.kind === "builtin" && entry.target.name === WAIT_FOR_RUN;
}

/** What a call answers whose run goes on. Where the tool promises structured content it is an error result: clients check every other one against the promise. */
export function handleOutcome(run: string, entry: ToolEntry): Outcome {
  return stillRunning(run, `Do not call ${entry.name} again, which would start another run.`, entry.checkOutput);
}

function stillRunning(run: string, advice: string, isError: boolean): Outcome {
  const text = `The run is still going on. Call ${WAIT_FOR_RUN} with {"run": "${run}"} to get its result. ${advice}`;
  const result = { content: [{ type: "text", text }], ...(isError && { isError }), _meta: { "causeway/run": run } };
  return { type: "complete", result: JSON.stringify(result), isError };
}

/** What the run asks, this call asks; the answers come with its retry, as with any other call. */
async function* waitForRun(call: Call, ctx: CallContext): Reply {
  const args = isObject(call.params.arguments) ? call.params.arguments : {};
  const place = await taskPlace(ctx, String(args.run));
  if (place === null || !("object" in place)) throw unknown();
  const task = () => ctx.platform.task(place.object);
  const { inputResponses } = call;
  const owner = ownerOf(ctx);
  if (inputResponses !== null) await twice(() => task().update(owner, inputResponses));
  const view = await twice(() => task().look(owner, waitOf(args.seconds, ctx)));
  if (view === null) throw unknown();
  return outcomeOf(view, await taskId(ctx, place), call, ctx, task());
}

function unknown(): GatewayError {
  return new GatewayError("not_found", "there is no such run, or none any more");
}

function waitOf(seconds: JsonValue | undefined, { limits, deadline, platform }: CallContext): number {
  const wanted = typeof seconds === "number" ? seconds * 1000 : Infinity;
  return Math.max(0, Math.min(wanted, limits.runWaitMs, deadline - platform.now() - SPARE_MS));
}

function outcomeOf(view: TaskView, run: string, call: Call, ctx: CallContext, task: TaskApi): Outcome {
  switch (view.status) {
    case "completed":
      return { type: "complete", result: view.result ?? "{}" };
    case "failed":
      return { type: "failed", error: view.error ?? "{}", code: codeIn(view.error) };
    case "cancelled":
      throw new GatewayError("conflict", "the run was cancelled", { data: { reason: "cancelled" } });
    case "working":
      return stillRunning(run, "", false);
    case "input_required":
      return questions(view, call, ctx, task);
  }
}

function questions({ inputRequests }: TaskView, call: Call, ctx: CallContext, task: TaskApi): Outcome {
  if (ctx.canAsk && Object.values(inputRequests).every((request) => canAnswer(call.capabilities, request))) return { type: "input_required", inputRequests };
  ctx.waitUntil(task.cancel(ownerOf(ctx)));
  throw new GatewayError("forbidden", "the run asked something that this client cannot answer, and was cancelled");
}

function codeIn(error: JsonText | null): number {
  const value: JsonValue = JSON.parse(error ?? "{}");
  return isObject(value) && typeof value.code === "number" ? value.code : -32603;
}
