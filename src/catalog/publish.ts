import { type CatalogVersion, type CurrentVersion, FRESH_MS, type Move, type SnapshotIndex } from "../model/catalog.ts";
import type { RequestContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { compile, type Compiled } from "./compile.ts";
import { differences, pageWarnings } from "./difference.ts";
import { insertVersion } from "./edit-store.ts";
import { catalogKey, writeText } from "./kv.ts";
import { emptyIndex, loadSnapshot } from "./snapshot.ts";
import { readCatalog, readVersion, readVersions } from "./store.ts";

/** What a publish did. `changed` false: the catalog was published like this already. */
export interface PublishReport {
  version: number;
  hash: string;
  changed: boolean;
  tools: number;
  warnings: string[];
}

export interface VersionView {
  number: number;
  hash: string;
  current: boolean;
  /** ISO 8601. */
  publishedAt: string;
  publishedBy: string;
}

const TRIES = 5;
const WRITES_AT_ONCE = 5;
const VERSIONS_SHOWN = 200;

/**
 * Compiles the catalog as it is edited and makes it the current version: R2 and KV first, then the move in the Authority (compare and set; rows are
 * read again when someone else moved meanwhile). Returns a second after the move, when the Authority has it announced. Errors: `conflict` after five lost races, `unavailable`.
 */
export async function publish(ctx: RequestContext): Promise<PublishReport> {
  const { platform, workspace } = ctx;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const from = await current(ctx);
    const compiled = await compile(await readCatalog(platform.database, workspace));
    const { index, hash } = compiled;
    const warnings = pageWarnings(index, ctx.limits);
    if (hash === from.hash) {
      await settled(ctx, from);
      return { version: from.number, hash, changed: false, tools: index.tools.length, warnings };
    }
    const before = await indexBefore(ctx, from);
    await write(ctx, compiled, before);
    const version = await moveTo(ctx, from, hash, { tools: index.tools.length, changes: differences(before, index) });
    if (version !== null) return { version, hash, changed: true, tools: index.tools.length, warnings };
  }
  throw new GatewayError("conflict", "others are publishing this workspace at the same time; try again", { retryAfter: 1 });
}

/** Makes an earlier version current again, under a new number. The rows stay as they are edited: the next publish goes by them. Errors: `not_found`. */
export async function rollback(ctx: RequestContext, number: number): Promise<PublishReport> {
  const { platform, workspace } = ctx;
  let from = await current(ctx);
  const wanted = await readVersion(platform.database, workspace.id, number);
  if (!wanted) throw new GatewayError("not_found", `there is no version ${number}`);
  const { index } = await loadSnapshot(platform, workspace.id, wanted.hash);
  const report = { hash: wanted.hash, tools: index.tools.length, warnings: pageWarnings(index, ctx.limits) };
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (from.hash === wanted.hash) {
      await settled(ctx, from);
      return { ...report, version: from.number, changed: false };
    }
    const before = await indexBefore(ctx, from);
    const version = await moveTo(ctx, from, wanted.hash, { tools: index.tools.length, changes: differences(before, index) });
    if (version !== null) return { ...report, version, changed: true };
    from = await current(ctx);
  }
  throw new GatewayError("conflict", "others are publishing this workspace at the same time; try again", { retryAfter: 1 });
}

/** Newest first, 200 at most. */
export async function versions(ctx: RequestContext): Promise<VersionView[]> {
  const now = await current(ctx);
  const rows = await readVersions(ctx.platform.database, ctx.workspace.id, VERSIONS_SHOWN);
  return rows.map(({ number, hash, publishedAt, by }) => ({ number, hash, current: number === now.number, publishedAt: publishedAt.toISOString(), publishedBy: by }));
}

/**
 * The version that is current. Whoever moved to it may have died before its row was written: it is there now. As every move begins here, none
 * leaves a gap behind.
 */
async function current(ctx: RequestContext): Promise<CurrentVersion> {
  const version = await ctx.platform.authority(ctx.workspace.id).version();
  await record(ctx, version);
  return version;
}

async function record(ctx: RequestContext, { number, hash, publication }: CurrentVersion): Promise<void> {
  if (hash === null || !publication) return;
  const { at, by, tools } = publication;
  await insertVersion(ctx, { number, hash, publishedAt: new Date(at), by, tools });
}

/** What is current before the move. If no store has it any more, everything counts as changed. */
async function indexBefore(ctx: RequestContext, from: CatalogVersion): Promise<SnapshotIndex> {
  const { platform, workspace } = ctx;
  try {
    return (await loadSnapshot(platform, workspace.id, from.hash)).index;
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.code === "unavailable") return emptyIndex(workspace.id);
    throw thrown;
  }
}

/** Someone else may have moved there a moment ago: whoever finds nothing left to move returns, too, only when lists are fresh. */
async function settled({ platform }: RequestContext, { publication }: CurrentVersion): Promise<void> {
  if (!publication || platform.now() - publication.at < FRESH_MS) await scheduler.wait(FRESH_MS);
}

/** Shards first: an index never names a shard that cannot be read. Those of the version before are there already. */
async function write(ctx: RequestContext, compiled: Compiled, before: SnapshotIndex): Promise<void> {
  const { platform, workspace } = ctx;
  const there = new Set(before.shards.map(({ hash }) => hash));
  const missing = compiled.shards.filter(({ hash }) => !there.has(hash));
  for (let at = 0; at < missing.length; at += WRITES_AT_ONCE) {
    await Promise.all(missing.slice(at, at + WRITES_AT_ONCE).map(({ hash, text }) => writeText(platform, catalogKey(workspace.id, hash), text)));
  }
  await writeText(platform, catalogKey(workspace.id, compiled.hash), compiled.text);
}

/** The new version's number, a second after the move; null when someone else moved first. */
async function moveTo(ctx: RequestContext, from: CatalogVersion, hash: string, move: Move): Promise<number | null> {
  const { platform, workspace, principal } = ctx;
  const actor = { principal: principal.id, name: principal.name, requestId: ctx.requestId };
  const { moved, version } = await platform.authority(workspace.id).move(from.number, hash, actor, move);
  if (!moved) return null;
  // An object of the version before keeps nothing of the move.
  const { publication = { at: platform.now(), by: principal.name, tools: move.tools } } = version;
  await Promise.all([record(ctx, { ...version, publication }), scheduler.wait(FRESH_MS)]);
  return version.number;
}
