import type { PromptEntry, ResourceEntry, Target, TemplateEntry, ToolAnnotations, ToolEntry } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { bearingOf, visible } from "../policy/bearing.ts";
import { keep, recall, type OriginalNames } from "./cache.ts";
import { catalogKey } from "./kv.ts";

/** Reading resources and prompts changes nothing, so a read-only principal may. */
const READ: ToolAnnotations = { readOnlyHint: true };

interface Offered {
  target: Target;
  toolsets: string[];
  annotations?: ToolAnnotations;
}

/** Whether this endpoint holds the entry and policy shows it to this caller: the one test for lists and reads alike. `name`: the exposed name or URI. */
export function isOffered(ctx: CallContext, snapshot: Snapshot, name: string, entry: Offered): boolean {
  if (ctx.toolset !== null && !entry.toolsets.includes(ctx.toolset)) return false;
  return visible(snapshot.index, ctx.principal, { name, target: entry.target, annotations: entry.annotations ?? READ, toolsets: entry.toolsets });
}

/** The same for a tool that is called: what policy says of it is remembered for the call itself. */
export function isCallable(ctx: CallContext, snapshot: Snapshot, entry: ToolEntry): boolean {
  if (ctx.toolset !== null && !entry.toolsets.includes(ctx.toolset)) return false;
  return bearingOf(snapshot.index, ctx.principal, entry).visible;
}

/** The upstream (its id) that the endpoint is one to one with, or null. */
export function soleUpstream(ctx: CallContext, snapshot: Snapshot): string | null {
  return ctx.toolset === null ? null : (snapshot.toolsets.get(ctx.toolset)?.upstream ?? null);
}

/** Entries of one upstream by the names it gives them itself. */
export function originalNames(snapshot: Snapshot, upstream: string): OriginalNames {
  const key = `${catalogKey(snapshot.index.workspace, snapshot.hash)} ${upstream}`;
  const known = recall("names", key);
  if (known) return known;
  const names = {
    tools: byOriginal(snapshot.index.tools, upstream),
    resources: byOriginal(snapshot.index.resources, upstream),
    templates: byOriginal(snapshot.index.templates, upstream),
    prompts: byOriginal(snapshot.index.prompts, upstream),
  };
  const entries = names.tools.size + names.resources.size + names.templates.size + names.prompts.size;
  keep("names", key, names, 200 + entries * 100);
  return names;
}

function byOriginal<Entry extends ToolEntry | ResourceEntry | TemplateEntry | PromptEntry>(entries: readonly Entry[], upstream: string): ReadonlyMap<string, Entry> {
  const names = new Map<string, Entry>();
  for (const entry of entries) if (entry.target.kind === "mcp" && entry.target.upstream === upstream) names.set(entry.target.name, entry);
  return names;
}
