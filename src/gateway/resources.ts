import { findResource } from "../catalog/find.ts";
import { currentSnapshot, freshSnapshot } from "../catalog/freshness.ts";
import { entriesPage } from "../catalog/pages.ts";
import type { CacheHint, Call, Reply } from "../model/call.ts";
import type { Target } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { profileOf } from "../protocol/profiles.ts";
import { invoke } from "../targets/target.ts";
import { asked } from "./ask.ts";
import { cursorOf, pageOutcome } from "./params.ts";
import { openState } from "./state.ts";
import { readAs } from "./uris.ts";

/** What a read says of itself stands; else it may change at any moment. */
const STALE: CacheHint = { ttlMs: 0, scope: "private" };

export async function* listResources(call: Call, ctx: CallContext): Reply {
  const snapshot = await freshSnapshot(ctx);
  const page = await entriesPage(ctx, snapshot, "resources", cursorOf(call), profileOf(call.clientInfo));
  return pageOutcome("resources", page);
}

export async function* listTemplates(call: Call, ctx: CallContext): Reply {
  const snapshot = await freshSnapshot(ctx);
  const page = await entriesPage(ctx, snapshot, "templates", cursorOf(call), profileOf(call.clientInfo));
  return pageOutcome("resourceTemplates", page);
}

/** `resources/read`: a listed URI, one that a template covers, or on a one-to-one endpoint any URI of its upstream. */
export async function* readResource(call: Call, ctx: CallContext): Reply {
  const uri = call.params["uri"];
  if (typeof uri !== "string") throw new GatewayError("invalid", "uri must be a string");
  if (uri.length > ctx.limits.uriChars) throw new GatewayError("too_large", `uri is longer than ${ctx.limits.uriChars} characters (limit uriChars)`);
  const { snapshot, target } = await find(uri, ctx);
  const state = await openState(call, ctx);
  const outcome = readAs(yield* invoke(target, { ...call, requestState: state.inner }, ctx, snapshot), uri, target.kind === "mcp" ? target.name : uri);
  if (outcome.type === "input_required") return asked(outcome, call, ctx, false);
  if (outcome.type === "complete") return { ...outcome, cache: { ttlMs: outcome.cache?.ttlMs ?? STALE.ttlMs, scope: "private" } };
  return outcome;
}

async function find(uri: string, ctx: CallContext): Promise<{ snapshot: Snapshot; target: Target }> {
  const current = await currentSnapshot(ctx);
  const known = findResource(ctx, current, uri);
  if (known) return { snapshot: current, target: known.target };
  const fresh = await freshSnapshot(ctx);
  const entry = findResource(ctx, fresh, uri);
  if (!entry) throw new GatewayError("not_found", "resource not found", { data: { uri } });
  return { snapshot: fresh, target: entry.target };
}
