import { GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonValue } from "../../model/json.ts";
import { cuttable } from "../../lib/abort.ts";
import { discard, readText } from "../../lib/egress.ts";
import { HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION } from "../../protocol/jsonrpc.ts";
import { isLegacy, isModern, MODERN } from "../../protocol/revisions.ts";
import type { Discovery } from "./eras.ts";
import { invalidAnswer, statusError } from "./errors.ts";
import { type Link, sendOver } from "./link.ts";
import { isOurs, type Message, parsed, readMessage } from "./message.ts";
import { plainRequest } from "./request.ts";
import { mediaTypeOf, textsOf } from "./stream.ts";
import { Watch } from "./watch.ts";

const REFUSAL_BYTES = 64 * 1024;

/**
 * Which era an upstream speaks, by asking `server/discover`; never by trying a call, which some legacy servers would run.
 * Authorization problems and outages are thrown: they are no verdict. Errors: as `statusError`, plus `unsupported`-like
 * `upstream` when it only speaks revisions the gateway does not know.
 */
export async function discover(link: Link, signal: AbortSignal): Promise<Extract<Discovery, { era: "modern" | "legacy" }>> {
  let revision = newest();
  for (let asked = 0; asked < 2; asked++) {
    const found = await ask(link, revision, signal);
    if (found.era === "modern" || found.era === "legacy") return found;
    if (found.era === "unknown") throw new GatewayError("upstream", `the upstream only speaks ${found.supported.join(", ")}`, { data: { supported: found.supported } });
    revision = found.revision;
  }
  throw invalidAnswer("it refuses the protocol version it asked for");
}

async function ask(link: Link, revision: string, signal: AbortSignal): Promise<Discovery> {
  const request = plainRequest("server/discover", {}, revision);
  const watch = new Watch(link, cuttable(signal), { until: link.now() + link.limits.firstByteMs });
  try {
    const response = await sendOver(link, { method: "POST", headers: request.headers, body: request.body, signal: watch.signal });
    const failed = statusError(response, link.now());
    if (failed) {
      await discard(response);
      throw failed;
    }
    if (response.status !== 200) return fromRefusal(await refusalOf(response, watch.signal), revision);
    for await (const text of textsOf(response, link, watch)) {
      const message = readMessage(text);
      if (message.kind === "result" && isOurs(message.id, request.id)) return fromResult(parsed(message.result));
      if (message.kind === "error" && (message.id === null || isOurs(message.id, request.id))) return fromRefusal(message, revision);
    }
    return { era: "legacy" };
  } catch (thrown) {
    // A 200 that is no JSON-RPC is not what a modern server says.
    if (thrown instanceof GatewayError && thrown.code === "upstream_invalid") return { era: "legacy" };
    throw thrown;
  } finally {
    watch.close();
  }
}

/** The JSON-RPC error in a refusal, or null; the body is read for nothing else. */
export async function refusalOf(response: Response, signal: AbortSignal): Promise<Extract<Message, { kind: "error" }> | null> {
  if (mediaTypeOf(response) !== "application/json") {
    await discard(response);
    return null;
  }
  try {
    const message = readMessage(await readText(response, REFUSAL_BYTES, signal));
    return message.kind === "error" ? message : null;
  } catch (thrown) {
    if (thrown instanceof GatewayError && (thrown.code === "upstream_invalid" || thrown.code === "too_large")) return null;
    throw thrown;
  }
}

/** The modern revision to go on with after a -32022; null when it names none that the gateway knows. */
export function mutualRevision(supported: readonly string[]): string | null {
  return MODERN.find((revision) => supported.includes(revision)) ?? null;
}

/** Revisions named by a -32022. */
export function supportedOf(error: string): string[] {
  const value = parsed(error);
  const data = isObject(value) && isObject(value.data) ? value.data : {};
  return strings(data.supported);
}

function fromResult(value: JsonValue | undefined): Discovery {
  const result: JsonObject = isObject(value) ? value : {};
  const supported = strings(result.supportedVersions);
  const revision = mutualRevision(supported);
  // What it lists besides is modern: whether it also has the handshake, only the handshake can tell.
  if (revision === null) return { era: "legacy" };
  return {
    era: "modern",
    revision,
    capabilities: isObject(result.capabilities) ? result.capabilities : {},
    instructions: typeof result.instructions === "string" ? result.instructions : null,
  };
}

function fromRefusal(refused: Extract<Message, { kind: "error" }> | null, asked: string): Discovery {
  if (refused?.code === HEADER_MISMATCH || refused?.code === MISSING_CAPABILITY) {
    return { era: "modern", revision: asked, capabilities: {}, instructions: null };
  }
  if (refused?.code !== UNSUPPORTED_VERSION) return { era: "legacy" };
  const supported = supportedOf(refused.error);
  const mutual = mutualRevision(supported);
  if (mutual !== null) return { era: "ask_again", revision: mutual };
  return supported.some(isModern) && !supported.some(isLegacy) ? { era: "unknown", supported } : { era: "legacy" };
}

function strings(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === "string") : [];
}

function newest(): string {
  return MODERN[0] ?? "";
}
