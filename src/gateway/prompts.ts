import { findPrompt } from "../catalog/find.ts";
import { currentSnapshot, freshSnapshot } from "../catalog/freshness.ts";
import { movedUris } from "../catalog/moved.ts";
import { entriesPage } from "../catalog/pages.ts";
import type { Call, Reply } from "../model/call.ts";
import type { PromptEntry } from "../model/catalog.ts";
import type { CallContext, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { isObject, type JsonValue } from "../model/json.ts";
import { profileOf } from "../protocol/profiles.ts";
import { invoke } from "../targets/target.ts";
import { asked } from "./ask.ts";
import { cursorOf, nameOf, pageOutcome } from "./params.ts";
import { openState } from "./state.ts";
import { linkedAs } from "./uris.ts";

export async function* listPrompts(call: Call, ctx: CallContext): Reply {
  const snapshot = await freshSnapshot(ctx);
  const page = await entriesPage(ctx, snapshot, "prompts", cursorOf(call), profileOf(call.clientInfo));
  return pageOutcome("prompts", page);
}

export async function* getPrompt(call: Call, ctx: CallContext): Reply {
  const { snapshot, entry } = await find(nameOf(call), ctx);
  checkArguments(entry, call);
  const state = await openState(call, ctx);
  const outcome = linkedAs(yield* invoke(entry.target, { ...call, requestState: state.inner }, ctx, snapshot), movedUris(ctx, snapshot, entry.target));
  return outcome.type === "input_required" ? asked(outcome, call, ctx, false) : outcome;
}

async function find(name: string, ctx: CallContext): Promise<{ snapshot: Snapshot; entry: PromptEntry }> {
  const current = await currentSnapshot(ctx);
  const known = findPrompt(ctx, current, name);
  if (known) return { snapshot: current, entry: known };
  const fresh = await freshSnapshot(ctx);
  const entry = findPrompt(ctx, fresh, name);
  if (!entry) throw new GatewayError("not_found", `unknown prompt: ${name}`, { data: { name } });
  return { snapshot: fresh, entry };
}

/** The declared required arguments must be there (MCP 2026-07-28, prompts); that all are strings the ladder has seen to. */
function checkArguments(entry: PromptEntry, { params }: Call): void {
  const given = isObject(params["arguments"]) ? params["arguments"] : {};
  const definition: JsonValue = JSON.parse(entry.text);
  const declared = isObject(definition) && Array.isArray(definition["arguments"]) ? definition["arguments"] : [];
  for (const argument of declared) {
    if (!isObject(argument) || argument["required"] !== true || typeof argument["name"] !== "string") continue;
    if (!(argument["name"] in given)) throw new GatewayError("invalid", `missing required argument: ${argument["name"]}`);
  }
}
