import type { RequestContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { selectRuns, selectTrace, type RunRow, type TraceRow } from "./store.ts";

const PAGE = 50;
const LARGEST_PAGE = 200;

/** Runs of the workspace, newest first. `agent`: a slug. `after` of the page goes into the next request; null: it was the last. Not checked: scopes. */
export async function listRuns(ctx: RequestContext, wanted: { agent?: string | undefined; after?: string | undefined; limit?: number | undefined }): Promise<{ items: RunRow[]; after: string | null }> {
  const limit = Math.min(wanted.limit ?? PAGE, LARGEST_PAGE);
  const items = await selectRuns(ctx.platform.database, ctx.workspace.id, { agent: wanted.agent ?? null, after: wanted.after ?? null, limit: limit + 1 });
  const page = items.slice(0, limit);
  return { items: page, after: items.length > limit ? (page.at(-1)?.id ?? null) : null };
}

/** One run node by node. Errors: `not_found`. Not checked: scopes. */
export async function traceOf(ctx: RequestContext, run: string): Promise<TraceRow> {
  const trace = await selectTrace(ctx.platform.database, ctx.workspace.id, run);
  if (!trace) throw new GatewayError("not_found", `there is no run ${run}`);
  return trace;
}
