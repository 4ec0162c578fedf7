import type { CallContext, Platform } from "../../model/context.ts";
import type { UpstreamEntry } from "../../model/catalog.ts";
import { GatewayError } from "../../model/error.ts";
import type { JsonObject } from "../../model/json.ts";
import { derive, hmac } from "../../lib/crypto.ts";
import { twice } from "../../lib/reach.ts";
import type { Link } from "./link.ts";
import { forgetSession, type KnownSession, rememberedSession, rememberSession } from "./sessions.ts";

/** What a legacy upstream is told of a client that nobody can ask. */
export const CAPABILITIES: JsonObject = Object.freeze({});

/** `foreign`: what answered is no legacy server. */
export type Joined = { ok: true; session: KnownSession } | { ok: false; error: GatewayError; foreign: boolean };

/** Callers share a session only if all of this is equal; JSON keeps the parts apart. `capabilities`: what the upstream is told its client can. */
export function sessionKey(upstream: UpstreamEntry, link: Link, ctx: CallContext, capabilities: JsonObject): string {
  return JSON.stringify([ctx.workspace.id, upstream.id, upstream.url, ctx.principal.id, capabilities, link.credential]);
}

/** Name of the object that keeps a session, and listens to its upstream. */
export async function sessionObject(key: string, platform: Platform): Promise<string> {
  return hmac(await derive(platform.config.masterKey, "upstream-session/v1"), key);
}

/** The session this caller has with a legacy upstream: remembered for a minute, else from its object. `stale`: see the object. */
export async function joinSession(key: string, upstream: UpstreamEntry, link: Link, ctx: CallContext, capabilities: JsonObject, stale: string | null): Promise<Joined> {
  const { platform } = ctx;
  const known = rememberedSession(key, link.now());
  if (known && stale === null) return { ok: true, session: known };
  forgetSession(key);
  const object = known?.object ?? (await sessionObject(key, platform));
  const spec = {
    workspace: ctx.workspace.id,
    url: link.url,
    connection: upstream.connection,
    headers: { ...link.headers },
    capabilities,
    timeoutMs: link.limits.firstByteMs,
  };
  const answer = await orAborted(twice(() => platform.upstreamSession(object).open(spec, stale)), ctx.signal);
  if (answer.ok) return { ok: true, session: rememberSession(key, object, answer.state, link.now()) };
  const { code, message, data, retryAfter, foreign, challenge } = answer;
  const error = new GatewayError(code, message, { ...(data ? { data } : {}), ...(retryAfter === null ? {} : { retryAfter }), ...(challenge && { challenge }) });
  return { ok: false, error, foreign };
}

/** The call to the object itself cannot be taken back, but nobody need wait for it. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason instanceof GatewayError ? signal.reason : new GatewayError("cancelled", "the call was cancelled"));
    signal.addEventListener("abort", stop, { once: true });
    const fail = (cause: unknown) => reject(new GatewayError("unavailable", "the object that keeps the upstream's session did not answer", { cause, retryAfter: 1 }));
    work.then(resolve, fail).finally(() => signal.removeEventListener("abort", stop));
    if (signal.aborted) stop();
  });
}
