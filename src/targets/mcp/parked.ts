import { chunks } from "../../lib/egress.ts";
import { linesOf } from "../../lib/lines.ts";
import { heard } from "../../lib/told.ts";
import type { Call, InputRequired, Notification, Outcome, Reply } from "../../model/call.ts";
import type { CallContext } from "../../model/context.ts";
import type { JsonObject } from "../../model/json.ts";
import { spentState } from "../../protocol/failures.ts";
import { type Attempting, end } from "./attempt.ts";
import { type LegAnswer, type LegEnd, type LegLine, type LegStart, lostCall, type ParkedPlace, placeIn } from "./leg.ts";
import type { ChannelTry } from "./channel-call.ts";
import type { LegacyTry } from "./legacy.ts";
import { leavePlace, takePlace } from "./places.ts";

/*
 * The Worker's side of a call of a legacy upstream that runs in an object, because it may ask in the middle: the object keeps the
 * upstream's stream, the Worker holds the client's answer. A question ends the leg as `input_required`; the next request goes on.
 */

export const parkedOf = placeIn;

/** The first leg, in an object that has no other call. One that ended without a question leaves nothing there, and the next may have the place. */
export async function* runParked(call: Call, ctx: CallContext, leg: LegacyTry | ChannelTry, owner: string, capabilities: JsonObject): Attempting {
  ctx.keepStream?.(false);
  const object = takePlace(ctx.workspace.id);
  const { gate: _gate, now: _now, ...link } = leg.link;
  const { headerParam: _, ...plain } = call;
  const { name, key, session, until } = leg;
  const start: LegStart = { object, owner, call: plain, revision: ctx.revision, link, name, key, session, until, capabilities, parkedMs: ctx.limits.parkedMs };
  const ended = yield* exchange(object, "call", start, ctx);
  if (ended.type === "again") return { ...ended, error: heard(ended.error) };
  const outcome = outcomeOf(ended, object, ctx);
  if (!waits(outcome)) leavePlace(ctx.workspace.id, object);
  return end(outcome);
}

/** The next leg of a call that waits for these answers. Never sends the call again, whatever has become of it. */
export async function* resumeParked({ object, round, until }: ParkedPlace, owner: string, call: Call, ctx: CallContext): Reply {
  if (until < ctx.platform.now()) throw spentState();
  const answer: LegAnswer = { owner, round, responses: call.inputResponses ?? {} };
  return outcomeOf(yield* exchange(object, "answer", answer, ctx), object, ctx);
}

function outcomeOf(ended: LegEnd, object: string, ctx: CallContext): Outcome {
  switch (ended.type) {
    case "outcome":
      return waits(ended.outcome) ? { ...ended.outcome, abandon: () => ctx.waitUntil(abandon(object, ctx)) } : ended.outcome;
    case "refused":
      throw spentState();
    case "lost":
      throw lostCall();
    default:
      throw heard(ended.error);
  }
}

/** A page to be opened first (-32042) is asked for by a call that has ended, and has no state. */
function waits(outcome: Outcome): outcome is InputRequired {
  return outcome.type === "input_required" && outcome.requestState !== undefined;
}

/** One request to the object and what it says; leaving early tells it that nobody listens any more. */
async function* exchange(object: string, path: string, body: LegStart | LegAnswer, ctx: CallContext): AsyncGenerator<Notification, LegEnd, void> {
  const { signal } = ctx;
  const stop = new AbortController();
  const left = () => stop.abort();
  signal.addEventListener("abort", left);
  if (signal.aborted) left();
  try {
    const request = new Request(`https://session/${path}`, { method: "POST", body: JSON.stringify(body), signal: stop.signal });
    const response = await ctx.platform.session(object).fetch(request);
    for await (const line of linesOf<LegLine>(chunks(response))) {
      if (line.type !== "notification") return line;
      yield line.notification;
    }
    return LOST;
  } catch (thrown) {
    throw signal.aborted ? signal.reason : lostCall(thrown);
  } finally {
    signal.removeEventListener("abort", left);
  }
}

const LOST: LegEnd = { type: "lost" };

async function abandon(object: string, ctx: CallContext): Promise<void> {
  await ctx.platform.session(object).fetch(new Request("https://session/abandon", { method: "POST" }));
}
