import type { LogLevel } from "../../model/call.ts";
import type { UpstreamSessionState } from "../../model/context.ts";

/** A session with a legacy upstream as this isolate remembers it. */
export interface KnownSession {
  /** Name of the object that keeps it. */
  object: string;
  state: UpstreamSessionState;
  /** Least log level this isolate asked for in it; null: none yet. */
  level: LogLevel | null;
  until: number;
}

const REMEMBERED_MS = 60_000;
const MAX_ENTRIES = 5_000;

/** Named cache: workspace, upstream, principal, capabilities, credential version → session. */
const sessions = new Map<string, KnownSession>();

export function rememberedSession(key: string, now: number): KnownSession | null {
  const known = sessions.get(key);
  if (!known) return null;
  if (known.until > now) return known;
  sessions.delete(key);
  return null;
}

export function rememberSession(key: string, object: string, state: UpstreamSessionState, now: number): KnownSession {
  const known: KnownSession = { object, state, level: null, until: now + REMEMBERED_MS };
  sessions.delete(key);
  sessions.set(key, known);
  for (const oldest of sessions.keys()) {
    if (sessions.size <= MAX_ENTRIES) break;
    sessions.delete(oldest);
  }
  return known;
}

/** Log levels only ever go down in a shared session; each call filters for itself. */
export function rememberLevel(key: string, level: LogLevel): void {
  const known = sessions.get(key);
  if (known) sessions.set(key, { ...known, level });
}

export function forgetSession(key: string): void {
  sessions.delete(key);
}
