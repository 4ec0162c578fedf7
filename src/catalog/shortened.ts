import type { CallContext, Snapshot } from "../model/context.ts";
import type { ToolEntry } from "../model/catalog.ts";
import { keep, recall, type ShortNames } from "./cache.ts";
import { findTool } from "./find.ts";
import { catalogKey } from "./kv.ts";
import { shortName } from "./names.ts";
import { soleUpstream } from "./offering.ts";

const NONE: ShortNames = { short: new Map(), full: new Map() };

/**
 * The tools whose names are longer than a client takes, each under a shorter one that no other tool has; the same for every caller and, as long as the
 * tools are, for every version. A one-to-one endpoint renames nothing, also not this.
 */
export async function shortNames(ctx: CallContext, snapshot: Snapshot, chars: number | undefined): Promise<ShortNames> {
  if (chars === undefined || soleUpstream(ctx, snapshot) !== null) return NONE;
  const key = `${catalogKey(snapshot.index.workspace, snapshot.hash)} ${chars}`;
  const known = recall("short", key);
  if (known) return known;
  const short = new Map<string, string>();
  const full = new Map<string, string>();
  for (const { name } of snapshot.index.tools) {
    if (name.length <= chars) continue;
    const given = await shortName(name, chars, (wanted) => snapshot.tools.has(wanted) || full.has(wanted));
    short.set(name, given);
    full.set(given, name);
  }
  const names = { short, full };
  keep("short", key, names, 200 + full.size * 300);
  return names;
}

/** The tool that a client with such a limit means by a name that no tool has. */
export async function findShortened(ctx: CallContext, snapshot: Snapshot, name: string, chars: number | undefined): Promise<ToolEntry | null> {
  const full = (await shortNames(ctx, snapshot, chars)).full.get(name);
  return full === undefined ? null : findTool(ctx, snapshot, full);
}
