import { currentSnapshot } from "../catalog/freshness.ts";
import type { CacheHint, Call, Reply } from "../model/call.ts";
import type { CallContext } from "../model/context.ts";
import type { JsonObject } from "../model/json.ts";
import { MODERN } from "../protocol/revisions.ts";

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
  const { index } = await currentSnapshot(ctx);
  const result = {
    supportedVersions: [...MODERN],
    capabilities: CAPABILITIES,
    ...(index.instructions !== null && { instructions: index.instructions }),
  };
  return { type: "complete", result: JSON.stringify(result), cache: FRESH };
}
