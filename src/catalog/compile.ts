import { sha256 } from "../lib/crypto.ts";
import { editObject } from "../lib/json.ts";
import type { PromptEntry, ResourceEntry, SnapshotIndex, TemplateEntry, Tombstone, ToolAnnotations, ToolEntry } from "../model/catalog.ts";
import { isObject, type JsonObject, type JsonText, type JsonValue } from "../model/json.ts";
import { headerParamsOf } from "../protocol/headers.ts";
import { appUriOf, withAppUri } from "./apps.ts";
import { rewrittenUri } from "./import.ts";
import type { CatalogRows, EntryRow, ToolRow } from "./row.ts";

/** What a tool says of the hop to its server alone: experimental tasks of 2025-11-25, which no client of ours could use. */
const HOP_MEMBERS: readonly string[] = ["execution"];

/** Bytes of one shard at most. */
const SHARD_BYTES = 512 * 1024;

export interface Compiled {
  index: SnapshotIndex;
  /** Text of the index and the hash of that text, which names the snapshot. */
  text: JsonText;
  hash: string;
  shards: { hash: string; text: JsonText }[];
}

/** A tool as clients of the whole workspace will see it. */
interface Shown {
  row: ToolRow;
  text: JsonText;
  definition: JsonObject;
  toolsets: string[];
  /** Exposed URI of the resource that its results are shown with. */
  app: string | null;
}

/**
 * Rows → one snapshot. The same rows give the same text: everything is sorted or in the order it was read. Pure but for hashing.
 * Only `name`, an overridden description, `execution` and a rewritten MCP Apps URI are edited in a tool's text; all else is as the target wrote it.
 */
export async function compile(rows: CatalogRows): Promise<Compiled> {
  const unlisted = new Map<string, ResourceEntry>();
  const members = Map.groupBy(rows.members, ({ tool }) => tool);
  const shown = rows.tools.flatMap((row) => {
    const toolsets = [...ownToolsets(rows, row.upstream), ...(members.get(row.name) ?? []).map(({ toolset }) => toolset)];
    return show(rows, row, [...new Set(toolsets)].sort(), unlisted);
  });
  const { tools, shards } = await packed(shown);
  const index: SnapshotIndex = {
    format: 1,
    workspace: rows.workspace.id,
    tools,
    shards: shards.map(({ hash, bytes }) => ({ hash, bytes })),
    resources: [...rows.resources.map((row) => resource(rows, row, shown)), ...unlisted.values()],
    templates: rows.templates.map((row): TemplateEntry => ({ uriTemplate: row.name, target: row.target, text: entryText(row, "uriTemplate"), toolsets: ownToolsets(rows, row.upstream) })),
    prompts: rows.prompts.map((row): PromptEntry => ({ name: row.name, target: row.target, text: entryText(row, "name"), toolsets: ownToolsets(rows, row.upstream) })),
    upstreams: rows.upstreams.map(({ id, slug, url, connection, revision, eraAt, capabilities, timeoutMs, concurrency }) => ({
      id,
      slug,
      url,
      connection,
      era: revision === null || eraAt === null ? null : { revision, at: eraAt.getTime() },
      capabilities,
      timeoutMs,
      concurrency,
    })),
    toolsets: rows.toolsets.map(({ slug, upstream }) => ({ slug, upstream })),
    tombstones: tombstones(rows, shown),
    rules: rows.rules,
    defaultEffect: rows.setting.defaultEffect,
    limits: rows.setting.limits,
    instructions: rows.setting.instructions,
  };
  const text = JSON.stringify(index);
  return { index, text, hash: await sha256(text), shards };
}

function show(rows: CatalogRows, row: ToolRow, toolsets: string[], unlisted: Map<string, ResourceEntry>): Shown[] {
  const definition: JsonValue = row.definition === null ? null : JSON.parse(row.definition);
  if (row.definition === null || !isObject(definition)) return [];
  const app = appOf(rows, row, definition, toolsets, unlisted);
  const set: Record<string, JsonText> = {};
  if (definition["name"] !== row.name) set["name"] = JSON.stringify(row.name);
  if (row.description !== null) set["description"] = JSON.stringify(row.description);
  const text = editObject(row.definition, { drop: HOP_MEMBERS, set });
  return [{ row, definition, toolsets, app, text: app !== null && app !== appUriOf(definition) ? withAppUri(text, app) : text }];
}

/**
 * MCP Apps: the tool's resource must be its own upstream's, also when another upstream has the same URI, and must be readable though it is
 * often not listed. Returns the URI under which this workspace has it.
 */
