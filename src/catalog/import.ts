import type { JsonText } from "../model/json.ts";
import { readEntry, readTool } from "./definition.ts";
import type { CatalogEdit } from "./edit-store.ts";
import { exposedName } from "./names.ts";
import { pinOf } from "./pins.ts";
import { ENTRY_KINDS, type EntryKind, type EntryRow, type ToolRow } from "./row.ts";
import type { HeldRows } from "./store.ts";
import { partsOf } from "./uritemplate.ts";

/** What an upstream shows: every entry as it wrote it, and what its listing had to leave out. */
export interface Listing extends Readonly<Record<EntryKind | "tools", readonly JsonText[]>> {
  dropped: readonly { name: string; reason: string }[];
}

export interface Importing {
  workspace: { slug: string };
  upstream: { id: string; slug: string };
  listing: Listing;
  held: HeldRows;
  /** By hand without review: what is shown is approved. Else new and changed things are held back. */
  approve: boolean;
  /** How many tools the workspace may have at most. */
  toolLimit: number;
}

/** Tools by exposed name; entries that were held back as `resources test://a`. */
export interface ImportReport {
  added: string[];
  changed: string[];
  removed: string[];
  quarantined: string[];
  invalid: { name: string; reason: string }[];
}

export interface Import {
  edit: CatalogEdit;
  report: ImportReport;
}

interface Draft {
  edit: { tools: ToolRow[]; gone: string[]; put: Record<EntryKind, EntryRow[]>; drop: Record<EntryKind, string[]> };
  report: ImportReport;
}

/**
 * Compares what an upstream shows with what the catalog holds of it. The approved text of a tool stays until its pin (name, title, description,
 * schemas, annotations) differs and someone approves; what the pin does not cover follows the upstream. An invalid entry is named and changes nothing.
 * A tool that is not shown any more keeps its row, marked gone. Pure but for hashing.
 */
export async function planImport(importing: Importing): Promise<Import> {
  const { listing } = importing;
  const draft: Draft = {
    edit: { tools: [], gone: [], put: { resources: [], templates: [], prompts: [] }, drop: { resources: [], templates: [], prompts: [] } },
    report: { added: [], changed: [], removed: [], quarantined: [], invalid: [...listing.dropped] },
  };
  await importTools(importing, draft);
  for (const kind of ENTRY_KINDS) await importEntries(importing, kind, draft);
  return draft;
}

async function importTools(importing: Importing, draft: Draft): Promise<void> {
  const { held, listing } = importing;
  const bySource = new Map(held.tools.map((row) => [row.source, row]));
  const names = new Set(held.names.tools);
  const seen = new Set<string>();
  for (const text of listing.tools) {
    const read = readTool(text);
    if (!read.ok || seen.has(read.name)) {
      // an invalid version of a known tool is no reason to drop the approved one
      seen.add(read.name);
      draft.report.invalid.push({ name: read.name, reason: read.ok ? "it is listed twice" : read.reason });
      continue;
    }
    seen.add(read.name);
    const known = bySource.get(read.name);
    if (!known && names.size >= importing.toolLimit) {
      draft.report.invalid.push({ name: read.name, reason: `the workspace has ${importing.toolLimit} tools already (limit toolsPerWorkspace)` });
      continue;
    }
    const row = known ?? (await newTool(importing, read.name, names));
    names.add(row.name);
    compareTool(importing, row, text, await pinOf(read.definition), draft);
  }
  for (const row of held.tools) {
    if (seen.has(row.source) || row.gone) continue;
    draft.edit.gone.push(row.name);
    draft.report.removed.push(row.name);
  }
}

async function newTool({ upstream }: Importing, source: string, names: ReadonlySet<string>): Promise<ToolRow> {
  return {
    name: await exposedName(upstream.slug, source, (name) => names.has(name)),
    upstream: upstream.id,
    source,
    target: { kind: "mcp", upstream: upstream.id, name: source },
    definition: null,
    pin: null,
    candidate: null,
    candidatePin: null,
    description: null,
    enabled: true,
    gone: false,
    checkOutput: false,
    asks: "may",
  };
}

function compareTool({ approve }: Importing, row: ToolRow, text: JsonText, pin: string, draft: Draft): void {
  const approved = { ...row, definition: text, pin, candidate: null, candidatePin: null, gone: false };
  if (row.pin === pin) {
    const same = row.definition === text && row.candidate === null && !row.gone;
    if (row.gone) draft.report.added.push(row.name);
    if (!same) draft.edit.tools.push(approved);
    return;
  }
  if (approve) {
    draft.report[row.pin === null ? "added" : "changed"].push(row.name);
    draft.edit.tools.push(approved);
    return;
  }
  draft.report.quarantined.push(row.name);
  if (row.candidate !== text || row.gone) draft.edit.tools.push({ ...row, candidate: text, candidatePin: pin, gone: false });
}

async function importEntries(importing: Importing, kind: EntryKind, draft: Draft): Promise<void> {
  const held = new Map(importing.held[kind].map((row) => [row.source, row]));
  const names = new Set(importing.held.names[kind]);
  const seen = new Set<string>();
  for (const text of importing.listing[kind]) {
    const read = readEntry(kind, text);
    if (!read.ok || seen.has(read.name)) {
      seen.add(read.name);
      draft.report.invalid.push({ name: `${kind} ${read.name}`, reason: read.ok ? "it is listed twice" : read.reason });
      continue;
    }
    seen.add(read.name);
    const known = held.get(read.name);
    if (known?.definition === text) continue;
    if (!importing.approve) {
      draft.report.quarantined.push(`${kind} ${read.name}`);
      continue;
    }
    const row = known ?? (await newEntry(importing, kind, read.name, names));
    names.add(row.name);
    draft.edit.put[kind].push({ ...row, definition: text });
  }
  draft.edit.drop[kind].push(...importing.held[kind].filter((row) => !seen.has(row.source)).map((row) => row.name));
}

async function newEntry(importing: Importing, kind: EntryKind, source: string, names: ReadonlySet<string>): Promise<Omit<EntryRow, "definition">> {
  const { upstream, workspace } = importing;
  const name =
    kind === "prompts"
      ? await exposedName(upstream.slug, source, (taken) => names.has(taken))
      : names.has(source)
        ? rewrittenUri(workspace.slug, upstream.slug, source)
        : source;
  return { name, upstream: upstream.id, source, target: { kind: "mcp", upstream: upstream.id, name: source } };
}

/** Where a URI (or URI template) that another upstream offers too is found on the workspace's endpoint. Expressions of a template stay as they are. */
export function rewrittenUri(workspace: string, upstream: string, uri: string): string {
  const parts = partsOf(uri) ?? [{ literal: uri }];
  const path = parts.map((part) => ("literal" in part ? encodeURIComponent(part.literal) : part.expression));
  return `causeway://${workspace}/upstream/${upstream}/${path.join("")}`;
}
