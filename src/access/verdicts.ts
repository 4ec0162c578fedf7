import type { CatalogVersion } from "../model/catalog.ts";
import type { Principal, Workspace } from "../model/identity.ts";
import type { Refusal } from "../model/context.ts";
import type { Asking } from "./turns.ts";

/** The published revocation time: no answer of the Authority is used for longer. */
export const VERDICT_MS = 5_000;
/** From this age on, one request asks again behind the others. */
export const REFRESH_MS = 4_000;
const MOST_ACCEPTED = 5_000;
/** Kept apart: made-up tokens push out only each other. */
const MOST_REFUSED = 1_000;

export type Known =
  | { ok: true; workspace: Workspace; principal: Principal; version: CatalogVersion; subscribes?: boolean | undefined }
  | { ok: false; workspace: Workspace; reason: Refusal };

export interface Entry {
  /** Unix ms of this isolate just before the Authority was asked, so its answer is at least as young. */
  at: number;
  known: Known;
  refreshing: boolean;
}

const accepted = new Map<string, Entry>();
const refused = new Map<string, Entry>();
/** Keys that a request is asking the Authority about. */
export const asking: Asking = new Set();

/** A header value and a session id hold no line break, so two different callers never share a key. */
export function verdictKey(slug: string, authorization: string | null, session: string | null): string {
  return `${authorization ?? ""}\n${session ?? ""}\n${slug}`;
}

/** The remembered answer, or null when there is none younger than 5 s. */
export function recall(key: string, now: number): Entry | null {
  const entry = accepted.get(key) ?? refused.get(key);
  return entry && now - entry.at < VERDICT_MS ? entry : null;
}

/** Keeps an answer, unless one that was asked for later is there already. */
export function remember(key: string, at: number, known: Known): Entry {
  const entry = { at, known, refreshing: false };
  const other = accepted.get(key) ?? refused.get(key);
  if (other && other.at > at) return entry;
  forget(key);
  const entries = known.ok ? accepted : refused;
  const oldest = entries.size < (known.ok ? MOST_ACCEPTED : MOST_REFUSED) ? undefined : entries.keys().next().value;
  if (oldest !== undefined) entries.delete(oldest);
  entries.set(key, entry);
  return entry;
}

export function forget(key: string): void {
  accepted.delete(key);
  refused.delete(key);
}