function appOf(rows: CatalogRows, row: ToolRow, definition: JsonObject, toolsets: string[], unlisted: Map<string, ResourceEntry>): string | null {
  const uri = appUriOf(definition);
  const upstream = rows.upstreams.find(({ id }) => id === row.upstream);
  if (uri === null || !upstream || !uri.isWellFormed()) return null;
  const listed = rows.resources.find((entry) => entry.upstream === row.upstream && entry.source === uri);
  if (listed) return listed.name;
  const isTaken = unlisted.has(uri) ? unlistedUpstream(unlisted, uri) !== upstream.id : rows.resources.some((entry) => entry.name === uri);
  const name = isTaken ? rewrittenUri(rows.workspace.slug, upstream.slug, uri) : uri;
  const known = unlisted.get(name);
  const entry: ResourceEntry = known ?? { uri: name, target: { kind: "mcp", upstream: upstream.id, name: uri }, text: JSON.stringify({ uri: name, name }), toolsets: [], unlisted: true };
  unlisted.set(name, { ...entry, toolsets: [...new Set([...entry.toolsets, ...toolsets])].sort() });
  return name;
}

function unlistedUpstream(unlisted: ReadonlyMap<string, ResourceEntry>, name: string): string | null {
  const target = unlisted.get(name)?.target;
  return target?.kind === "mcp" ? target.upstream : null;
}

/** Cuts the texts into shards, in the order of the names. */
async function packed(shown: readonly Shown[]): Promise<{ tools: ToolEntry[]; shards: { hash: string; text: JsonText; bytes: number }[] }> {
  const tools: ToolEntry[] = [];
  const shards: { texts: JsonText[]; bytes: number; chars: number }[] = [];
  for (const { row, text, definition, toolsets } of shown) {
    const bytes = new TextEncoder().encode(text).length + 1;
    let shard = shards[shards.length - 1];
    if (!shard || shard.bytes + bytes > SHARD_BYTES) shards.push((shard = { texts: [], bytes: 1, chars: 1 }));
    const start = shard.chars;
    shard.texts.push(text);
    shard.bytes += bytes;
    shard.chars += text.length + 1;
    const { inputSchema, outputSchema, _meta } = definition;
    const headers = isObject(inputSchema) ? headerParamsOf(inputSchema) : null;
    tools.push({
      name: row.name,
      target: row.target,
      annotations: annotationsOf(definition["annotations"]),
      hash: await sha256(text),
      shard: shards.length - 1,
      start,
      end: start + text.length,
      headers: headers?.ok ? headers.params : [],
      toolsets,
      ...(isTaskOnly(definition) && { runsAsTask: true as const }),
      checkOutput: row.checkOutput && outputSchema !== undefined,
      ...(isObject(_meta) && _meta["causeway/resumable"] === true && { resumable: true }),
      ...(row.asks === "never" && { asks: row.asks }),
    });
  }
  const texts = shards.map(({ texts: parts, bytes }) => ({ text: `[${parts.join(",")}]`, bytes }));
  return { tools, shards: await Promise.all(texts.map(async ({ text, bytes }) => ({ text, bytes, hash: await sha256(text) }))) };
}

function isTaskOnly({ execution }: JsonObject): boolean {
  return isObject(execution) && execution["taskSupport"] === "required";
}

function annotationsOf(value: JsonValue | undefined): ToolAnnotations {
  if (!isObject(value)) return {};
  const annotations: ToolAnnotations = {};
  if (typeof value["title"] === "string") annotations.title = value["title"];
  for (const hint of ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] as const) {
    const told = value[hint];
    if (typeof told === "boolean") annotations[hint] = told;
  }
  return annotations;
}

function resource(rows: CatalogRows, row: EntryRow, shown: readonly Shown[]): ResourceEntry {
  const viaTools = shown.filter(({ app }) => app === row.name).flatMap(({ toolsets }) => toolsets);
  const toolsets = [...new Set([...ownToolsets(rows, row.upstream), ...viaTools])].sort();
  return { uri: row.name, target: row.target, text: entryText(row, "uri"), toolsets };
}

/** The one-to-one toolsets of an upstream. */
function ownToolsets(rows: CatalogRows, upstream: string | null): string[] {
  return upstream === null ? [] : rows.toolsets.filter((toolset) => toolset.upstream === upstream).map(({ slug }) => slug);
}

function entryText(row: EntryRow, member: "uri" | "uriTemplate" | "name"): JsonText {
  return row.name === row.source || row.target.kind !== "mcp" ? row.definition : editObject(row.definition, { set: { [member]: JSON.stringify(row.name) } });
}

/**
 * Names that lead to a tool besides its own: those it had before, and the upstream's own name for the tools of an upstream with MCP Apps, because the
 * app inside the client calls its server's tools by the names it knows. A name that two upstreams have leads nowhere.
 */
function tombstones(rows: CatalogRows, shown: readonly Shown[]): Record<string, Tombstone> {
  const found = new Map<string, Tombstone | null>();
  const withApps = new Set(shown.filter(({ app }) => app !== null).map(({ row }) => row.upstream));
  const names = new Set(shown.map(({ row }) => row.name));
  for (const { row } of shown) {
    if (!withApps.has(row.upstream) || names.has(row.source)) continue;
    found.set(row.source, found.has(row.source) ? null : { name: row.name, until: Number.MAX_SAFE_INTEGER });
  }
  for (const { oldName, name, until } of rows.tombstones) if (!names.has(oldName)) found.set(oldName, { name, until: until.getTime() });
  const kept = [...found].filter((entry): entry is [string, Tombstone] => entry[1] !== null);
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}
