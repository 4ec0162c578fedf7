import type { CallContext, Snapshot } from "../model/context.ts";
import type { Target } from "../model/catalog.ts";
import { keep, recall } from "./cache.ts";
import { catalogKey } from "./kv.ts";
import { soleUpstream } from "./offering.ts";

const NONE: ReadonlyMap<string, string> = new Map();

/**
 * The resources that clients of this endpoint know by another URI than their upstream does, because another upstream has one of the same: by the
 * upstream's own URI. None on a one-to-one endpoint, and of a target that is no upstream.
 */
export function movedUris(ctx: CallContext, snapshot: Snapshot, target: Target): ReadonlyMap<string, string> {
  if (target.kind !== "mcp" || snapshot.index.resources.length === 0 || soleUpstream(ctx, snapshot) !== null) return NONE;
  const key = `${catalogKey(snapshot.index.workspace, snapshot.hash)} ${target.upstream}`;
  const known = recall("moved", key);
  if (known) return known;
  const moved = new Map<string, string>();
  for (const { uri, target: own } of snapshot.index.resources) {
    if (own.kind === "mcp" && own.upstream === target.upstream && own.name !== uri) moved.set(own.name, uri);
  }
  keep("moved", key, moved, 200 + moved.size * 300);
  return moved;
}
