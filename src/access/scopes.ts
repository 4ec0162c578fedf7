import { SCOPES } from "../model/identity.ts";
import type { Scope } from "../model/identity.ts";
import { isExtension, onlyReads } from "../protocol/extensions.ts";

/** What makes something happen, or goes on with it. */
const CALLING: readonly string[] = ["tools/call", "tasks/update", "tasks/cancel"];

/** The scope an MCP method needs. What an extension's does nobody here knows, unless it only reads. */
export function scopeOf(method: string): Scope {
  return CALLING.includes(method) || (isExtension(method) && !onlyReads(method)) ? "mcp:call" : "mcp:read";
}

export function isScope(value: unknown): value is Scope {
  return SCOPES.some((scope) => scope === value);
}

/** The scopes of a stored JSON list. What this version does not know grants nothing. */
export function scopesOf(text: string): Scope[] {
  const list: unknown = JSON.parse(text);
  return Array.isArray(list) ? list.filter(isScope) : [];
}
