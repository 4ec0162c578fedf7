import type { UpstreamSessionState } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonText } from "../../model/json.ts";
import { cuttable } from "../../lib/abort.ts";
import { discard } from "../../lib/egress.ts";
import { IMPLEMENTATION } from "../../protocol/identity.ts";
import { isLegacy, LEGACY } from "../../protocol/revisions.ts";
import { invalidAnswer, refusal, statusError } from "./errors.ts";
import { type Link, sendOver } from "./link.ts";
import { isOurs, type Message, parsed, readMessage } from "./message.ts";
import { refusalOf, supportedOf } from "./probe.ts";
import { ACCEPT_BOTH, plainRequest } from "./request.ts";
import { textsOf } from "./stream.ts";
import { Watch } from "./watch.ts";

const CLOSE_MS = 5_000;
const VISIBLE_ASCII = /^[\x21-\x7e]{1,2048}$/;

/**
 * `foreign`: the answer is not that of a legacy server, whose era is then worth another look. `instead`: the newest revision we know of those that the
 * server named when it refused the one proposed.
 */
export type Opened = { ok: true; state: UpstreamSessionState } | { ok: false; error: GatewayError; foreign: boolean; instead?: string | null };

/**
 * `initialize` and `notifications/initialized` (MCP 2025-11-25, lifecycle) with the newest legacy revision; whatever older one
 * the server answers is taken, and one that it names in an error is proposed then. Authorization problems and outages are refusals too, but not `foreign`.
 */
export async function openSession(link: Link, capabilities: JsonObject, signal: AbortSignal): Promise<Opened> {
  const opened = await initialize(link, LEGACY[0] ?? "", capabilities, signal);
  return opened.ok || !opened.instead ? opened : initialize(link, opened.instead, capabilities, signal);
}

async function initialize(link: Link, revision: string, capabilities: JsonObject, signal: AbortSignal): Promise<Opened> {
  const request = plainRequest("initialize", proposal(revision, capabilities), null);
  const watch = new Watch(link, cuttable(signal), { until: link.now() + link.limits.firstByteMs });
  try {
    const response = await sendOver(link, { method: "POST", headers: request.headers, body: request.body, signal: watch.signal });
    if (response.status !== 200) {
      const failed = statusError(response, link.now());
      if (failed) await discard(response);
      const error = failed ? null : await refusalOf(response, watch.signal);
      return { ok: false, error: failed ?? refusal(response.status), foreign: failed === null, instead: error && legacyInstead(revision, error) };
    }
    const id = response.headers.get("mcp-session-id");
    if (id !== null && !VISIBLE_ASCII.test(id)) return { ok: false, error: invalidAnswer("its session id has characters that are not allowed"), foreign: true };
    for await (const text of textsOf(response, link, watch)) {
      const message = readMessage(text);
      if (message.kind === "error" && isOurs(message.id, request.id)) return { ok: false, error: invalidAnswer("it refuses to initialize"), foreign: true, instead: legacyInstead(revision, message) };
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

/** Params of `initialize`. */
export function proposal(revision: string, capabilities: JsonObject): JsonObject {
  return { protocolVersion: revision, capabilities, clientInfo: { ...IMPLEMENTATION } };
}

/** What a server that refuses `initialize` wants proposed in its place (MCP 2025-11-25, lifecycle: error handling); null: nothing we know. */
export function legacyInstead(revision: string, refused: Extract<Message, { kind: "error" }>): string | null {
  const supported = supportedOf(refused.error);
  return supported.includes(revision) ? null : (LEGACY.find((known) => supported.includes(known)) ?? null);
}

/** Ends a session at the upstream. 404 and 405 are as good as an end; nothing is reported. */
export async function closeSession(link: Link, state: UpstreamSessionState): Promise<void> {
  if (state.id === null) return;
  await sendOver(link, { method: "DELETE", headers: sessionHeaders(state), signal: AbortSignal.timeout(CLOSE_MS) }).then(discard, ignore);
}

/** POSTs a notification or a response; the answer is 202 and says nothing. Throws only when it could not be sent. */
export async function notify(link: Link, state: UpstreamSessionState, message: JsonText, signal: AbortSignal): Promise<void> {
  const headers = { "content-type": "application/json", accept: ACCEPT_BOTH, ...sessionHeaders(state) };
  await discard(await sendOver(link, { method: "POST", headers, body: message, signal }));
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
