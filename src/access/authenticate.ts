import { log } from "../lib/log.ts";
import { reach, RETRY_AFTER } from "../lib/reach.ts";
import type { CatalogVersion } from "../model/catalog.ts";
import type { Platform, Refusal } from "../model/context.ts";
import type { Principal, Workspace } from "../model/identity.ts";
import { isAnonymous, resolveSlug } from "../workspaces/resolve.ts";
import { bearerOf, parseToken } from "./credential.ts";
import { inTurn } from "./turns.ts";
import { asking, forget, recall, REFRESH_MS, remember, verdictKey } from "./verdicts.ts";
import type { Entry } from "./verdicts.ts";
import { newestOf, noteVersion } from "./versions.ts";

export type Reason = Refusal | "no_credential" | "malformed" | "unknown_workspace" | "unavailable";

export interface Refused {
  ok: false;
  status: 401 | 403 | 404 | 503;
  reason: Reason;
  /** Seconds, with 503. */
  retryAfter?: number;
}

/** `at`: Unix ms of this isolate just before the Authority was asked. `subscribes`: see `Verdict`. */
export type Auth = { ok: true; workspace: Workspace; principal: Principal; version: CatalogVersion; at: number; subscribes: boolean | undefined } | Refused;

/** The part of a verified session id that access looks at. */
export interface SessionClaim {
  id: string;
  workspace: string;
  principal: string;
}

interface Caller {
  slug: string;
  authorization: string | null;
  session: SessionClaim | null;
}

/**
 * Who calls, in which workspace, and which catalog version is current: a value when the Authority was asked in the
 * last 5 s, a promise otherwise. An unknown slug, no credential where one is needed, a token that is malformed or of another
 * workspace, and a session of another workspace or principal are refused without touching an object.
 * `session` is an opened session id, its signature and expiry already checked. Scopes and toolset are not checked here.
 */
export function authenticate(
  platform: Platform,
  slug: string,
  authorization: string | null,
  session: SessionClaim | null | undefined,
  waitUntil: (work: Promise<unknown>) => void,
): Auth | Promise<Auth> {
  const caller = { slug, authorization: authorization || null, session: session ?? null };
  const key = keyOf(caller);
  const now = platform.now();
  const entry = recall(key, now);
  if (!entry) return lookUp(platform, key, caller);
  if (entry.known.ok && !entry.refreshing && now - entry.at >= REFRESH_MS) {
    entry.refreshing = true;
    waitUntil(refresh(platform, key, caller, entry.known.workspace));
  }
  return answer(entry, caller, now);
}

/** Drops what this isolate remembers of a caller, for example of one that just ended its session. */
export function forgetCaller(slug: string, authorization: string | null, session: string | null): void {
  forget(verdictKey(slug, authorization || null, session));
}

/** What holds for this very call: the answer is up to 5 s old, a token's end and a session's owner are checked each time. */
function answer({ known, at }: Entry, caller: Caller, now: number): Auth {
  if (!known.ok) return { ok: false, status: known.reason === "session_ended" ? 404 : 401, reason: known.reason };
  const { workspace, principal } = known;
  if (principal.expiresAt !== null && principal.expiresAt <= now) return { ok: false, status: 401, reason: "expired" };
  if (caller.session && caller.session.principal !== principal.id) return { ok: false, status: 404, reason: "session_ended" };
  return { ok: true, workspace, principal, version: newestOf(workspace.id, known.version), at, subscribes: known.subscribes };
}

async function lookUp(platform: Platform, key: string, caller: Caller): Promise<Auth> {
  try {
    const workspace = await resolveSlug(platform, caller.slug);
    if (!workspace) return { ok: false, status: 404, reason: "unknown_workspace" };
    const stranger = await strangerAt(platform, workspace, caller);
    if (stranger) return stranger;
    const now = platform.now();
    const entry = await inTurn(asking, key, () => recall(key, now), () => ask(platform, key, caller, workspace));
    return answer(entry, caller, now);
  } catch (error) {
    log("warn", "the Authority could not be asked", { workspace: caller.slug, error });
    return { ok: false, status: 503, reason: "unavailable", retryAfter: RETRY_AFTER };
  }
}

/** Refuses, from the request and KV alone, whoever cannot be let in whatever the Authority would say. */
async function strangerAt(platform: Platform, workspace: Workspace, caller: Caller): Promise<Refused | null> {
  if (caller.authorization === null) {
    if (!(await isAnonymous(platform, workspace.id))) return { ok: false, status: 401, reason: "no_credential" };
  } else if (parseToken(bearerOf(caller.authorization) ?? "")?.workspace !== workspace.id) {
    return { ok: false, status: 401, reason: "malformed" };
  }
  const foreign = caller.session !== null && caller.session.workspace !== workspace.id;
  return foreign ? { ok: false, status: 404, reason: "session_ended" } : null;
}

/** A failed refresh changes nothing: the answer it was to replace runs out, and the next request hears of it. */
async function refresh(platform: Platform, key: string, caller: Caller, workspace: Workspace): Promise<void> {
  try {
    await ask(platform, key, caller, workspace);
  } catch (error) {
    log("warn", "a verdict could not be refreshed", { workspace: workspace.id, error });
  }
}

async function ask(platform: Platform, key: string, caller: Caller, workspace: Workspace): Promise<Entry> {
  const at = platform.now();
  const token = caller.authorization === null ? null : bearerOf(caller.authorization);
  const session = caller.session?.id ?? null;
  const verdict = await reach(() => platform.authority(workspace.id).verify(token, session), platform.config.limits.connectMs);
  if (!verdict.ok) return remember(key, at, { ok: false, workspace, reason: verdict.reason });
  const version = noteVersion(workspace.id, verdict.version, at);
  return remember(key, at, { ok: true, workspace, principal: verdict.principal, version, subscribes: verdict.subscribes });
}

function keyOf(caller: Caller): string {
  return verdictKey(caller.slug, caller.authorization, caller.session?.id ?? null);
}
