import { type EgressOptions, send } from "../../lib/egress.ts";
import type { CallContext, Platform, RequestGate } from "../../model/context.ts";
import type { UpstreamEntry } from "../../model/catalog.ts";
import type { Limits } from "../../model/limits.ts";
import { type OpenConnection, openConnection } from "../../connections/vault.ts";

/** One upstream as one caller reaches it: address, credential and limits. Lives as long as the call. */
export interface Link {
  url: string;
  /** The credential; added to every request, to this URL only. */
  headers: Readonly<Record<string, string>>;
  /** Of the credential: a changed one opens sessions of its own. */
  credential: number;
  allowInsecure: boolean;
  limits: Pick<Limits, "firstByteMs" | "idleMs" | "totalMs" | "resultBytes" | "eventBytes">;
  hops: number;
  gate: RequestGate | undefined;
  now(): number;
}

/** Opens the upstream's connection and puts the link of one call together. Errors: those of the vault. */
export async function linkOf(upstream: UpstreamEntry, ctx: CallContext): Promise<Link> {
  return linkWith(await secretOf(upstream, ctx), upstream, ctx);
}

/** The upstream's credential; null: it needs none. */
export async function secretOf({ connection, url }: UpstreamEntry, { platform, workspace }: CallContext): Promise<OpenConnection | null> {
  return connection === null ? null : openConnection(platform, workspace.id, connection, originOf(url));
}

export function linkWith(secret: OpenConnection | null, upstream: UpstreamEntry, ctx: CallContext): Link {
  const { platform } = ctx;
  return {
    url: upstream.url,
    headers: secret?.headers ?? {},
    credential: secret?.version ?? 0,
    allowInsecure: platform.config.allowInsecureUpstreams,
    limits: ctx.limits,
    hops: ctx.hops ?? 0,
    gate: ctx.gate,
    now: platform.now,
  };
}

/** A link for work that no call stands behind: listing, and an upstream session's own requests. */
export function plainLink(platform: Platform, url: string, headers: Readonly<Record<string, string>>): Link {
  return {
    url,
    headers,
    credential: 0,
    allowInsecure: platform.config.allowInsecureUpstreams,
    limits: platform.config.limits,
    hops: 0,
    gate: undefined,
    now: platform.now,
  };
}

/** Sends a request to the upstream, with the credential of the link. Answers and errors are those of `send` in `lib/egress`. */
export function sendOver(link: Link, { method, headers, body, signal }: Pick<EgressOptions, "method" | "headers" | "body" | "signal">): Promise<Response> {
  const { url, allowInsecure, hops } = link;
  return send(url, { method, headers: { ...link.headers, ...headers }, body, signal, allowInsecure, hops });
}

/** The origin a secret must have been made for. */
export function originOf(url: string): string {
  return new URL(url).origin;
}
