import { derive, hmac, sha256 } from "../lib/crypto.ts";
import { randomToken } from "../lib/ids.ts";
import { log } from "../lib/log.ts";
import { twice } from "../lib/reach.ts";
import type { Call, Notification, Outcome, Reply } from "../model/call.ts";
import type { ToolEntry } from "../model/catalog.ts";
import type { CallContext, OnceApi, OnceEnd } from "../model/context.ts";
import { type ErrorCode, GatewayError, RESTARTED, toGatewayError } from "../model/error.ts";
import type { JsonText } from "../model/json.ts";
import { targetFailure } from "./failure.ts";

/** How long a duplicate waits for the call that runs. */
const WAIT_MS = 20_000;
/** A third of the lease (`idempotency/once`). */
const RENEW_MS = 10_000;
/** A row of the object holds 2 MiB; longer results go to the bucket. In UTF-16 units, of which one is at most three bytes. */
const ROW_UNITS = 512 * 1024;
const MAX_KEY_CHARS = 255;

/** Where a call's record is, and who asks. */
interface Keyed {
  object(): OnceApi;
  place: string;
  token: string;
}

/**
 * Runs a tool call at most once per idempotency key, for 24 hours: the same call again gets the same end, one that comes while the first runs waits for
 * it, and one that was sent and lost is not sent again unless its tool says that this does no harm. Scope: workspace, principal, tool, key.
 * Arguments are compared as written. Questions (MRTR) are no end: the round that answers them goes on.
 * Errors: `conflict` while it runs elsewhere or when its outcome is unknown, `invalid` for other arguments.
 */
export async function* once(key: string, call: Call, entry: ToolEntry, ctx: CallContext, run: () => Reply): AsyncGenerator<Notification, Outcome, void> {
  const { platform, workspace, principal } = ctx;
  const name = await hmac(await derive(platform.config.masterKey, "once/v1"), JSON.stringify([workspace.id, principal.id, entry.name, key]));
  const place = `once/${workspace.id}/${name}`;
  const object = () => platform.once(name);
  const token = randomToken(16);
  const spec = { token, fingerprint: await sha256(call.raw.arguments ?? "{}"), repeatable: isRepeatable(entry), waitMs: Math.min(WAIT_MS, ctx.deadline - platform.now()), place };
  const claim = await twice(() => object().claim(spec)).catch((cause: unknown) => {
    throw new GatewayError("unavailable", "idempotency keys cannot be looked up now", { cause, retryAfter: 1 });
  });
  switch (claim.status) {
    case "run":
      return yield* guarded({ object, place, token: claim.token }, entry, ctx, run);
    case "done":
      return keptOutcome(claim.outcome ?? (await platform.store.get(place).then((kept) => kept?.text() ?? null)));
    case "running":
      throw new GatewayError("conflict", "a call with this idempotency key is still running", { retryAfter: 5, data: { reason: "running" } });
    case "other_arguments":
      throw new GatewayError("invalid", "this idempotency key was used with other arguments", { data: { reason: "other_arguments" } });
    case "lost":
      throw unknownOutcome();
  }
}

/** The key of a call; null: it has none. */
export function idempotencyKeyOf({ idempotencyKey: key }: Call): string | null {
  if (key === null) return null;
  if (typeof key === "string" && key !== "" && key.length <= MAX_KEY_CHARS) return key;
  throw new GatewayError("invalid", `an idempotency key must be a string of 1 to ${MAX_KEY_CHARS} characters`);
}

async function* guarded(keyed: Keyed, entry: ToolEntry, ctx: CallContext, run: () => Reply): AsyncGenerator<Notification, Outcome, void> {
  const { object, token } = keyed;
  const renewal = setInterval(() => void object().renew(token).catch(ignore), RENEW_MS);
  // Whoever leaves without a word may have sent it.
  let end: OnceEnd = { type: "lost" };
  const settle = () => twice(() => object().settle(token, end));
  let settled = false;
  try {
    // Its client may have left while it waited for another call.
    if (ctx.signal.aborted) end = { type: "undone" };
    ctx.signal.throwIfAborted();
    const outcome = yield* ended(run(), entry, ctx, (before) => (end = before));
    end = outcome.type === "input_required" ? { type: "undone" } : { type: "done", outcome: await stored(outcome, keyed, ctx) };
    // An end that could not be kept is the caller's all the same: only whoever asks again learns that it is unknown.
    settled = await settle().then(() => true, () => false);
    return outcome;
  } finally {
    clearInterval(renewal);
    if (!settled) ctx.waitUntil(settle().catch((cause: unknown) => log("error", "the end of a call with an idempotency key was not kept", { requestId: ctx.requestId, cause })));
  }
}

/** A failure that is an end is one like any other; for the rest `before` hears what the key's record says from now on. */
async function* ended(reply: Reply, entry: ToolEntry, ctx: CallContext, before: (end: OnceEnd) => void): AsyncGenerator<Notification, Outcome, void> {
  try {
    return yield* reply;
  } catch (thrown) {
    const error = toGatewayError(thrown);
    const certainly = certainty(error, entry);
    if (certainly === "ended") return targetFailure(error, ctx);
    before({ type: certainly });
    throw error;
  }
}

/** Codes of what is refused before anything is sent. */
const REFUSALS: readonly ErrorCode[] = ["unauthenticated", "forbidden", "not_found", "invalid", "conflict", "limited", "unsupported", "unavailable"];

/** What a failure says of the call: nothing was sent, it ended in failure, or nobody knows. An agent may have done half of its work before it is refused something. */
function certainty(error: GatewayError, { target }: ToolEntry): "undone" | "ended" | "lost" {
  const { code, data } = error;
  if (code === "timeout" || code === "cancelled" || code === "internal") return "lost";
  if (data?.["reason"] === "unreachable" || data?.["reason"] === "broken" || data?.["reason"] === RESTARTED) return "lost";
  if (target.kind === "agent") return "ended";
  return REFUSALS.includes(code) ? "undone" : "ended";
}

/** The outcome as the record keeps it; null: it is in the bucket. */
async function stored(outcome: Outcome, { place }: Keyed, ctx: CallContext): Promise<JsonText | null> {
  const text = JSON.stringify(outcome);
  if (text.length <= ROW_UNITS) return text;
  await ctx.platform.store.put(place, text);
  return null;
}

function keptOutcome(text: JsonText | null): Outcome {
  if (text === null) throw unknownOutcome();
  const outcome: Outcome = JSON.parse(text);
  return outcome;
}

function unknownOutcome(): GatewayError {
  return new GatewayError("conflict", "a call with this idempotency key was sent, and its outcome is unknown: it is not sent again. Look at what it should have done before calling with a new key", {
    data: { reason: "outcome_unknown" },
  });
}

function isRepeatable({ annotations }: ToolEntry): boolean {
  return annotations.readOnlyHint === true || annotations.idempotentHint === true;
}

function ignore(): void {}
