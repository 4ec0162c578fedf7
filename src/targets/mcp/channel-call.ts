import type { Call } from "../../model/call.ts";
import { GatewayError } from "../../model/error.ts";
import type { JsonObject } from "../../model/json.ts";
import type { Attempting } from "./attempt.ts";
import { type Channel, foreign, openChannel, post } from "./channel.ts";
import { answered, answerRequest, cancel, type LegacyTry, responseIn, type TryContext, tryLegacy } from "./legacy.ts";
import { notify } from "./handshake.ts";
import { legacyRequest, plainRequest } from "./request.ts";
import { Watch } from "./watch.ts";

/** A connection is its own session. */
export interface ChannelTry extends Omit<LegacyTry, "session"> {
  session: null;
  /** What the upstream is told that its client can. */
  capabilities: JsonObject;
}

/** One try at a legacy upstream, by the transport it speaks. */
export function tryLeg(call: Call, ctx: TryContext, leg: LegacyTry | ChannelTry): Attempting {
  return leg.session === null ? tryChannel(call, ctx, leg) : tryLegacy(call, ctx, leg);
}

/**
 * One call over a connection of its own to an upstream of HTTP+SSE. Until that is open nothing was run; a cancel is posted before it is closed.
 * `again` for `era`: it speaks another transport.
 */
async function* tryChannel(call: Call, ctx: TryContext, { link, name, until, capabilities, asker }: ChannelTry): Attempting {
  const request = legacyRequest(call, name);
  const leave = await link.gate?.enter(ctx);
  let channel: Channel | null = null;
  const stop = () => (channel ? cancel(channel.link, channel.state, request, ctx) : Promise.resolve());
  const watch = new Watch(link, ctx, { until, onCancel: stop });
  let finished = false;
  try {
    const open = await openChannel(link, capabilities, watch).catch(foreign);
    if (open instanceof GatewayError) return { type: "again", why: "era", error: open };
    const { state } = open;
    if (call.logLevel !== null && state.capabilities.logging) await notify(open.link, state, plainRequest("logging/setLevel", { level: call.logLevel }, null).body, watch.signal);
    channel = open;
    await post(open, request, watch.signal);
    const message = yield* responseIn(open.texts, request, asker, (question) => answerRequest(question, ctx, open.link, state, watch, asker));
    finished = true;
    return answered(message, call, ctx);
  } finally {
    leave?.();
    if (!finished && !watch.signal.aborted) ctx.waitUntil(stop());
    watch.close();
    // A stream that is being read is given up by the loop itself.
    void channel?.texts.return();
  }
}
