import { open, seal } from "../lib/crypto.ts";
import type { CallContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";

export type ListKind = "tools" | "resources" | "templates" | "prompts";

/** Where a list goes on: a position in one published version. */
export interface Place {
  hash: string;
  offset: number;
}

const LIFETIME_MS = 24 * 60 * 60 * 1000;
const PURPOSE = "cursor/v1";

/** The place as an opaque text that only this principal can use, on this endpoint, for this list, for 24 hours. */
export function sealCursor(ctx: CallContext, list: ListKind, place: Place): Promise<string> {
  const plain = JSON.stringify([place.hash, place.offset, ctx.platform.now() + LIFETIME_MS]);
  return seal(ctx.platform.config.masterKey, PURPOSE, ctx.workspace.id, bindingOf(ctx, list), plain);
}

/** Throws `invalid` (-32602, MCP 2026-07-28, pagination) for anything that `sealCursor` did not write for this caller, and after 24 hours. */
export async function openCursor(ctx: CallContext, list: ListKind, cursor: string): Promise<Place> {
  const plain = await open(ctx.platform.config.masterKey, PURPOSE, ctx.workspace.id, bindingOf(ctx, list), cursor);
  const [hash, offset, expires]: unknown[] = plain === null ? [] : JSON.parse(plain);
  if (typeof hash === "string" && typeof offset === "number" && typeof expires === "number" && expires > ctx.platform.now()) return { hash, offset };
  throw new GatewayError("invalid", "the cursor is not valid here or has expired; begin the list again without one");
}

function bindingOf(ctx: CallContext, list: ListKind): string {
  return JSON.stringify([list, ctx.toolset, ctx.principal.id]);
}
