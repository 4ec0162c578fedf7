import type { Platform, UpstreamSessionState } from "../../model/context.ts";
import { type Challenge, GatewayError } from "../../model/error.ts";
import { isObject, type JsonObject, type JsonText, type JsonValue } from "../../model/json.ts";
import { cuttable } from "../../lib/abort.ts";
import { discard } from "../../lib/egress.ts";
import { elementsOf, memberOf } from "../../lib/json.ts";
import { LISTING_CAPABILITIES } from "../../protocol/extensions.ts";
import { headerParamsOf } from "../../protocol/headers.ts";
import { METHOD_NOT_FOUND } from "../../protocol/jsonrpc.ts";
import { ask as askChannel, type Channel, mayBeChannel, openChannel } from "./channel.ts";
import { invalidAnswer, refusal, statusError } from "./errors.ts";
import { closeSession, openSession, sessionHeaders } from "./handshake.ts";
import { type Link, plainLink, sendOver } from "./link.ts";
import { isOurs, type Message, parsed, readMessage, unbatched } from "./message.ts";
import { discover, refusalOf } from "./probe.ts";
import { plainRequest } from "./request.ts";
import { textsOf } from "./stream.ts";
import { Watch } from "./watch.ts";

/** What an upstream offers, each entry as it wrote it. */
export interface UpstreamListing {
  revision: string;
  capabilities: JsonObject;
  instructions: string | null;
  tools: JsonText[];
  resources: JsonText[];
  templates: JsonText[];
  prompts: JsonText[];
  /** Entries that no client could use, by name as far as they have one. */
  dropped: { name: string; reason: string }[];
}

export interface ListOptions {
  url: string;
  /** Headers of its connection, opened. */
  headers: Readonly<Record<string, string>>;
  timeoutMs: number;
  signal?: AbortSignal;
}

/** How an upstream is spoken to while it is listed: by envelope, in a session, or over one HTTP+SSE connection. */
type Speaking = { era: "modern"; revision: string } | { era: "legacy"; state: UpstreamSessionState } | { era: "channel"; channel: Channel };

interface Kind {
  method: string;
  capability: string;
  member: string;
  problemOf(entry: JsonObject): string | null;
  key: string;
}

const TOOLS: Kind = { method: "tools/list", capability: "tools", member: "tools", key: "name", problemOf: toolProblem };
const RESOURCES: Kind = { method: "resources/list", capability: "resources", member: "resources", key: "uri", problemOf: () => null };
const TEMPLATES: Kind = { method: "resources/templates/list", capability: "resources", member: "resourceTemplates", key: "uriTemplate", problemOf: () => null };
const PROMPTS: Kind = { method: "prompts/list", capability: "prompts", member: "prompts", key: "name", problemOf: () => null };

const MAX_PAGES = 1_000;

/**
 * Asks an upstream for everything it offers, in whichever era it speaks, page by page. An entry that is malformed is dropped and named,
 * never fails the rest. Errors: as a call's; `too_large` over `toolsPerWorkspace` entries of a kind, `timeout` after `timeoutMs`.
 * Not checked: that schemas can be compiled, that names fit clients.
 */
export async function listUpstream(platform: Platform, options: ListOptions): Promise<UpstreamListing> {
  const link = plainLink(platform, options.url, options.headers);
  const deadline = new AbortController();
  const stop = () => deadline.abort(options.signal?.reason);
  const timer = setTimeout(() => deadline.abort(new GatewayError("timeout", `listing the upstream took longer than ${options.timeoutMs} ms`)), options.timeoutMs);
  if (options.signal?.aborted) stop();
  options.signal?.addEventListener("abort", stop);
  try {
    return await list(link, platform.config.limits.toolsPerWorkspace, deadline.signal);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
  }
}

/** What an upstream says to who comes without a credential; null when it lets everybody list. Errors: of listing, but for that refusal. */
export async function challengeOf(platform: Platform, url: string): Promise<Challenge | null> {
  try {
    await listUpstream(platform, { url, headers: {}, timeoutMs: platform.config.limits.firstByteMs });
    return null;
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.challenge) return thrown.challenge;
    throw thrown;
  }
}

/** The input schema of one tool as a modern upstream lists it now; null when it lists none by that name. */
export async function listedTool(link: Link, revision: string, name: string, signal: AbortSignal): Promise<JsonObject | null> {
  for await (const entry of entriesOf(link, { era: "modern", revision }, TOOLS, signal)) {
    const tool = parsed(entry);
    if (isObject(tool) && tool.name === name) return isObject(tool.inputSchema) ? tool.inputSchema : null;
  }
  return null;
}

async function list(link: Link, most: number, signal: AbortSignal): Promise<UpstreamListing> {
  const found = await discover(link, signal);
  if (found.era === "modern") {
    const { revision, capabilities, instructions } = found;
    return { revision, capabilities, instructions, ...(await catalogue(link, { era: "modern", revision }, capabilities, most, signal)) };
  }
  const opened = await openSession(link, LISTING_CAPABILITIES, signal);
  if (!opened.ok && mayBeChannel(opened)) return listChannel(link, most, signal, opened.error);
  if (!opened.ok) throw opened.error;
  const { state } = opened;
  try {
    const { revision, capabilities, instructions } = state;
    return { revision, capabilities, instructions, ...(await catalogue(link, { era: "legacy", state }, capabilities, most, signal)) };
  } finally {
    await closeSession(link, state);
  }
}

