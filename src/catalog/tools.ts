import type { ToolAsks } from "../model/catalog.ts";
import type { RequestContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { isObject, type JsonValue } from "../model/json.ts";
import { approveCandidate, updateTool } from "./edit-store.ts";
import { checkToolName } from "./names.ts";
import { publish } from "./publish.ts";
import { readSourceTool, readTool, readTools, type ListedTool } from "./store.ts";

/** `new`: never approved; `changed`: the approved text works on, what the upstream shows now waits for approval; `gone`: the upstream shows it no more. */
export type ToolStatus = "offered" | "disabled" | "new" | "changed" | "gone";

export interface ToolView {
  name: string;
  title: string | null;
  description: string | null;
  enabled: boolean;
  status: ToolStatus;
  kind: "agent" | "mcp" | "builtin";
  /** Slug. */
  upstream: string | null;
  asks: ToolAsks;
}

export interface ToolEdit {
  enabled?: boolean;
  rename?: string;
  /** null: the target's own again. */
  description?: string | null;
  asks?: ToolAsks;
}

const PAGE = 200;
const TOMBSTONE_MS = 90 * 24 * 60 * 60 * 1000;

/** The tools as they are edited, by name. `after`: where the page before ended. */
export async function listTools(ctx: RequestContext, page: { after?: string; limit?: number } = {}): Promise<{ items: ToolView[]; after: string | null }> {
  const limit = page.limit ?? PAGE;
  const rows = await readTools(ctx.platform.database, ctx.workspace.id, { after: page.after ?? "", limit: limit + 1 });
  const items = rows.slice(0, limit).map(viewOf);
  return { items, after: rows.length > limit ? (items[items.length - 1]?.name ?? null) : null };
}

/** Changes what of the edit is not so already, and publishes. Errors: `not_found`, `invalid`, `conflict`. */
export async function setTool(ctx: RequestContext, name: string, edit: ToolEdit): Promise<ToolView> {
  const before = await existing(ctx, name);
  const { enabled, rename, description, asks } = edit;
  if (rename !== undefined) checkToolName("rename", rename);
  const until = new Date(ctx.platform.now() + TOMBSTONE_MS);
  const changed = {
    ...(enabled !== undefined && enabled !== before.enabled && { enabled }),
    ...(description !== undefined && description !== before.description && { description }),
    ...(asks !== undefined && asks !== before.asks && { asks }),
    ...(rename !== undefined && rename !== before.name && { rename: { to: rename, until } }),
  };
  if (Object.keys(changed).length > 0) await updateTool(ctx, name, changed);
  await publish(ctx);
  return viewOf(await existing(ctx, rename ?? name));
}

/** What experience says against an `asks: never`: from the next version on the tool may ask. `source`: what the upstream (its id) calls it. */
export async function noteAsking(ctx: RequestContext, upstream: string, source: string): Promise<void> {
  const tool = await readSourceTool(ctx.platform.database, ctx.workspace.id, upstream, source);
  if (tool?.asks === "never") await setTool(ctx, tool.name, { asks: "may" });
}

/** What the upstream shows now becomes what the workspace offers, and is published. Errors: `not_found`, `conflict` when nothing waits or it changed again. */
export async function approveTool(ctx: RequestContext, name: string): Promise<ToolView> {
  const { candidatePin } = await existing(ctx, name);
  if (candidatePin === null) throw new GatewayError("conflict", `${name} has no change that waits for approval`);
  if (!(await approveCandidate(ctx, name, candidatePin))) throw new GatewayError("conflict", `${name} has changed again; look at it once more`);
  await publish(ctx);
  return viewOf(await existing(ctx, name));
}

async function existing(ctx: RequestContext, name: string): Promise<ListedTool> {
  const row = await readTool(ctx.platform.database, ctx.workspace.id, name);
  if (!row) throw new GatewayError("not_found", `there is no tool ${name}`);
  return row;
}

function viewOf(row: ListedTool): ToolView {
  const definition: JsonValue = JSON.parse(row.definition ?? row.candidate ?? "null");
  const { title, description } = isObject(definition) ? definition : {};
  return {
    name: row.name,
    title: typeof title === "string" ? title : null,
    description: row.description ?? (typeof description === "string" ? description : null),
    enabled: row.enabled,
    status: statusOf(row),
    kind: row.target.kind,
    upstream: row.upstreamSlug,
    asks: row.asks,
  };
}

function statusOf(row: ListedTool): ToolStatus {
  if (row.gone) return "gone";
  if (row.definition === null) return "new";
  if (row.candidate !== null) return "changed";
  return row.enabled ? "offered" : "disabled";
}
