import { newId } from "../lib/ids.ts";
import type { Actor, Platform } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { SCOPES } from "../model/identity.ts";
import type { Scope, Workspace } from "../model/identity.ts";
import { hostKey, isHost, isSlug, slugKey } from "./resolve.ts";
import { findWorkspace, insertWorkspace, someHostTaken } from "./store.ts";

export interface NewWorkspace {
  slug: string;
  name: string;
  /** Scopes of callers without a credential; absent or null: every caller needs one. */
  anonymous?: Scope[] | null;
  /** Host names on which the workspace part of the path is dropped; the operator routes them to this Worker. */
  hosts?: string[];
}

/**
 * A workspace with a token of its first owner, which holds every scope and is shown this once.
 * Errors: `invalid` (slug, name, hosts), `conflict` (slug or host taken). A creation that died half way has its slug; asking for it again
 * finishes what was left undone, answers `conflict` all the same, and the operator makes a token.
 */
export async function createWorkspace(platform: Platform, wanted: NewWorkspace, actor: Actor): Promise<{ workspace: Workspace; token: string }> {
  check(wanted);
  const { hosts = [] } = wanted;
  if (await someHostTaken(platform.database, hosts)) throw new GatewayError("conflict", "a host belongs to another workspace");
  const workspace: Workspace = { id: newId("ws"), slug: wanted.slug };
  try {
    await insertWorkspace(platform.database, { ...workspace, name: wanted.name, hosts });
  } catch (error) {
    if (error instanceof GatewayError && error.code === "conflict") await mend(platform, wanted.slug, actor);
    throw error;
  }
  const authority = platform.authority(workspace.id);
  await authority.setup(workspace, actor, { anonymous: wanted.anonymous ?? null });
  const owner = { name: "owner", scopes: [...SCOPES], role: "owner" as const, readOnly: false, toolset: null, expiresAt: null };
  const { token } = await authority.createToken(owner, actor);
  await announce(platform, workspace, hosts);
  return { workspace, token };
}

function check(wanted: NewWorkspace): void {
  const problems = [
    ...(isSlug(wanted.slug) ? [] : [{ field: "slug", message: "must be 1 to 40 lower-case letters, digits and inner hyphens" }]),
    ...((wanted.hosts ?? []).every(isHost) ? [] : [{ field: "hosts", message: "must be host names in lower case, with a port where it is not the usual one" }]),
    ...(wanted.name.trim() && wanted.name.length <= 200 ? [] : [{ field: "name", message: "must have 1 to 200 characters" }]),
  ];
  if (problems.length > 0) throw new GatewayError("invalid", problems.map(({ field, message }) => `${field} ${message}`).join("; "), { data: { problems } });
}

/** Sets up what the row of the slug stands for; changes nothing where that is done. */
async function mend(platform: Platform, slug: string, actor: Actor): Promise<void> {
  const row = await findWorkspace(platform.database, slug);
  if (!row) return;
  await platform.authority(row.id).setup({ id: row.id, slug: row.slug }, actor);
  await announce(platform, row, row.hosts);
}

/** Tells every location how requests find the workspace. */
async function announce(platform: Platform, { id, slug }: Workspace, hosts: readonly string[]): Promise<void> {
  await Promise.all([slugKey(slug), ...hosts.map(hostKey)].map((key) => platform.catalog.put(key, id)));
}
