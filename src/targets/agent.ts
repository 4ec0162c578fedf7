import { flowText } from "../catalog/snapshot.ts";
import type { Flow } from "../flows/flow.ts";
import type { Journal } from "../flows/journal.ts";
import { outsideOf } from "../flows/outside.ts";
import { nobodyToAsk } from "../flows/nodes/ask.ts";
import { keyOf } from "../flows/nodes/tool.ts";
import { masked } from "../flows/redact.ts";
import { type Ended, outcomeOf } from "../flows/result.ts";
import { type FlowEnd, runFlow, type RunStart } from "../flows/run.ts";
import { newId } from "../lib/ids.ts";
import type { Call, InputRequest, Outcome, Reply } from "../model/call.ts";
import type { Target } from "../model/catalog.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError, toGatewayError } from "../model/error.ts";
import type { JsonObject, JsonText, JsonValue } from "../model/json.ts";
import { canAnswer, requireCapability } from "../protocol/capabilities.ts";
import { spentState } from "../protocol/failures.ts";
import { isModern } from "../protocol/revisions.ts";
import { traced, type RunEnd } from "../runs/record.ts";
import { type Part, pauseRun, resumeRun, runPlace } from "../runs/resume.ts";
import type { NewRun } from "../runs/store.ts";
import { Trace } from "../runs/trace.ts";

/** One part of a run: from its call, or from answers, to its end or to its next questions. */
interface RunPart {
  run: NewRun;
  /** Content hash of the flow: a run goes on with the one it began with. */
  hash: string;
  flow: Flow;
  /** How many nodes earlier parts have ended, and the number of their last questions. */
  before: number;
  round: number;
  token: string | null;
  resume: RunStart["resume"];
}

/** What is kept of a run while it waits. */
type Kept = Pick<RunPart, "run" | "hash" | "before"> & { journal: Journal };

/**
 * Runs the agent's flow within the request. Its trace is written however the run ends, also when its reader leaves. Where its nodes ask, the run waits
 * for the retry with the answers, and no node that has ended runs again. Errors: what the failed node threw, with its name, the run's id in `data`;
 * `cancelled` when the call was; -32021 (modern) or `unsupported` before anything runs, when the flow always asks and nobody can be asked.
 */
export async function* invokeAgent(target: Extract<Target, { kind: "agent" }>, call: Call, ctx: CallContext): Reply {
  if (call.method !== "tools/call") throw new GatewayError("unsupported", "an agent can only be called as a tool");
  const place = runPlace(call.requestState);
  if (place) return yield* resumeRun(place, call, ctx, (part) => goOn(part, place.round, call, ctx));
  if (call.requestState !== null) throw spentState();
  const flow = await flowOf(target.flow, ctx);
  if (flow.nodes.some(({ type, when }) => type === "ask" && when === null)) requireSomebody(call, ctx);
  const { principal } = ctx;
  const run: NewRun = {
    id: newId("run"),
    agent: flow.agent,
    version: target.version,
    call: ctx.callId,
    principal: principal.id,
    principalName: principal.name,
    startedAt: ctx.platform.now(),
    input: tracedPart("input", inputOf(call), flow, ctx),
  };
  return yield* runPart({ run, hash: target.flow, flow, before: 0, round: 0, token: null, resume: null }, call, ctx);
}

async function* goOn({ kept, answers, responses, token }: Part, round: number, call: Call, ctx: CallContext): Reply {
  const { run, hash, before, journal }: Kept = JSON.parse(kept);
  return yield* runPart({ run, hash, flow: await flowOf(hash, ctx), before, round, token, resume: { journal, answers, responses } }, call, ctx);
}

async function* runPart(part: RunPart, call: Call, ctx: CallContext): Reply {
  const { run, flow } = part;
  const trace = new Trace(ctx, run, part.before);
  let end: Ended = { status: "cancelled", error: new GatewayError("cancelled", "the call was given up") };
  let asked: Outcome | null = null;
  try {
    const stopped = yield* runFlow(flow, {
      id: run.id,
      input: inputOf(call),
      ctx: surroundings(run.id, call, ctx),
      outside: outsideOf(ctx, call),
      limits: ctx.limits,
      signal: ctx.signal,
      deadline: ctx.deadline,
      progress: call.progressToken !== null,
      canAsk: canAsk(call, ctx),
      resume: part.resume,
      record: (node) => trace.record(node),
    });
    if (stopped.status === "waiting") return (asked = await ask(part, stopped, trace, ctx));
    end = stopped;
  } catch (thrown) {
    end = { status: "failed", node: null, error: toGatewayError(thrown) };
  } finally {
    if (!asked) trace.finish(endOf(end, flow, ctx));
  }
  return outcomeOf(flow, end, run.id);
}

async function ask({ run, hash, round, token }: RunPart, { journal, abandon }: Extract<FlowEnd, { status: "waiting" }>, trace: Trace, ctx: CallContext): Promise<Outcome> {
  const { asked, calls = {} } = journal;
  const kept: Kept = { run, hash, before: trace.ended, journal };
  const own = Object.entries(asked).map(([node, { question }]) => [node, question] as const);
  const passed = Object.entries(calls).flatMap(([node, { questions }]) => Object.entries(questions).map(([key, question]) => [keyOf(node, key), question] as const));
  const until = Math.min(...[...Object.values(asked), ...Object.values(calls)].map((one) => one.until));
  const pause = { run: run.id, round: round + 1, token, kept: JSON.stringify(kept), questions: Object.fromEntries([...own, ...passed]), passed: passed.map(([key]) => key), until };
  const outcome = await pauseRun(pause, ctx, abandon);
  await trace.wait();
  return outcome;
}

const FORM: InputRequest = { method: "elicitation/create" };

function canAsk(call: Call, ctx: CallContext): boolean {
  return ctx.canAsk && canAnswer(call.capabilities, FORM);
}

function requireSomebody(call: Call, ctx: CallContext): void {
  if (canAsk(call, ctx)) return;
  if (ctx.canAsk && isModern(ctx.revision)) requireCapability(call.capabilities, FORM);
  throw nobodyToAsk("this agent");
}

function inputOf(call: Call): JsonValue {
  return call.params["arguments"] ?? {};
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

function endOf(end: Ended, flow: Flow, ctx: CallContext): RunEnd {
  if (end.status === "completed") return { status: "completed", output: tracedPart("output", end.output, flow, ctx), error: null };
  const { code, message } = end.error;
  return { status: end.status, output: null, error: { code, message, node: end.status === "failed" ? end.node : null } };
}

function tracedPart(side: "input" | "output", value: JsonValue, flow: Flow, ctx: CallContext): JsonText {
  return traced(masked(side, value, flow.redact), ctx.limits.traceValueBytes);
}

/** The text was written by `compile` under its content hash and is not checked again. */
async function flowOf(hash: string, ctx: CallContext): Promise<Flow> {
  const flow: unknown = JSON.parse(await flowText(ctx.platform, ctx.workspace.id, hash));
  if (isFlow(flow)) return flow;
  throw new GatewayError("internal", "internal error", { cause: "a stored flow is of a format this version does not know" });
}

function isFlow(value: unknown): value is Flow {
  return typeof value === "object" && value !== null && "format" in value && value.format === 1;
}
