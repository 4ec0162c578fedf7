import type { SealedConnection } from "../model/context.ts";

const KEPT_MS = 60_000;
const MOST = 1_000;

interface Entry {
  /** Unix ms just before the Authority was asked. */
  at: number;
  connection: SealedConnection;
}

/** Sealed texts only: what was opened lives as long as the call that needed it. */
const kept = new Map<string, Entry>();

/** The sealed connection as it was at most 60 s ago, or null. */
export function keptConnection(workspace: string, id: string, now: number): SealedConnection | null {
  const entry = kept.get(`${workspace}/${id}`);
  return entry && now - entry.at < KEPT_MS ? entry.connection : null;
}

export function keepConnection(workspace: string, connection: SealedConnection, at: number): void {
  const key = `${workspace}/${connection.id}`;
  kept.delete(key);
  const oldest = kept.size < MOST ? undefined : kept.keys().next().value;
  if (oldest !== undefined) kept.delete(oldest);
  kept.set(key, { at, connection });
}

/** After a change made in this isolate; others use the old one for up to 60 s. */
export function dropConnection(workspace: string, id: string): void {
  kept.delete(`${workspace}/${id}`);
}
