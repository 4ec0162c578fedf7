import { versionOf } from "../access/versions.ts";
import { FRESH_MS } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { loadSnapshot } from "./snapshot.ts";

/** The snapshot of the version that came with the verdict: at most 5 s behind. */
export function currentSnapshot(ctx: CallContext): Snapshot | Promise<Snapshot> {
  return loadSnapshot(ctx.platform, ctx.workspace.id, ctx.version.hash);
}

/** Before a list, and before a name counts as unknown: the snapshot of a version read at most a second ago. Moves `ctx.version` on, never back. */
export function freshSnapshot(ctx: CallContext): Snapshot | Promise<Snapshot> {
  const version = versionOf(ctx.platform, ctx.workspace.id, FRESH_MS, ctx.version);
  if (!(version instanceof Promise)) return moved(ctx, version);
  return version.then((read) => moved(ctx, read));
}

function moved(ctx: CallContext, version: CallContext["version"]): Snapshot | Promise<Snapshot> {
  if (version.number >= ctx.version.number) ctx.version = version;
  return currentSnapshot(ctx);
}
