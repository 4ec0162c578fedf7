import { placeAt } from "../connections/oauth/client.ts";
import { type Begun, createGrant, logIn, type Wishes } from "../connections/oauth/login.ts";
import type { RequestContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { challengeOf } from "../targets/mcp/list.ts";
import { readUpstream } from "./store.ts";

/** An OAuth credential for a new upstream. `flow`: with client credentials the gateway logs in by itself, else a person does. */
export interface OAuthCredential extends Wishes {
  kind: "oauth";
  flow: "authorization_code" | "client_credentials";
}

type Upstream = { slug: string; url: string; connection: string };

/**
 * Logs in again to an upstream that was added with OAuth: gives where a person has to, or null where the gateway has done so itself.
 * Errors: `not_found`, `conflict` when it was not added so, and those of `logIn`.
 */
export async function loginUpstream(ctx: RequestContext, slug: string, wishes: Wishes = {}): Promise<Begun | null> {
  const upstream = await readUpstream(ctx.platform.database, ctx.workspace.id, slug);
  if (!upstream) throw new GatewayError("not_found", `there is no upstream ${slug}`);
  const { connection, url } = upstream;
  if (connection === null) throw new GatewayError("conflict", `the upstream ${slug} was not added with OAuth`);
  return logInAt(ctx, { slug, url, connection }, wishes, false);
}

/** Makes the connection of a new upstream and logs in. `review`: of what is listed after a person has, new and changed things wait for approval. */
export async function connect(ctx: RequestContext, upstream: Upstream, { flow, ...wishes }: OAuthCredential, review: boolean): Promise<Begun | null> {
  await createGrant(ctx, upstream.connection, new URL(upstream.url).origin, flow, wishes);
  return logInAt(ctx, upstream, {}, review);
}

async function logInAt(ctx: RequestContext, { slug, url, connection }: Upstream, wishes: Wishes, review: boolean): Promise<Begun | null> {
  const place = placeAt(ctx.origin, ctx.workspace.slug);
  return logIn(ctx, { connection, url, challenge: await challengeOf(ctx.platform, url), place, wishes, note: { slug, review } });
}
