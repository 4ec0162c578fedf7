import type { Call } from "../../model/call.ts";
import type { CallContext } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { type Attempting, passedOn } from "./attempt.ts";
import { type Channel, openChannel, post } from "./channel.ts";
import { invalidAnswer } from "./errors.ts";
import { answered, declineRequest, cancel } from "./legacy.ts";
import { notify } from "./handshake.ts";
import type { Link } from "./link.ts";
import { isOurs, readMessage } from "./message.ts";
import { legacyRequest, plainRequest } from "./request.ts";
import { Watch } from "./watch.ts";

export interface ChannelTry {
  link: Link;
  /** The upstream's own name or URI of what is called. */
  name: string;
  until: number;
  /** Told the revision once the upstream has proved to speak this transport. */
  opened(revision: string): void;
}

/**
 * One call over a connection of its own to an upstream of HTTP+SSE. Until that is open nothing was run; a cancel is posted before it is closed.
 * `again` for `era`: it speaks another transport.
 */
export async function* tryChannel(call: Call, ctx: CallContext, { link, name, until, opened }: ChannelTry): Attempting {
  const request = legacyRequest(call, name);
  const leave = await link.gate?.enter(ctx);
  let channel: Channel | null = null;
  const stop = () => (channel ? cancel(channel.link, channel.state, request, ctx) : Promise.resolve());
  const watch = new Watch(link, ctx, { until, onCancel: stop });
  let finished = false;
  try {
    const open = await openChannel(link, {}, watch).catch(foreign);
    if (open instanceof GatewayError) return { type: "again", why: "era", error: open };
    const { state } = open;
    opened(state.revision);
    if (call.logLevel !== null && state.capabilities.logging) await notify(open.link, state, plainRequest("logging/setLevel", { level: call.logLevel }, null).body, watch.signal);
    channel = open;
    await post(open, request.body, watch.signal);
    for await (const text of open.texts) {
      const message = readMessage(text);
      if (message.kind === "invalid") throw invalidAnswer("it is no JSON-RPC message");
      if (message.kind === "notification") {
        const notification = passedOn(message.method, message.params, request.progressToken);
        if (notification) yield notification;
      } else if (message.kind === "request") ctx.waitUntil(declineRequest(open.link, state, message));
      else if (isOurs(message.id, request.id)) {
        finished = true;
        return answered(message, call, ctx);
      }
    }
    throw invalidAnswer("it ended without a response to the request");
  } finally {
    leave?.();
    if (!finished && !watch.signal.aborted) ctx.waitUntil(stop());
    watch.close();
    // A stream that is being read is given up by the loop itself.
    void channel?.texts.return();
  }
}

/** A server that is there and does not speak this transport; what else went wrong is no verdict. */
function foreign(thrown: unknown): GatewayError {
  const status = thrown instanceof GatewayError ? thrown.data?.status : undefined;
  if (thrown instanceof GatewayError && (thrown.code === "upstream_invalid" || (typeof status === "number" && [400, 404, 405].includes(status)))) return thrown;
  throw thrown;
}
