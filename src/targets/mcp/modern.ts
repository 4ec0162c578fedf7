import type { Call } from "../../model/call.ts";
import type { HeaderParam } from "../../model/catalog.ts";
import type { CallContext } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonText } from "../../model/json.ts";
import { discard } from "../../lib/egress.ts";
import { TASKS } from "../../protocol/capabilities.ts";
import { carriedExtensions } from "../../protocol/extensions.ts";
import { HEADER_MISMATCH, METHOD_NOT_FOUND, MISSING_CAPABILITY, UNSUPPORTED_VERSION } from "../../protocol/jsonrpc.ts";
import { type Attempt, type Attempting, end, passedOn, unreached } from "./attempt.ts";
import { invalidAnswer, refusal, statusError } from "./errors.ts";
import { type Link, sendOver } from "./link.ts";
import { isOurs, type Message, parsed, readMessage } from "./message.ts";
import { errorOutcome, resultOutcome } from "./outcome.ts";
import { refusalOf } from "./probe.ts";
import { modernRequest, type UpstreamRequest } from "./request.ts";
import { textsOf } from "./stream.ts";
import { Watch } from "./watch.ts";

export interface ModernTry {
  link: Link;
  /** The upstream's own name or URI of what is called. */
  name: string;
  revision: string;
  params: readonly HeaderParam[];
  until: number;
  /** The upstream is told that a call may become a task. */
  tasks: boolean;
}

/** One POST to a modern upstream. Closing it is the cancellation (MCP 2026-07-28, streamable HTTP). */
export async function* tryModern(call: Call, ctx: CallContext, { link, name, revision, params, until, tasks }: ModernTry): Attempting {
  const request = modernRequest(call, name, revision, carriedCapabilities(call, ctx.canAsk, tasks), params);
  const entered = link.gate?.enter(ctx);
  const leave = entered instanceof Promise ? await entered : entered;
  const watch = new Watch(link, ctx, { until });
  try {
    const sent = sendOver(link, { method: "POST", headers: request.headers, body: request.body, signal: watch.signal });
    const response = await sent.catch(unreached);
    if (!(response instanceof Response)) return response;
    if (response.status !== 200) return await refused(response, request, call, ctx, watch, tasks);
    for await (const text of textsOf(response, link, watch)) {
      const message = readMessage(text);
      if (message.kind === "invalid") throw invalidAnswer("it is no JSON-RPC message");
      if (message.kind === "notification") {
        const notification = passedOn(message.method, message.params, request.progressToken);
        if (notification) yield notification;
      } else if (message.kind !== "request" && isOurs(message.id, request.id)) {
        return answered(message, call, ctx, tasks);
      }
    }
    throw invalidAnswer("it ended without a response to the request");
  } finally {
    leave?.();
    watch.close();
  }
}

/** An answer that is not 200: a status that speaks for itself, an error in the body, or a server of the other era. */
async function refused(response: Response, request: UpstreamRequest, call: Call, ctx: CallContext, watch: Watch, tasks: boolean): Promise<Attempt> {
  const failed = statusError(response, ctx.platform.now());
  if (failed) {
    await discard(response);
    throw failed;
  }
  if (response.status < 400) {
    await discard(response);
    throw invalidAnswer(`a request is answered with a result, not with HTTP ${response.status}`);
  }
  const error = await refusalOf(response, watch.signal);
  const recognized = error !== null && (isOurs(error.id, request.id) || (error.code <= -32020 && error.code >= -32022));
  // Of the server behind a 404 that is no unknown method, the client knows nothing.
  if (response.status === 404 && recognized && error.code !== METHOD_NOT_FOUND) throw refusal(response.status);
  if (recognized) return answered(error, call, ctx, tasks);
  return { type: "again", why: "era", error: refusal(response.status) };
}

function answered(message: Extract<Message, { kind: "result" | "error" }>, call: Call, ctx: CallContext, tasks: boolean): Attempt {
  if (message.kind === "result") return end(resultOutcome(message.result, message.members, call, true));
  if (message.code === UNSUPPORTED_VERSION || message.code === HEADER_MISMATCH) {
    const error = new GatewayError("upstream", "the upstream does not accept how the gateway speaks the protocol", { data: { upstreamCode: message.code } });
    return { type: "again", why: message.code === UNSUPPORTED_VERSION ? "era" : "headers", error };
  }
  if (message.code === MISSING_CAPABILITY && !tasks && needsTasks(message.error)) return { type: "again", why: "tasks", error: new GatewayError("upstream", "the upstream runs this as a task only") };
  return end(errorOutcome(message.error, message.code, call, ctx.revision));
}

function needsTasks(error: JsonText): boolean {
  const value = parsed(error);
  const data = isObject(value) && isObject(value.data) ? value.data.requiredCapabilities : null;
  return isObject(data) && isObject(data.extensions) && data.extensions[TASKS] !== undefined;
}

/**
 * What the client declared, as far as this hop can bring its answers back: for a call that cannot be asked, nothing but
 * extensions that need no answer (MCP 2026-07-28, MRTR).
 */
export function carriedCapabilities(call: Call, canAsk: boolean, tasks: boolean): JsonObject {
  const declared = call.capabilities;
  const carried: JsonObject = {};
  if (canAsk) {
    if (declared.elicitation) carried.elicitation = { ...declared.elicitation };
    if (declared.sampling) carried.sampling = declared.sampling;
    if (declared.roots) carried.roots = declared.roots;
  }
  const extensions = { ...carriedExtensions(declared.extensions), ...(tasks && { [TASKS]: {} }) };
  if (Object.keys(extensions).length > 0) carried.extensions = extensions;
  return carried;
}
