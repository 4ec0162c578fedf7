import type { Change } from "../model/change.ts";

/** What one listener wants to hear (`subscriptions/listen`, MCP 2026-07-28). */
export interface Filter {
  tools: boolean;
  prompts: boolean;
  resources: boolean;
  uris: string[];
}

export function wants(filter: Filter, change: Change): boolean {
  if (change.type === "task") return false;
  return change.type === "resource" ? filter.uris.includes(change.uri) : filter[change.type];
}
