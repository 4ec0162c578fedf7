import type { Platform } from "../model/context.ts";
import type { Workspace } from "../model/identity.ts";

/** `ws:{id}` in KV: what a cold isolate may start with. Written by the Authority alone; up to a minute old; no right depends on it. */
export interface Pointer {
  slug: string;
  version: number;
  hash: string | null;
  anonymous: boolean;
}

/** The shortest `cacheTtl` KV takes, in seconds. */
const POINTER_TTL = 30;

/** Lower-case letters, digits and inner hyphens, 1 to 40. */
export function isSlug(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/.test(text);
}

/** The workspace of `/w/{slug}`, or null. KV may not know a slug yet for a minute after its workspace was made. */
export async function resolveSlug(platform: Platform, slug: string): Promise<Workspace | null> {
  if (!isSlug(slug)) return null;
  const id = await platform.catalog.get(slugKey(slug));
  return id === null ? null : { id, slug };
}

/** The workspace that owns a host name, or null. */
export async function resolveHost(platform: Platform, host: string): Promise<Workspace | null> {
  if (!isHost(host)) return null;
  const id = await platform.catalog.get(hostKey(host));
  const pointer = id === null ? null : await pointerOf(platform, id);
  return id === null || pointer === null ? null : { id, slug: pointer.slug };
}

/** The workspace's pointer, or null when KV has none here (yet). */
export async function pointerOf(platform: Platform, workspace: string): Promise<Pointer | null> {
  const value: unknown = await platform.catalog.get(pointerKey(workspace), { type: "json", cacheTtl: POINTER_TTL });
  return isPointer(value) ? value : null;
}

/** Whether a caller without a credential is worth asking the Authority about, who decides. */
export async function isAnonymous(platform: Platform, workspace: string): Promise<boolean> {
  return (await pointerOf(platform, workspace))?.anonymous ?? false;
}

/** A name as the URL of a request has it: lower case, with its port where that is not the scheme's own. */
export function isHost(text: string): boolean {
  return /^[a-z0-9.-]{1,253}(?::\d{1,5})?$/.test(text);
}

export function hostKey(host: string): string {
  return `host:${host}`;
}

export function slugKey(slug: string): string {
  return `slug:${slug}`;
}

export function pointerKey(workspace: string): string {
  return `ws:${workspace}`;
}

function isPointer(value: unknown): value is Pointer {
  if (typeof value !== "object" || value === null) return false;
  const text = "slug" in value && typeof value.slug === "string";
  const version = "version" in value && typeof value.version === "number";
  const hash = "hash" in value && (value.hash === null || typeof value.hash === "string");
  return text && version && hash && "anonymous" in value && typeof value.anonymous === "boolean";
}
