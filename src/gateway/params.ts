import type { Page } from "../catalog/pages.ts";
import type { Call, Outcome } from "../model/call.ts";
import { GatewayError } from "../model/error.ts";
import { FRESH } from "./discover.ts";

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

/** A page as the whole answer to its request. */
export function pageOutcome(member: "tools" | "resources" | "resourceTemplates" | "prompts", page: Page): Outcome {
  const next = page.nextCursor === null ? "" : `,"nextCursor":${JSON.stringify(page.nextCursor)}`;
  const plain = `"${member}":${page.items}${next}`;
  return { type: "complete", result: `{${plain}}`, plain, cache: FRESH };
}
