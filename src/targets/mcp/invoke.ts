import type { Call, Notification, Outcome, Reply } from "../../model/call.ts";
import type { HeaderParam, Target, ToolEntry, UpstreamEntry } from "../../model/catalog.ts";
import type { CallContext, Snapshot } from "../../model/context.ts";
import { editObject } from "../../lib/json.ts";
import { GatewayError, toGatewayError } from "../../model/error.ts";
import type { JsonObject } from "../../model/json.ts";
import { MAX_RENEWALS, type OpenConnection, renewConnection } from "../../connections/vault.ts";
import { askableIn, declaresTasks } from "../../protocol/capabilities.ts";
import { carriedExtensions, onlyReads } from "../../protocol/extensions.ts";
import { METHODS } from "../../protocol/methods.ts";
import { headerParamsOf } from "../../protocol/headers.ts";
import { isModern, LEGACY } from "../../protocol/revisions.ts";
import { taskId } from "../../tasks/id.ts";
import type { Attempt, Attempting } from "./attempt.ts";
import { type Asking, askingAttempt, ownerOf } from "./asking.ts";
import { enter, type Verdict } from "./breakers.ts";
import { mayBeChannel } from "./channel.ts";
import { ERA_HORIZON_MS, type EraVerdict, rememberedEra, rememberEra } from "./eras.ts";
import { drive, drivenIn, madeTask } from "./drive.ts";
import { isFault } from "./errors.ts";
import { hasTasks, taskAttempt } from "./legacy-task.ts";
import { type Link, linkWith, secretOf } from "./link.ts";
import { listedTool } from "./list.ts";
import { tryModern } from "./modern.ts";
import { parkedOf, resumeParked } from "./parked.ts";
import { discover } from "./probe.ts";
import { joinSession, sessionKey } from "./session.ts";

type McpTarget = Extract<Target, { kind: "mcp" }>;

/** One call at one upstream, with what its tries have learnt. */
interface Journey {
  call: Call;
  ctx: CallContext;
  upstream: UpstreamEntry;
  secret: OpenConnection | null;
  link: Link;
  name: string;
  params: readonly HeaderParam[];
  /** Who asks, should the upstream ask in the middle. */
  asking: Asking;
  until: number;
  /** A session id the upstream no longer knows. */
  stale: string | null;
  /** A modern upstream is told that the call may become a task. */
  tasks: boolean;
  /** The tool of a legacy upstream runs as a task only. */
  asTask: boolean;
  /** The remembered era proved wrong: look again. */
  unsure: boolean;
}

/**
 * One call of an upstream MCP server of any era: `tools/call`, `resources/read`, `prompts/get`, `completion/complete`.
 * `target.name` is the upstream's own name or URI. Arguments and result pass as written.
 * A call that was certainly not run (wrong era, lost session, refused headers or credential) is sent once more; one whose connection failed only if
 * running it twice does no harm. Errors: not_found, upstream, upstream_invalid, timeout, limited, unavailable, too_large, cancelled.
 */
export async function* invokeMcp(target: McpTarget, call: Call, ctx: CallContext, snapshot: Snapshot): Reply {
  const upstream = snapshot.upstreams.get(target.upstream);
  if (!upstream) throw new GatewayError("not_found", "the upstream of this target does not exist any more");
  const leave = enter(`${ctx.workspace.id} ${upstream.id}`, Math.min(upstream.concurrency, ctx.limits.upstreamConcurrency), ctx.platform.now);
  let verdict: Verdict = "unknown";
  const parked = parkedOf(call.requestState);
  try {
    if (parked) return yield* resumeParked(parked, ownerOf(target, call, ctx), call, ctx);
    const entry = call.method === "tools/call" ? toolOf(snapshot, target, upstream, call) : null;
    const asking = { target, never: entry?.asks === "never" ? ctx.version.number : null };
    const secret = upstream.connection === null ? null : await secretOf(upstream, ctx);
    const journey = journeyOf(call, ctx, upstream, secret, entry, asking);
    const driven = drivenIn(call.requestState);
    const reached = driven ? null : yield* travel(journey, isRepeatable(call, entry));
    const outcome = reached && reached.type !== "task" ? reached : yield* toItsEnd(journey, driven, reached);
    verdict = "well";
    return outcome;
  } catch (thrown) {
    const error = toGatewayError(thrown);
    if (isFault(error)) verdict = "failed";
    throw error;
  } finally {
    leave(verdict);
  }
}

