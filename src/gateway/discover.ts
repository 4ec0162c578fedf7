import { currentSnapshot } from "../catalog/freshness.ts";
import { soleUpstream } from "../catalog/offering.ts";
import type { CacheHint, Call, Reply } from "../model/call.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import type { JsonObject } from "../model/json.ts";
import { carriedExtensions, sharedExtensions } from "../protocol/extensions.ts";
import { TASKS } from "../protocol/capabilities.ts";
import { isModern, MODERN } from "../protocol/revisions.ts";

/** What every workspace can do; the same for all, so that a list that is empty now can fill later. */
export const CAPABILITIES: JsonObject = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: { listChanged: true },
  completions: {},
  logging: {},
};

/** A verdict and a version are at most this old, so what was read stays true that long. */
export const FRESH: CacheHint = { ttlMs: 5_000, scope: "private" };

/** `server/discover`, and what a legacy `initialize` tells besides its version. */
export async function* discover(_call: Call, ctx: CallContext): Reply {
  const snapshot = await currentSnapshot(ctx);
  const { index } = snapshot;
  const theirs = extensionsOf(ctx, snapshot);
  const extensions = isModern(ctx.revision) ? { ...theirs, [TASKS]: {} } : theirs;
  const result = {
    supportedVersions: [...MODERN],
    capabilities: extensions ? { ...CAPABILITIES, extensions } : CAPABILITIES,
    ...(index.instructions !== null && { instructions: index.instructions }),
  };
  return { type: "complete", result: JSON.stringify(result), cache: FRESH };
}

/** What upstreams said they have besides the core (MCP 2026-07-28, extensions): of one its own settings, of several what works for all alike. */
function extensionsOf(ctx: CallContext, snapshot: Snapshot): JsonObject | null {
  const sole = soleUpstream(ctx, snapshot);
  const declared = snapshot.index.upstreams.filter(({ id }) => sole === null || id === sole).map(({ capabilities }) => capabilities["extensions"]);
  return sole === null ? sharedExtensions(declared) : carriedExtensions(declared[0]);
}
