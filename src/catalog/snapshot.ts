import { type SnapshotIndex, type ToolEntry } from "../model/catalog.ts";
import type { Platform, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonText } from "../model/json.ts";
import { lowered } from "../model/limits.ts";
import { keep, recall } from "./cache.ts";
import { catalogKey, flowKey, readText } from "./kv.ts";

/** Objects take about this many times their source text. */
const OBJECT_FACTOR = 2;

/**
 * One published version of a workspace's catalog: at once when the isolate has it, else a promise.
 * `hash` null: nothing was published yet, an empty catalog.
 * Throws `unavailable` when no store has it, `internal` when what they have is not a snapshot of this workspace.
 */
export function loadSnapshot(platform: Platform, workspace: string, hash: string | null): Snapshot | Promise<Snapshot> {
  if (hash === null) return snapshotOf(platform, "", emptyIndex(workspace));
  return recall("snapshot", catalogKey(workspace, hash)) ?? fetchSnapshot(platform, workspace, hash);
}

async function fetchSnapshot(platform: Platform, workspace: string, hash: string): Promise<Snapshot> {
  const key = catalogKey(workspace, hash);
  const text = await readText(platform, key);
  if (text === null) throw missing(key);
  const index: unknown = JSON.parse(text);
  if (!isIndexOf(index, workspace)) throw new GatewayError("internal", "internal error", { cause: `${key} is not a snapshot of this workspace` });
  const snapshot = snapshotOf(platform, hash, index);
  keep("snapshot", key, snapshot, text.length * OBJECT_FACTOR);
  return snapshot;
}

/** The raw text of one tool as clients of the whole workspace see it. */
export function toolText(platform: Platform, snapshot: Snapshot, entry: ToolEntry): JsonText | Promise<JsonText> {
  const shard = shardText(platform, snapshot, entry.shard);
  if (typeof shard === "string") return shard.slice(entry.start, entry.end);
  return shard.then((text) => text.slice(entry.start, entry.end));
}

export function shardText(platform: Platform, snapshot: Snapshot, number: number): JsonText | Promise<JsonText> {
  const shard = snapshot.index.shards[number];
  if (!shard) throw new GatewayError("internal", "internal error", { cause: `snapshot ${snapshot.hash} has no shard ${number}` });
  return cachedText(platform, catalogKey(snapshot.index.workspace, shard.hash));
}

/** The compiled flow of an agent's version. */
export function flowText(platform: Platform, workspace: string, hash: string): JsonText | Promise<JsonText> {
  return cachedText(platform, flowKey(workspace, hash));
}

function cachedText(platform: Platform, key: string): JsonText | Promise<JsonText> {
  return recall("text", key) ?? fetchText(platform, key);
}

async function fetchText(platform: Platform, key: string): Promise<JsonText> {
  const text = await readText(platform, key);
  if (text === null) throw missing(key);
  keep("text", key, text, text.length);
  return text;
}

function missing(key: string): GatewayError {
  return new GatewayError("unavailable", "the catalog of this workspace cannot be read now", { retryAfter: 1, cause: `neither KV nor R2 has ${key}` });
}

/** An index with its look-up tables. */
export function snapshotOf(platform: Platform, hash: string, index: SnapshotIndex): Snapshot {
  return {
    hash,
    index,
    limits: lowered(platform.config.limits, index.limits),
    tools: new Map(index.tools.map((entry) => [entry.name, entry])),
    resources: new Map(index.resources.map((entry) => [entry.uri, entry])),
    templates: new Map(index.templates.map((entry) => [entry.uriTemplate, entry])),
    prompts: new Map(index.prompts.map((entry) => [entry.name, entry])),
    upstreams: new Map(index.upstreams.map((entry) => [entry.id, entry])),
    toolsets: new Map(index.toolsets.map((entry) => [entry.slug, entry])),
  };
}

export function emptyIndex(workspace: string): SnapshotIndex {
  return {
    format: 1,
    workspace,
    tools: [],
    shards: [],
    resources: [],
    templates: [],
    prompts: [],
    upstreams: [],
    toolsets: [],
    tombstones: {},
    rules: [],
    defaultEffect: "allow",
    limits: {},
    instructions: null,
  };
}

/** Format and workspace; the rest was written by `publish` under its content hash and is not checked again. */
function isIndexOf(value: unknown, workspace: string): value is SnapshotIndex {
  return typeof value === "object" && value !== null && "format" in value && value.format === 1 && "workspace" in value && value.workspace === workspace;
}
