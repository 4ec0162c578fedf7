import type { CatalogVersion } from "../model/catalog.ts";
import type { Platform } from "../model/context.ts";
import { reach } from "../lib/reach.ts";
import { inTurn } from "./turns.ts";
import type { Asking } from "./turns.ts";

interface Seen {
  version: CatalogVersion;
  /** Unix ms of this isolate just before the Authority was asked. */
  at: number;
}

const MOST = 10_000;
const seen = new Map<string, Seen>();
const asking: Asking = new Set();

/**
 * The workspace's catalog version as the Authority named it at most `maxAgeMs` ago, and never an older one than `known`.
 * A value when this isolate has it, a promise when it must be asked for. Unreachable: `unavailable`.
 */
export function versionOf(platform: Platform, workspace: string, maxAgeMs: number, known?: CatalogVersion): CatalogVersion | Promise<CatalogVersion> {
  const now = platform.now();
  const fresh = (): CatalogVersion | null => {
    const entry = seen.get(workspace);
    return entry && now - entry.at < maxAgeMs ? newer(entry.version, known) : null;
  };
  return fresh() ?? inTurn(asking, workspace, fresh, async () => newer(await ask(platform, workspace), known));
}

/** Takes in what an answer of the Authority said, asked for at `at`; returns the newest version this isolate has seen. */
export function noteVersion(workspace: string, version: CatalogVersion, at: number): CatalogVersion {
  const entry = seen.get(workspace);
  const newest = newer(version, entry?.version);
  seen.delete(workspace);
  const oldest = seen.size < MOST ? undefined : seen.keys().next().value;
  if (oldest !== undefined) seen.delete(oldest);
  seen.set(workspace, { version: newest, at: Math.max(at, entry?.at ?? at) });
  return newest;
}

/** The newest version this isolate has seen, whatever its age; never older than `known`. */
export function newestOf(workspace: string, known: CatalogVersion): CatalogVersion {
  return newer(known, seen.get(workspace)?.version);
}

async function ask(platform: Platform, workspace: string): Promise<CatalogVersion> {
  const at = platform.now();
  const version = await reach(() => platform.authority(workspace).version(), platform.config.limits.connectMs);
  return noteVersion(workspace, version, at);
}

function newer(version: CatalogVersion, other: CatalogVersion | undefined): CatalogVersion {
  return other && other.number > version.number ? other : version;
}
