import type { RequestContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { deleteToolset, insertToolset } from "./edit-store.ts";
import { checkToolsetSlug, invalid } from "./names.ts";
import { publish } from "./publish.ts";
import { readToolsets, readUpstream, toolsNamed, type ListedToolset } from "./store.ts";

/** Adds a toolset, of the named tools or one to one with an upstream (its slug), and publishes. Errors: `invalid`, `not_found`, `conflict`. */
export async function addToolset(ctx: RequestContext, wanted: { slug: string; upstream?: string; tools?: readonly string[] }): Promise<ListedToolset> {
  const { slug, upstream, tools = [] } = wanted;
  checkToolsetSlug(slug);
  if ((upstream === undefined) === (tools.length === 0)) throw invalid("tools", "or upstream must be given, not both");
  const row = upstream === undefined ? null : await readUpstream(ctx.platform.database, ctx.workspace.id, upstream);
  if (upstream !== undefined && !row) throw new GatewayError("not_found", `there is no upstream ${upstream}`);
  const known = new Set(await toolsNamed(ctx.platform.database, ctx.workspace.id, tools));
  const missing = tools.filter((tool) => !known.has(tool));
  if (missing.length > 0) throw new GatewayError("not_found", `there is no tool ${missing.slice(0, 10).join(", ")}`);
  await insertToolset(ctx, { slug, upstream: row?.id ?? null, tools });
  await publish(ctx);
  return (await listToolsets(ctx)).find((toolset) => toolset.slug === slug) ?? { slug, upstream: upstream ?? null, tools: [...tools] };
}

export function listToolsets(ctx: RequestContext): Promise<ListedToolset[]> {
  return readToolsets(ctx.platform.database, ctx.workspace.id);
}

/** Its endpoint is gone, its tools stay. Errors: `not_found`. */
export async function removeToolset(ctx: RequestContext, slug: string): Promise<void> {
  if (!(await deleteToolset(ctx, slug))) throw new GatewayError("not_found", `there is no toolset ${slug}`);
  await publish(ctx);
}
