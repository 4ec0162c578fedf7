import type { UpstreamSessionState } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonText } from "../../model/json.ts";
import { cutBy } from "../../lib/abort.ts";
import { discard, send } from "../../lib/egress.ts";
import { IMPLEMENTATION } from "../../protocol/identity.ts";
import { isLegacy, LEGACY } from "../../protocol/revisions.ts";
import { invalidAnswer, refusal, statusError } from "./errors.ts";
import type { Link } from "./link.ts";
import { isOurs, parsed, readMessage } from "./message.ts";
import { ACCEPT_BOTH, plainRequest } from "./request.ts";
import { textsOf } from "./stream.ts";
import { Watch } from "./watch.ts";

const CLOSE_MS = 5_000;
const VISIBLE_ASCII = /^[\x21-\x7e]{1,2048}$/;

/** `foreign`: the answer is not that of a legacy server, whose era is then worth another look. */
export type Opened = { ok: true; state: UpstreamSessionState } | { ok: false; error: GatewayError; foreign: boolean };

/**
 * `initialize` and `notifications/initialized` (MCP 2025-11-25, lifecycle) with the newest legacy revision; whatever older one
 * the server answers is taken. Authorization problems and outages are refusals too, but not `foreign`.
 */
export async function openSession(link: Link, capabilities: JsonObject, signal: AbortSignal): Promise<Opened> {
  const params = { protocolVersion: LEGACY[0] ?? "", capabilities, clientInfo: { ...IMPLEMENTATION } };
  const request = plainRequest("initialize", params, null);
  const watch = new Watch(link, cutBy(signal), { until: link.now() + link.limits.firstByteMs });
  try {
    const response = await send(link.url, {
      method: "POST",
      headers: { ...link.headers, ...request.headers },
      body: request.body,
      signal: watch.signal,
      allowInsecure: link.allowInsecure,
      hops: link.hops,
    });
    if (response.status !== 200) {
      await discard(response);
      const failed = statusError(response, link.now());
      return { ok: false, error: failed ?? refusal(response.status), foreign: failed === null };
    }
    const id = response.headers.get("mcp-session-id");
    if (id !== null && !VISIBLE_ASCII.test(id)) return { ok: false, error: invalidAnswer("its session id has characters that are not allowed"), foreign: true };
    for await (const text of textsOf(response, link, watch)) {
      const message = readMessage(text);
      if (message.kind === "error" && isOurs(message.id, request.id)) return { ok: false, error: invalidAnswer("it refuses to initialize"), foreign: true };
      if (message.kind !== "result" || !isOurs(message.id, request.id)) continue;
      const state = stateOf(id, message.result);
      if (!state) return { ok: false, error: invalidAnswer("it initializes with a protocol version the gateway does not know"), foreign: true };
      await notify(link, state, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, watch.signal);
      return { ok: true, state };
    }
    return { ok: false, error: invalidAnswer("it did not answer initialize"), foreign: true };
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    return { ok: false, error: thrown, foreign: thrown.code === "upstream_invalid" };
  } finally {
    watch.close();
  }
}

/** Ends a session at the upstream. 404 and 405 are as good as an end; nothing is reported. */
export async function closeSession(link: Link, state: UpstreamSessionState): Promise<void> {
  if (state.id === null) return;
  const headers = { ...link.headers, ...sessionHeaders(state) };
  await send(link.url, { method: "DELETE", headers, signal: AbortSignal.timeout(CLOSE_MS), allowInsecure: link.allowInsecure, hops: link.hops }).then(discard, ignore);
}

/** POSTs a notification or a response; the answer is 202 and says nothing. Throws only when it could not be sent. */
export async function notify(link: Link, state: UpstreamSessionState, message: JsonText, signal: AbortSignal): Promise<void> {
  const headers = { ...link.headers, "content-type": "application/json", accept: ACCEPT_BOTH, ...sessionHeaders(state) };
  const response = await send(link.url, { method: "POST", headers, body: message, signal, allowInsecure: link.allowInsecure, hops: link.hops });
  await discard(response);
}

/** What every request of a session carries; the version header exists since 2025-06-18. */
export function sessionHeaders(state: UpstreamSessionState): Record<string, string> {
  const headers: Record<string, string> = {};
  if (state.id !== null) headers["mcp-session-id"] = state.id;
  if (state.revision >= "2025-06-18") headers["mcp-protocol-version"] = state.revision;
  return headers;
}

/** What the result of `initialize` agrees on; null when it makes no sense. */
export function stateOf(id: string | null, result: JsonText): UpstreamSessionState | null {
  const value = parsed(result);
  if (!isObject(value) || typeof value.protocolVersion !== "string" || !isLegacy(value.protocolVersion)) return null;
  return {
    id,
    revision: value.protocolVersion,
    capabilities: isObject(value.capabilities) ? value.capabilities : {},
    instructions: typeof value.instructions === "string" ? value.instructions : null,
  };
}

function ignore(): void {}
