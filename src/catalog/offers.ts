import type { Builtin, RequestContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { isObject, type JsonText } from "../model/json.ts";
import { readEntry, readTool } from "./definition.ts";
import { putEntries } from "./edit-store.ts";
import { pinOf } from "./pins.ts";
import { publish } from "./publish.ts";
import type { EntryKind, EntryRow, ToolRow } from "./row.ts";
import { readHeld, type HeldRows } from "./store.ts";

type BuiltinTool = Extract<Builtin, { kind: "tool" }>;

const ENTRY_KIND = { resource: "resources", template: "templates", prompt: "prompts" } as const;

/**
 * Offers builtins of this gateway in the workspace, by their names or all of a set (`conformance`: every builtin named `conformance/…`), under the
 * bare names of their definitions, and publishes. Those that are there are brought up to date. Errors: `not_found`, `invalid`, `conflict`.
 */
export async function offerBuiltins(ctx: RequestContext, wanted: readonly string[] | { set: string }): Promise<{ names: string[] }> {
  const { builtins } = ctx.platform;
  const keys = "set" in wanted ? [...builtins.keys()].filter((key) => key.startsWith(`${wanted.set}/`)) : [...wanted];
  if (keys.length === 0) throw new GatewayError("not_found", "this gateway has no such builtins");
  const held = await readHeld(ctx.platform.database, ctx.workspace.id, "builtin");
  const tools: ToolRow[] = [];
  const put: Record<EntryKind, EntryRow[]> = { resources: [], templates: [], prompts: [] };
  for (const key of keys) {
    const builtin = builtins.get(key);
    if (!builtin) throw new GatewayError("not_found", `this gateway has no builtin ${key}`);
    if (builtin.kind === "tool") tools.push(await toolRow(key, builtin, held));
    else put[ENTRY_KIND[builtin.kind]].push(entryRow(key, builtin, held));
  }
  await putEntries(ctx, "builtins.offer", keys.length === 1 ? (keys[0] ?? "") : `${keys.length} builtins`, {
    tools,
    gone: [],
    put,
    drop: { resources: [], templates: [], prompts: [] },
  });
  await publish(ctx);
  return { names: [...tools, ...put.resources, ...put.templates, ...put.prompts].map(({ name }) => name) };
}

async function toolRow(key: string, builtin: BuiltinTool, held: HeldRows): Promise<ToolRow> {
  const row = await builtinRow(key, builtin);
  const known = held.tools.find(({ source }) => source === key);
  return { ...row, name: known?.name ?? free(held, "tools", row.name), description: known?.description ?? null, enabled: known?.enabled ?? true };
}

/** A builtin tool as a row that nobody has edited, under its bare name. Errors: `invalid`. */
export async function builtinRow(key: string, builtin: BuiltinTool): Promise<ToolRow> {
  const text: JsonText = JSON.stringify(builtin.definition);
  const read = readTool(text);
  if (!read.ok) throw new GatewayError("invalid", `the builtin ${key} cannot be offered: ${read.reason}`);
  return {
    name: read.name,
    upstream: null,
    source: key,
    target: { kind: "builtin", name: key },
    definition: text,
    pin: await pinOf(read.definition),
    candidate: null,
    candidatePin: null,
    description: null,
    enabled: true,
    gone: false,
    checkOutput: isObject(read.definition["outputSchema"]),
    asks: "may",
  };
}

function entryRow(key: string, builtin: Exclude<Builtin, { kind: "tool" }>, held: HeldRows): EntryRow {
  const kind = ENTRY_KIND[builtin.kind];
  const text: JsonText = JSON.stringify(builtin.definition);
  const read = readEntry(kind, text);
  if (!read.ok) throw new GatewayError("invalid", `the builtin ${key} cannot be offered: ${read.reason}`);
  const known = held[kind].find(({ source }) => source === key);
  return { name: known?.name ?? free(held, kind, read.name), upstream: null, source: key, target: { kind: "builtin", name: key }, definition: text };
}

function free(held: HeldRows, kind: EntryKind | "tools", name: string): string {
  if (held.names[kind].has(name)) throw new GatewayError("conflict", `the name ${name} is taken in this workspace`);
  return name;
}
