import type { SnapshotIndex } from "../model/catalog.ts";
import type { ListChange } from "../model/change.ts";
import type { Limits } from "../model/limits.ts";

/** Which lists a client might see otherwise after the move from one snapshot to the other. */
export function differences(before: SnapshotIndex, after: SnapshotIndex): ListChange[] {
  if (sharedPart(before) !== sharedPart(after)) return [{ type: "tools" }, { type: "prompts" }, { type: "resources" }];
  const changes: ListChange[] = [];
  if (toolsPart(before) !== toolsPart(after)) changes.push({ type: "tools" });
  if (JSON.stringify(before.prompts) !== JSON.stringify(after.prompts)) changes.push({ type: "prompts" });
  if (resourcesPart(before) !== resourcesPart(after)) changes.push({ type: "resources" });
  return changes;
}

/** What decides about all of them. */
function sharedPart({ rules, defaultEffect, toolsets, limits }: SnapshotIndex): string {
  return JSON.stringify([rules, defaultEffect, toolsets, limits]);
}

function toolsPart({ tools }: SnapshotIndex): string {
  return JSON.stringify(tools.map(({ name, hash, target, toolsets }) => [name, hash, target, toolsets]));
}

function resourcesPart({ resources, templates }: SnapshotIndex): string {
  return JSON.stringify([resources, templates]);
}

/** Many clients read only the first page of a list: says so where an endpoint needs two. */
export function pageWarnings(index: SnapshotIndex, limits: Limits): string[] {
  const endpoints: (string | null)[] = [null, ...index.toolsets.map(({ slug }) => slug)];
  return endpoints.flatMap((endpoint) => {
    const tools = endpoint === null ? index.tools : index.tools.filter(({ toolsets }) => toolsets.includes(endpoint));
    const chars = tools.reduce((sum, { start, end }) => sum + end - start + 1, 0);
    if (tools.length <= limits.pageItems && chars <= limits.pageBytes) return [];
    const where = endpoint === null ? "the whole workspace" : `toolset ${endpoint}`;
    return [`${where} has ${tools.length} tools in ${Math.ceil(chars / 1024)} KiB, more than one page of the list; many clients read only the first page: use smaller toolsets`];
  });
}
