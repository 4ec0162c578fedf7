import { removeConnection, storeConnection, withConnection } from "../connections/vault.ts";
import type { Begun } from "../connections/oauth/login.ts";
import { checkUrl } from "../lib/egress.ts";
import { newId } from "../lib/ids.ts";
import type { RequestContext } from "../model/context.ts";
import { GatewayError, toGatewayError } from "../model/error.ts";
import { listUpstream, type UpstreamListing } from "../targets/mcp/list.ts";
import { deleteUpstream, insertUpstream, updateUpstream } from "./edit-store.ts";
import { connect, type OAuthCredential } from "./login.ts";
import { planImport, type Import, type ImportReport } from "./import.ts";
import { checkToolsetSlug, checkUpstreamSlug } from "./names.ts";
import { publish, type PublishReport } from "./publish.ts";
import { readHeld, readUpstream, readUpstreams, type CountedUpstream } from "./store.ts";

export type NewCredential = { kind: "bearer"; token: string } | { kind: "header"; name: string; value: string } | OAuthCredential;

export interface UpstreamView {
  id: string;
  slug: string;
  url: string;
  tools: number;
  /** MCP revision found at the last probe. */
  revision: string | null;
  /** When that was found, ISO 8601; looked at again a day later, or when it stops fitting. */
  revisionAt: string | null;
  /** ISO 8601. */
  syncedAt: string | null;
}

export interface SyncReport extends ImportReport {
  upstream: UpstreamView;
  published: PublishReport | null;
  /** Where somebody has to log in before it can be listed. */
  login: Begun | null;
}

export interface UpstreamHealth {
  ok: boolean;
  /** Found now. */
  revision: string | null;
  /** What calls go by that find nothing newer: as of the last sync. */
  known: { revision: string; at: string } | null;
  latencyMs: number | null;
  error: string | null;
}

const NOTHING_YET = { added: [], changed: [], removed: [], quarantined: [], invalid: [], published: null };
const LIST_MS = 60_000;
const HEALTH_MS = 15_000;

/**
 * Adds an MCP server: asks it what it offers, keeps that with its sealed credential, and publishes. `review`: what it offers waits for approval instead.
 * Where somebody has to log in first, it is kept without anything, and listed when that is done.
 * `toolset`: it also gets a one-to-one endpoint of its slug. Nothing stays behind when the server cannot be listed.
 * Errors: `invalid` (slug, url, credential), `conflict` (slug), and what listing it meets (`upstream`, `timeout`, …), or where one logs in.
 */
export async function addUpstream(
  ctx: RequestContext,
  wanted: { slug: string; url: string; credential?: NewCredential; review?: boolean; toolset?: boolean },
): Promise<SyncReport> {
  const { slug, credential, review = false, toolset = false } = wanted;
  const { platform, workspace } = ctx;
  checkUpstreamSlug(slug);
  if (toolset) checkToolsetSlug(slug);
  const { href: url, origin } = checkUrl(wanted.url, platform.config.allowInsecureUpstreams);
  if (await readUpstream(platform.database, workspace.id, slug)) throw new GatewayError("conflict", `there is an upstream ${slug} already`);
  const connection = credential ? newId("con") : null;
  try {
    const upstream = { id: newId("up"), slug, url, connection };
    const rows = { ...upstream, toolset: toolset ? slug : null };
    const login = credential && connection !== null ? await store(ctx, { slug, url, origin, connection }, credential, review) : null;
    if (login) {
      await insertUpstream(ctx, rows, null);
      return { ...NOTHING_YET, upstream: viewOf(await existing(ctx, slug)), login };
    }
    const listing = await list(ctx, upstream, LIST_MS);
    const { edit, report } = await plan(ctx, upstream, listing, !review);
    await insertUpstream(ctx, rows, { probe: listing, edit });
    return await reported(ctx, slug, report);
  } catch (thrown) {
    // kept when the rows are there: then only publishing failed, and the next sync or publish finishes it
    if (connection !== null && !(await readUpstream(platform.database, workspace.id, slug))) await removeConnection(ctx, connection);
    throw thrown;
  }
}

