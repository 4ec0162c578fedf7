import { randomToken } from "../lib/ids.ts";
import { log } from "../lib/log.ts";
import { reach, RETRY_AFTER, twice } from "../lib/reach.ts";
import { heard, type Told, told } from "../lib/told.ts";
import type { Call, Outcome, Reply } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError, toGatewayError } from "../model/error.ts";
import { ownerOf } from "../model/identity.ts";
import type { JsonText } from "../model/json.ts";
import type { Given, RunPause } from "../model/run.ts";
import { spentState } from "../protocol/failures.ts";
import { INVALID_ANSWERS } from "../protocol/jsonrpc.ts";

/*
 * The Worker's side of a run that asks: what it has done is kept by its `Run` object, its caller gets the questions, and the retry with the answers goes on.
 */

/** Where a run waits, as the inner `requestState`: whoever holds it has it sealed. */
export interface RunPlace {
  run: string;
  round: number;
}

/** How one part of a run ended. */
type PartEnd = { outcome: Outcome } | { error: Told };

const STATE = "causeway-run:";
const PAUSE_MS = 10_000;

export function runPlace(state: string | null): RunPlace | null {
  if (!state?.startsWith(STATE)) return null;
  const [run, round] = JSON.parse(state.slice(STATE.length));
  return { run, round };
}

/** Keeps the run where it stands and asks. `abandoned` is told when nobody will answer, as far as this isolate learns it. Errors: `unavailable` when it cannot be kept, and then it has ended. */
export async function pauseRun(pause: Omit<RunPause, "workspace" | "owner">, ctx: CallContext, abandoned: () => void): Promise<Outcome> {
  const { run, round, questions } = pause;
  const isKept = await reach(() => ctx.platform.run(run).pause({ ...pause, workspace: ctx.workspace.id, owner: ownerOf(ctx) }), PAUSE_MS);
  if (!isKept) {
    abandoned();
    throw new GatewayError("unavailable", "the run could not be kept for its answers", { retryAfter: RETRY_AFTER });
  }
  const abandon = () => {
    abandonRun({ run, round }, ctx);
    abandoned();
  };
  return { type: "input_required", inputRequests: questions, requestState: STATE + JSON.stringify([run, round]), abandon };
}

/** Nobody will answer: the run ends, in its trace too. One that cannot be told ends when its time is over. */
export function abandonRun({ run, round }: RunPlace, ctx: CallContext): void {
  ctx.waitUntil(twice(() => ctx.platform.run(run).abandon(ownerOf(ctx), round)).catch(() => undefined));
}

/** A part of a run as it goes on. */
export interface Part extends Given {
  kept: JsonText;
  /** By which it took the run up. */
  token: string;
}

/**
 * Goes on with a run by the answers of this call, once: the same answers again get the same end for a minute. Errors: `invalid` for a state that is used
 * up or too old, and for answers that do not fit what was asked, which use nothing up; `conflict` while the same answers are at work.
 */
export async function* resumeRun({ run, round }: RunPlace, call: Call, ctx: CallContext, goOn: (part: Part) => Reply): Reply {
  const object = () => ctx.platform.run(run);
  const token = randomToken(16);
  const lastsMs = Math.max(0, ctx.deadline - ctx.platform.now());
  const resumed = await twice(() => object().resume({ owner: ownerOf(ctx), round, responses: call.inputResponses ?? {}, token, lastsMs }));
  switch (resumed.type) {
    case "ended":
      return endIn(resumed.end);
    case "running":
      throw new GatewayError("conflict", "the run goes on with these answers already", { retryAfter: 5, data: { reason: "running" } });
    case "invalid":
      throw new GatewayError("invalid", `the answers do not fit what was asked: ${resumed.problems.join("; ")}`, { data: { reason: INVALID_ANSWERS, problems: resumed.problems } });
    case "refused":
      throw spentState();
    case "go":
  }
  let end: PartEnd = { error: told(new GatewayError("cancelled", "the call was given up")) };
  try {
    const outcome = yield* goOn({ kept: resumed.kept, answers: resumed.answers, responses: resumed.responses, token });
    end = { outcome };
    return outcome;
  } catch (thrown) {
    end = { error: told(toGatewayError(thrown)) };
    throw thrown;
  } finally {
    const text = JSON.stringify(end);
    ctx.waitUntil(twice(() => object().settle(token, text)).catch((cause: unknown) => log("warn", "how a run went on was not kept", { run, requestId: ctx.requestId, cause })));
  }
}

function endIn(text: JsonText): Outcome {
  const end: PartEnd = JSON.parse(text);
  if ("error" in end) throw heard(end.error);
  return end.outcome;
}
