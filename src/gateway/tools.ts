import { findTool } from "../catalog/find.ts";
import { currentSnapshot, freshSnapshot } from "../catalog/freshness.ts";
import { toolsPage } from "../catalog/pages.ts";
import { findShortened } from "../catalog/shortened.ts";
import { validateArguments } from "../catalog/validate.ts";
import { editObject, memberOf } from "../lib/json.ts";
import type { Call, Outcome, Reply } from "../model/call.ts";
import type { ToolEntry } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { decide } from "../policy/decide.ts";
import { checkHeaderParams } from "../protocol/headers.ts";
import { contentWith } from "../protocol/legacy-results.ts";
import { type ClientProfile, profileOf } from "../protocol/profiles.ts";
import { approvalIn, approvalRequest, asked, targetAnswers } from "./ask.ts";
import { dispatched } from "./dispatch.ts";
import { errorResult, targetFailure } from "./failure.ts";
import { idempotencyKeyOf, once } from "./once.ts";
import { outlives, runAsTask } from "./outlive.ts";
import { cursorOf, nameOf, pageOutcome } from "./params.ts";
import { NOTHING_CARRIED, openState } from "./state.ts";

export async function* listTools(call: Call, ctx: CallContext): Reply {
  const snapshot = await freshSnapshot(ctx);
  const page = await toolsPage(ctx, snapshot, cursorOf(call), profileOf(call.clientInfo));
  return pageOutcome("tools", page);
}

/**
 * `tools/call`: find, decide, check the arguments, dispatch, check the result. Unknown and denied are one answer.
 * With an idempotency key it is dispatched once (see `once`). What is wrong with the arguments, and what goes wrong at the target, are results that a model can act on.
 */
export async function* callTool(call: Call, ctx: CallContext): Reply {
  const name = nameOf(call);
  const key = idempotencyKeyOf(call);
  const client = profileOf(call.clientInfo);
  const { snapshot, entry } = offered(name, ctx) ?? (await sought(name, ctx, client));
  const decision = decide(snapshot.index, { principal: ctx.principal, entry, args: call.params["arguments"] });
  if (decision.effect === "deny") throw unknown(name);
  checkHeaderParams(call, entry.headers);
  if (entry.resumable) ctx.keepStream?.(true);
  const checked = validateArguments(ctx.platform, snapshot, entry, call.params["arguments"] ?? {}, call.raw.arguments?.length ?? 2);
  const problems = checked instanceof Promise ? await checked : checked;
  if (problems.length > 0) return invalidArguments(name, problems, ctx);
  const state = call.requestState === null ? NOTHING_CARRIED : await openState(call, ctx);
  const approved = state.approved || approvalIn(call) === true;
  if (decision.effect === "ask" && !approved) {
    if (approvalIn(call) === false) return refusedByPerson(name, ctx);
    if (!ctx.canAsk || call.capabilities.elicitation === undefined) return nobodyToAsk(name, ctx);
    return asked(approvalRequest(name), call, ctx, false);
  }
  const isRetry = call.requestState !== null || call.inputResponses !== null;
  const sent = isRetry ? { ...call, inputResponses: targetAnswers(call), requestState: state.inner } : call;
  const outliving = outlives(entry, sent, ctx, snapshot);
  const run = () => (outliving ? runAsTask(outliving, entry, sent, ctx, snapshot) : dispatched(sent, ctx, snapshot, entry));
  let outcome: Outcome;
  try {
    outcome = yield* key === null ? run() : once(key, call, entry, ctx, run);
  } catch (thrown) {
    return targetFailure(thrown, ctx);
  }
  if (outcome.type === "input_required") return asked(outcome, call, ctx, approved);
  return client.contentOnly ? legible(outcome) : outcome;
}

/** What a call runs on: on its way here nothing but memory was asked when the isolate has the snapshot. */
interface Found {
  snapshot: Snapshot;
  entry: ToolEntry;
}

function offered(name: string, ctx: CallContext): Found | null {
  const snapshot = currentSnapshot(ctx);
  const entry = snapshot instanceof Promise ? null : findTool(ctx, snapshot, name);
  return snapshot instanceof Promise || !entry ? null : { snapshot, entry };
}

async function sought(name: string, ctx: CallContext, { nameChars }: ClientProfile): Promise<Found> {
  const current = await currentSnapshot(ctx);
  const known = findTool(ctx, current, name) ?? (await findShortened(ctx, current, name, nameChars));
  if (known) return { snapshot: current, entry: known };
  const fresh = await freshSnapshot(ctx);
  const entry = findTool(ctx, fresh, name) ?? (await findShortened(ctx, fresh, name, nameChars));
  if (!entry) throw unknown(name);
  return { snapshot: fresh, entry };
}

function unknown(name: string): GatewayError {
  return new GatewayError("not_found", `unknown tool: ${name}`, { data: { name } });
}

function invalidArguments(name: string, problems: string[], ctx: CallContext): Outcome {
  const text = `The arguments of ${name} are not valid:\n${problems.map((problem) => `- ${problem}`).join("\n")}`;
  return errorResult(text, ctx, new GatewayError("invalid", "invalid arguments", { data: { problems } }));
}

function refusedByPerson(name: string, ctx: CallContext): Outcome {
  return errorResult(`The call of ${name} was not allowed by the person who was asked.`, ctx, new GatewayError("forbidden", "not allowed"));
}

function nobodyToAsk(name: string, ctx: CallContext): Outcome {
  const text = `The workspace wants a person to allow each call of ${name}, and this client cannot ask one (it has no elicitation).`;
  return errorResult(text, ctx, new GatewayError("forbidden", "approval needed"));
}

/** The result for a client that shows `content` alone: what would be only in `structuredContent` is there too, as text. */
function legible(outcome: Outcome): Outcome {
  const structured = outcome.type === "complete" ? memberOf(outcome.result, "structuredContent") : null;
  if (outcome.type !== "complete" || structured === null) return outcome;
  return { ...outcome, result: editObject(outcome.result, { set: { content: (was) => contentWith(structured, was) } }) };
}