/** Gives where somebody has to log in; null: the credential can be used. */
async function store(ctx: RequestContext, at: { slug: string; url: string; origin: string; connection: string }, credential: NewCredential, review: boolean): Promise<Begun | null> {
  if (credential.kind === "oauth") return connect(ctx, at, credential, review);
  await storeConnection(ctx, { ...credential, origin: at.origin }, at.connection);
  return null;
}

/** Asks again what it offers, approves it (with `review`: new and changed things wait), and publishes. Errors: `not_found`, and those of listing. */
export async function syncUpstream(ctx: RequestContext, slug: string, options: { review?: boolean } = {}): Promise<SyncReport> {
  const upstream = await existing(ctx, slug);
  const listing = await list(ctx, upstream, LIST_MS);
  const { edit, report } = await plan(ctx, upstream, listing, !options.review);
  await updateUpstream(ctx, upstream, listing, edit);
  return reported(ctx, slug, report);
}

/**
 * What an upstream announced as changed (at `since`, Unix ms) is held back until someone approves it, and nothing is published: an upstream does not
 * decide when a workspace's catalog changes. Null: somebody has looked since. Errors: `not_found`, and those of listing.
 */
export async function noteDrift(ctx: RequestContext, slug: string, since: number): Promise<ImportReport | null> {
  const upstream = await existing(ctx, slug);
  if (upstream.syncedAt && upstream.syncedAt.getTime() >= since) return null;
  const listing = await list(ctx, upstream, LIST_MS);
  const { edit, report } = await plan(ctx, upstream, listing, false);
  await updateUpstream(ctx, upstream, listing, edit);
  return report;
}

/** Takes it away with its tools, toolsets and credential, and publishes. Errors: `not_found`. */
export async function removeUpstream(ctx: RequestContext, slug: string): Promise<void> {
  const { connection } = await existing(ctx, slug);
  await deleteUpstream(ctx, slug);
  await publish(ctx);
  if (connection !== null) await removeConnection(ctx, connection);
}

/** By slug. */
export async function listUpstreams(ctx: RequestContext): Promise<UpstreamView[]> {
  return (await readUpstreams(ctx.platform.database, ctx.workspace.id)).map(viewOf);
}

/** Lists it now and throws the list away. A server that is down is an answer, not an error. Errors: `not_found`. */
export async function health(ctx: RequestContext, slug: string): Promise<UpstreamHealth> {
  const upstream = await existing(ctx, slug);
  const begun = ctx.platform.now();
  const { revision: known, eraAt } = upstream;
  const remembered = { known: known === null || eraAt === null ? null : { revision: known, at: eraAt.toISOString() } };
  try {
    const { revision } = await list(ctx, upstream, HEALTH_MS);
    return { ok: true, revision, ...remembered, latencyMs: ctx.platform.now() - begun, error: null };
  } catch (thrown) {
    return { ok: false, revision: null, ...remembered, latencyMs: null, error: toGatewayError(thrown).message };
  }
}

async function existing(ctx: RequestContext, slug: string): Promise<CountedUpstream> {
  const upstream = await readUpstream(ctx.platform.database, ctx.workspace.id, slug);
  if (!upstream) throw new GatewayError("not_found", `there is no upstream ${slug}`);
  return upstream;
}

async function list(ctx: RequestContext, upstream: { url: string; connection: string | null }, timeoutMs: number): Promise<UpstreamListing> {
  const { platform, workspace } = ctx;
  return withConnection(platform, workspace.id, upstream, (headers) => listUpstream(platform, { url: upstream.url, headers, timeoutMs }));
}

async function plan(ctx: RequestContext, upstream: { id: string; slug: string }, listing: UpstreamListing, approve: boolean): Promise<Import> {
  const held = await readHeld(ctx.platform.database, ctx.workspace.id, upstream.id);
  return planImport({ workspace: ctx.workspace, upstream, listing, held, approve, toolLimit: ctx.limits.toolsPerWorkspace });
}

async function reported(ctx: RequestContext, slug: string, report: ImportReport): Promise<SyncReport> {
  const published = await publish(ctx);
  return { ...report, upstream: viewOf(await existing(ctx, slug)), published, login: null };
}

function viewOf({ id, slug, url, tools, revision, eraAt, syncedAt }: CountedUpstream): UpstreamView {
  return { id, slug, url, tools, revision, revisionAt: eraAt?.toISOString() ?? null, syncedAt: syncedAt?.toISOString() ?? null };
}
