import { currentSnapshot, freshSnapshot } from "../catalog/freshness.ts";
import type { CallContext } from "../model/context.ts";

/** Whether the workspace offers this toolset; a new one is known at once. */
export async function endpointExists(ctx: CallContext, toolset: string): Promise<boolean> {
  if ((await currentSnapshot(ctx)).toolsets.has(toolset)) return true;
  return (await freshSnapshot(ctx)).toolsets.has(toolset);
}