function journeyOf(call: Call, ctx: CallContext, upstream: UpstreamEntry, secret: OpenConnection | null, entry: ToolEntry | null, asking: Asking): Journey {
  const link = linkWith(secret, upstream, ctx);
  const until = Math.min(ctx.deadline, link.now() + upstream.timeoutMs);
  const tasks = takesTasks(call, ctx) || call.method.startsWith("tasks/");
  const asTask = entry?.runsAsTask === true;
  return { call: audible(call, ctx), ctx, upstream, secret, link, name: asking.target.name, params: entry?.headers ?? [], asking, until, stale: null, tasks, asTask, unsure: false };
}

/**
 * A task that the upstream made of a call is handed on, under an id of ours, to a client that knows tasks; for any other one it is driven, as is one that was being
 * driven when it asked.
 */
async function* toItsEnd(journey: Journey, driven: ReturnType<typeof drivenIn>, made: Extract<Outcome, { type: "task" }> | null): AsyncGenerator<Notification, Outcome, void> {
  const { call, ctx, upstream } = journey;
  const task = driven ?? madeTask(made?.task ?? "{}");
  if (made && takesTasks(call, ctx)) {
    const id = await taskId(ctx, { upstream: upstream.id, task: task.id });
    return { type: "task", task: editObject(made.task, { set: { taskId: JSON.stringify(id) } }) };
  }
  const { revision } = await eraOf(journey);
  return yield* drive({ call, ctx, link: journey.link, revision }, task, driven && call.inputResponses);
}

function takesTasks(call: Call, ctx: CallContext): boolean {
  return call.method === "tools/call" && ctx.depth === 0 && isModern(ctx.revision) && declaresTasks(call);
}

/**
 * A legacy client says once for its session what it wants to hear; without asking its object nobody knows what that is. Of what then comes, what is
 * too much for it is dropped on the way back.
 */
function audible(call: Call, ctx: CallContext): Call {
  return isModern(ctx.revision) ? call : { ...call, logLevel: ctx.session ? "debug" : "info" };
}

/** Tries until one ends, each reason to try again good for one more. */
async function* travel(journey: Journey, repeatable: boolean): AsyncGenerator<Notification, Outcome, void> {
  const tried: Attempt[] = [];
  let renewals = 0;
  for (;;) {
    let attempt: Attempt;
    try {
      const { call, ctx, link, name, params, until, tasks } = journey;
      const era = await eraOf(journey);
      attempt = yield* isModern(era.revision) ? tryModern(call, ctx, { link, name, revision: era.revision, params, until, tasks }) : tryOld(journey, era);
    } catch (thrown) {
      await renew(journey, thrown, renewals++);
      continue;
    }
    if (attempt.type === "end") return attempt.outcome;
    const { why, error, meant } = attempt;
    if (why === "era") journey.unsure = true;
    if (meant && !isModern((await eraOf(journey)).revision)) return meant;
    if (tried.some((earlier) => earlier.type === "again" && earlier.why === why) || (why === "connection" && !repeatable)) throw error;
    tried.push(attempt);
    if (why === "tasks") journey.tasks = true;
    if (why === "headers") journey.params = await refreshedParams(journey, error);
  }
}

/** A try whose credential was refused was not run: with another one it is made again, before anybody hears of the refusal. Anything else is thrown on. */
async function renew(journey: Journey, thrown: unknown, renewals: number): Promise<void> {
  const { ctx, upstream, secret } = journey;
  if (!(thrown instanceof GatewayError) || !thrown.challenge || !secret || upstream.connection === null || renewals === MAX_RENEWALS) throw thrown;
  journey.secret = await renewConnection(ctx.platform, ctx.workspace.id, upstream.connection, secret, thrown);
  journey.link = linkWith(journey.secret, upstream, ctx);
}

