import type { Page } from "../catalog/pages.ts";
import type { Call } from "../model/call.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonText } from "../model/json.ts";

/** An empty string is a valid cursor to ask with, and none that we made (MCP 2026-07-28, pagination). */
export function cursorOf({ params }: Call): string | null {
  const { cursor } = params;
  if (cursor === undefined) return null;
  if (typeof cursor !== "string") throw new GatewayError("invalid", "cursor must be a string");
  return cursor;
}

export function nameOf({ params }: Call): string {
  if (typeof params["name"] !== "string") throw new GatewayError("invalid", "name must be a string");
  return params["name"];
}

export function pageResult(member: "tools" | "resources" | "resourceTemplates" | "prompts", page: Page): JsonText {
  const next = page.nextCursor === null ? "" : `,"nextCursor":${JSON.stringify(page.nextCursor)}`;
  return `{"${member}":${page.items}${next}}`;
}
