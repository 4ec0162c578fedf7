import type { PromptEntry, ResourceEntry, TemplateEntry, ToolEntry } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { isCallable, isOffered, originalNames, soleUpstream } from "./offering.ts";
import { fill, matchTemplate, partsOf } from "./uritemplate.ts";

/** The tool a caller means: by name, by the name it had before a rename (90 days), on a one-to-one endpoint by the upstream's own name. Null: unknown or not for this caller. */
export function findTool(ctx: CallContext, snapshot: Snapshot, name: string): ToolEntry | null {
  const upstream = soleUpstream(ctx, snapshot);
  const entry = upstream === null ? (snapshot.tools.get(name) ?? renamed(ctx, snapshot, name)) : originalNames(snapshot, upstream).tools.get(name);
  return entry && isCallable(ctx, snapshot, entry) ? entry : null;
}

function renamed(ctx: CallContext, snapshot: Snapshot, name: string): ToolEntry | undefined {
  const tombstone = snapshot.index.tombstones[name];
  return tombstone && tombstone.until > ctx.platform.now() ? snapshot.tools.get(tombstone.name) : undefined;
}

export function findPrompt(ctx: CallContext, snapshot: Snapshot, name: string): PromptEntry | null {
  const upstream = soleUpstream(ctx, snapshot);
  const entry = upstream === null ? snapshot.prompts.get(name) : originalNames(snapshot, upstream).prompts.get(name);
  return entry && isOffered(ctx, snapshot, entry.name, entry) ? entry : null;
}

/**
 * What a URI reads: a resource by its URI, else what a template covers, else, on a one-to-one endpoint, whatever the upstream makes of it
 * (resources of MCP Apps are read without being listed). For the last two the entry is made here; its target names the URI as the upstream knows it.
 */
export function findResource(ctx: CallContext, snapshot: Snapshot, uri: string): ResourceEntry | null {
  const upstream = soleUpstream(ctx, snapshot);
  const entry = upstream === null ? snapshot.resources.get(uri) : originalNames(snapshot, upstream).resources.get(uri);
  if (entry) return isOffered(ctx, snapshot, entry.uri, entry) ? entry : null;
  if (upstream === null) return fromTemplates(ctx, snapshot, uri);
  const any: ResourceEntry = { uri, target: { kind: "mcp", upstream, name: uri }, text: "", toolsets: ctx.toolset === null ? [] : [ctx.toolset] };
  return isOffered(ctx, snapshot, uri, any) ? any : null;
}

/** By the template's own text, as `completion/complete` refers to it. */
export function findTemplate(ctx: CallContext, snapshot: Snapshot, uriTemplate: string): TemplateEntry | null {
  const upstream = soleUpstream(ctx, snapshot);
  const entry = upstream === null ? snapshot.templates.get(uriTemplate) : originalNames(snapshot, upstream).templates.get(uriTemplate);
  return entry && isOffered(ctx, snapshot, entry.uriTemplate, entry) ? entry : null;
}

function fromTemplates(ctx: CallContext, snapshot: Snapshot, uri: string): ResourceEntry | null {
  for (const entry of snapshot.index.templates) {
    const parts = partsOf(entry.uriTemplate);
    const values = parts && isOffered(ctx, snapshot, entry.uriTemplate, entry) ? matchTemplate(parts, uri) : null;
    if (values) return { uri, target: covered(entry, uri, values), text: entry.text, toolsets: entry.toolsets };
  }
  return null;
}

/** A template exposed under another text is filled in again in the upstream's own. */
function covered(entry: TemplateEntry, uri: string, values: string[]): ResourceEntry["target"] {
  if (entry.target.kind !== "mcp") return entry.target;
  if (entry.target.name === entry.uriTemplate) return { ...entry.target, name: uri };
  return { ...entry.target, name: fill(partsOf(entry.target.name) ?? [], values) };
}