async function* tryOld(journey: Journey, era: EraVerdict): Attempting {
  const { call, ctx, upstream, link, name, until, asTask } = journey;
  const askable = ctx.canAsk ? askableIn(call.capabilities, ctx.revision) : {};
  const extensions = carriedExtensions(call.capabilities.extensions);
  const capabilities = extensions ? { ...askable, extensions } : askable;
  if (era.channel) return yield* overChannel(journey, askable, capabilities);
  const key = sessionKey(upstream, link, ctx, capabilities);
  const joined = await joinSession(key, upstream, link, ctx, capabilities, journey.stale);
  if (!joined.ok && mayBeChannel(joined)) return yield* overChannel(journey, askable, capabilities);
  if (!joined.ok && joined.foreign) return { type: "again", why: "era", error: joined.error };
  if (!joined.ok) throw joined.error;
  const { session } = joined;
  const leg = { link, name, key, session, until };
  const attempt =
    asTask && hasTasks(session.state.capabilities)
      ? yield* taskAttempt(call, ctx, leg, ctx.limits.taskTtlMs, journey.asking, askable, capabilities)
      : yield* askingAttempt(call, ctx, leg, journey.asking, askable, capabilities);
  journey.stale = attempt.type === "again" && attempt.why === "session" ? session.state.id : null;
  return attempt;
}

/** Remembered once the upstream has answered a call that way. */
async function* overChannel({ call, ctx, link, name, until, asking }: Journey, askable: JsonObject, capabilities: JsonObject): Attempting {
  const attempt = yield* askingAttempt(call, ctx, { link, name, key: "", session: null, capabilities, until }, asking, askable, capabilities);
  if (attempt.type === "end") rememberEra(ctx.workspace.id, link.url, { revision: LEGACY.at(-1) ?? "", at: link.now(), channel: true });
  return attempt;
}

/** Remembered here, known from the last listing, or found out now. A verdict past its horizon is looked at again, and kept if that fails. */
function eraOf(journey: Journey): EraVerdict | Promise<EraVerdict> {
  const { ctx, upstream, link } = journey;
  const known = rememberedEra(ctx.workspace.id, link.url) ?? upstream.era;
  const isGood = known && !journey.unsure && link.now() - known.at < ERA_HORIZON_MS;
  return isGood ? known : lookedAt(journey, known);
}

async function lookedAt(journey: Journey, known: EraVerdict | null): Promise<EraVerdict> {
  const { ctx, link } = journey;
  const now = link.now();
  journey.unsure = false;
  try {
    const found = await discover(link, ctx.signal);
    const verdict = { revision: found.era === "modern" ? found.revision : (LEGACY[0] ?? ""), at: now };
    rememberEra(ctx.workspace.id, link.url, verdict);
    return verdict;
  } catch (thrown) {
    if (!known || ctx.signal.aborted) throw thrown;
    return known;
  }
}

/** After a refusal of our headers: what the tool wants now, from the upstream itself (MCP 2026-07-28, custom headers). */
async function refreshedParams(journey: Journey, refused: GatewayError): Promise<readonly HeaderParam[]> {
  const { call, ctx, link, name } = journey;
  const era = rememberedEra(ctx.workspace.id, link.url) ?? journey.upstream.era;
  if (call.method !== "tools/call" || !era) throw refused;
  const schema = await listedTool(link, era.revision, name, ctx.signal);
  const params = schema && headerParamsOf(schema);
  if (!params?.ok) throw refused;
  return params.params;
}

/** Tools say so themselves; the other methods of the protocol only read. */
function isRepeatable(call: Call, entry: ToolEntry | null): boolean {
  if (call.method !== "tools/call") return METHODS.has(call.method) || onlyReads(call.method);
  return entry?.annotations.readOnlyHint === true || entry?.annotations.idempotentHint === true;
}

/** The catalog's entry of a target. Clients call it by the workspace's name, one-to-one endpoints by the upstream's. */
function toolOf(snapshot: Snapshot, target: McpTarget, upstream: UpstreamEntry, call: Call): ToolEntry | null {
  for (const name of [call.params.name, `${upstream.slug}_${target.name}`]) {
    const entry = typeof name === "string" ? snapshot.tools.get(name) : undefined;
    if (entry && isAt(entry, target)) return entry;
  }
  for (const entry of snapshot.tools.values()) if (isAt(entry, target)) return entry;
  return null;
}

function isAt(entry: ToolEntry, target: McpTarget): boolean {
  return entry.target.kind === "mcp" && entry.target.upstream === target.upstream && entry.target.name === target.name;
}
