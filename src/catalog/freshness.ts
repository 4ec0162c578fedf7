import { versionOf } from "../access/versions.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { loadSnapshot } from "./snapshot.ts";

/** Before a list, and before a name counts as unknown, the version is read again when it is older than this. */
const FRESH_MS = 1_000;

/** The snapshot of the version that came with the verdict: at most 5 s behind. */
export function currentSnapshot(ctx: CallContext): Snapshot | Promise<Snapshot> {
  return loadSnapshot(ctx.platform, ctx.workspace.id, ctx.version.hash);
}

/** The snapshot of a version read at most a second ago; moves `ctx.version` on, never back. */
export function freshSnapshot(ctx: CallContext): Snapshot | Promise<Snapshot> {
  const version = versionOf(ctx.platform, ctx.workspace.id, FRESH_MS, ctx.version);
  if (!(version instanceof Promise)) return moved(ctx, version);
  return version.then((read) => moved(ctx, read));
}

function moved(ctx: CallContext, version: CallContext["version"]): Snapshot | Promise<Snapshot> {
  if (version.number >= ctx.version.number) ctx.version = version;
  return currentSnapshot(ctx);
}