/** The same over HTTP+SSE; `refused`: what is said when it does not speak that either. */
async function listChannel(link: Link, most: number, signal: AbortSignal, refused: GatewayError): Promise<UpstreamListing> {
  const watch = new Watch(link, cuttable(signal), { until: link.now() + link.limits.totalMs });
  try {
    const channel = await openChannel(link, LISTING_CAPABILITIES, watch).catch((thrown: unknown) => {
      throw thrown instanceof GatewayError && thrown.code === "upstream_invalid" ? refused : thrown;
    });
    const { revision, capabilities, instructions } = channel.state;
    const listing = await catalogue(link, { era: "channel", channel }, capabilities, most, watch.signal);
    await channel.texts.return();
    return { revision, capabilities, instructions, ...listing };
  } finally {
    watch.close();
  }
}

type Catalogue = Pick<UpstreamListing, "tools" | "resources" | "templates" | "prompts" | "dropped">;

async function catalogue(link: Link, speaking: Speaking, capabilities: JsonObject, most: number, signal: AbortSignal): Promise<Catalogue> {
  const dropped: UpstreamListing["dropped"] = [];
  const all = async (kind: Kind) => (capabilities[kind.capability] === undefined ? [] : await usable(entriesOf(link, speaking, kind, signal), kind, most, dropped));
  const tools = await all(TOOLS);
  const resources = await all(RESOURCES);
  const templates = await all(TEMPLATES);
  return { tools, resources, templates, prompts: await all(PROMPTS), dropped };
}

async function usable(entries: AsyncGenerator<JsonText, void>, kind: Kind, most: number, dropped: UpstreamListing["dropped"]): Promise<JsonText[]> {
  const kept = new Map<string, JsonText>();
  for await (const raw of entries) {
    const entry = parsed(raw);
    const key = isObject(entry) ? entry[kind.key] : undefined;
    const name = typeof key === "string" && key !== "" ? key : null;
    const reason = name === null || !isObject(entry) ? `it has no ${kind.key}` : kept.has(name) ? "it is listed twice" : kind.problemOf(entry);
    if (name === null || reason !== null) dropped.push({ name: name ?? `${kind.member}[${kept.size + dropped.length}]`, reason: reason ?? "" });
    else kept.set(name, raw);
    if (kept.size > most) throw new GatewayError("too_large", `the upstream lists more than ${most} ${kind.member}`, { data: { limit: "toolsPerWorkspace" } });
  }
  return [...kept.values()];
}

/** Entries over all pages. A server that does not know the method lists nothing; one that repeats a cursor would never end. */
async function* entriesOf(link: Link, speaking: Speaking, kind: Kind, signal: AbortSignal): AsyncGenerator<JsonText, void> {
  const seen = new Set<string>();
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const result = await ask(link, speaking, kind.method, cursor === null ? {} : { cursor }, signal);
    if (result === null) return;
    const entries = elementsOf(memberOf(result, kind.member) ?? "");
    if (!entries) throw invalidAnswer(`its ${kind.method} has no ${kind.member}`);
    yield* entries;
    const next: JsonValue | undefined = parsed(memberOf(result, "nextCursor"));
    if (typeof next !== "string") return;
    if (seen.has(next)) throw invalidAnswer(`its ${kind.method} repeats a cursor`);
    seen.add(next);
    cursor = next;
  }
  throw new GatewayError("too_large", `the upstream's ${kind.method} has more than ${MAX_PAGES} pages`);
}

/** One list request; null when the server does not know the method. */
async function ask(link: Link, speaking: Speaking, method: string, params: JsonObject, signal: AbortSignal): Promise<JsonText | null> {
  if (speaking.era === "channel") return resultOf(await askChannel(speaking.channel, method, params, signal), method);
  const request = plainRequest(method, params, speaking.era === "modern" ? speaking.revision : null);
  const headers = { ...request.headers, ...(speaking.era === "legacy" ? sessionHeaders(speaking.state) : {}) };
  const watch = new Watch(link, cuttable(signal), { until: link.now() + link.limits.totalMs });
  try {
    const response = await sendOver(link, { method: "POST", headers, body: request.body, signal: watch.signal });
    if (response.status !== 200) {
      const failed = statusError(response, link.now());
      const error = failed ? null : await refusalOf(response, watch.signal);
      if (failed) await discard(response);
      if (error?.code === METHOD_NOT_FOUND) return null;
      throw failed ?? refusal(response.status);
    }
    const revision = speaking.era === "legacy" ? speaking.state.revision : speaking.revision;
    for await (const text of textsOf(response, link, watch)) {
      for (const message of unbatched(text, revision).map(readMessage)) {
        if ((message.kind === "result" || message.kind === "error") && isOurs(message.id, request.id)) return resultOf(message, method);
      }
    }
    throw invalidAnswer(`it did not answer ${method}`);
  } finally {
    watch.close();
  }
}

function resultOf(answer: Extract<Message, { kind: "result" | "error" }>, method: string): JsonText | null {
  if (answer.kind === "result") return answer.result;
  if (answer.code === METHOD_NOT_FOUND) return null;
  throw new GatewayError("upstream", `the upstream refused ${method}`, { data: { upstreamCode: answer.code } });
}

/** What makes a tool unusable for every client (MCP 2026-07-28, tools; custom headers). */
function toolProblem(tool: JsonObject): string | null {
  if (!isObject(tool.inputSchema) || tool.inputSchema.type !== "object") return "its inputSchema is not a schema of an object";
  const headers = headerParamsOf(tool.inputSchema);
  return headers.ok ? null : headers.reason;
}
