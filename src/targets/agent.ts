import { flowText } from "../catalog/snapshot.ts";
import type { Flow } from "../flows/flow.ts";
import { outsideOf } from "../flows/outside.ts";
import { masked } from "../flows/redact.ts";
import { outcomeOf } from "../flows/result.ts";
import { runFlow, type FlowEnd } from "../flows/run.ts";
import { newId } from "../lib/ids.ts";
import type { Call, Reply } from "../model/call.ts";
import type { Target } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonObject, JsonText, JsonValue } from "../model/json.ts";
import { traced, type RunEnd } from "../runs/record.ts";
import { Trace } from "../runs/trace.ts";

/**
 * Runs the agent's flow within the request. Its trace is written however the run ends, also when its reader leaves.
 * Errors: what the failed node threw, with its name, the run's id in `data`; `cancelled` when the call was.
 */
export async function* invokeAgent(target: Extract<Target, { kind: "agent" }>, call: Call, ctx: CallContext, snapshot: Snapshot): Reply {
  if (call.method !== "tools/call") throw new GatewayError("unsupported", "an agent can only be called as a tool");
  const flow = flowOf(await flowText(ctx.platform, snapshot.index.workspace, target.flow));
  const id = newId("run");
  const input = call.params["arguments"] ?? {};
  const startedAt = ctx.platform.now();
  const { principal } = ctx;
  const trace = new Trace(ctx, {
    id,
    agent: flow.agent,
    version: target.version,
    call: ctx.callId,
    principal: principal.id,
    principalName: principal.name,
    startedAt,
    input: tracedPart("input", input, flow, ctx),
  });
  let end: FlowEnd = { status: "cancelled", error: new GatewayError("cancelled", "the call was given up") };
  try {
    end = yield* runFlow(flow, {
      id,
      input,
      ctx: surroundings(id, call, ctx),
      outside: outsideOf(ctx, call.trace),
      limits: ctx.limits,
      signal: ctx.signal,
      deadline: ctx.deadline,
      progress: call.progressToken !== null,
      record: (node) => trace.record(node),
    });
  } finally {
    trace.finish(endOf(end, flow, ctx));
  }
  return outcomeOf(flow, end, id);
}

/** `$ctx`: what a flow may know of the call it serves. */
function surroundings(run: string, call: Call, ctx: CallContext): JsonObject {
  const { principal, workspace, session } = ctx;
  return {
    run: { id: run },
    workspace: { id: workspace.id, slug: workspace.slug },
    principal: { id: principal.id, name: principal.name, kind: principal.kind, role: principal.role },
    client: call.clientInfo && { name: call.clientInfo.name, version: call.clientInfo.version },
    session: session && { id: session.id },
  };
}

function endOf(end: FlowEnd, flow: Flow, ctx: CallContext): RunEnd {
  if (end.status === "completed") return { status: "completed", output: tracedPart("output", end.output, flow, ctx), error: null };
  const { code, message } = end.error;
  return { status: end.status, output: null, error: { code, message, node: end.status === "failed" ? end.node : null } };
}

function tracedPart(side: "input" | "output", value: JsonValue, flow: Flow, ctx: CallContext): JsonText {
  return traced(masked(side, value, flow.redact), ctx.limits.traceValueBytes);
}

/** The text was written by `compile` under its content hash and is not checked again. */
function flowOf(text: JsonText): Flow {
  const flow: unknown = JSON.parse(text);
  if (isFlow(flow)) return flow;
  throw new GatewayError("internal", "internal error", { cause: "a stored flow is of a format this version does not know" });
}

function isFlow(value: unknown): value is Flow {
  return typeof value === "object" && value !== null && "format" in value && value.format === 1;
}
