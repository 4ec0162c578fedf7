import type { PromptEntry, ResourceEntry, TemplateEntry, ToolEntry } from "../model/catalog.ts";
import type { Snapshot } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import type { SchemaCheck } from "../lib/jsonschema.ts";

const BUDGET = 16 * 1024 * 1024;

/** One page of a list as built, before its cursor is sealed for a caller. `next`: position at which the following page begins. */
export interface BuiltPage {
  items: JsonText;
  next: number | null;
}

/** Compiled schemas of one tool text. `output` null: it declares none. */
export interface ToolChecks {
  input: SchemaCheck;
  output: SchemaCheck | null;
}

/** What an upstream calls things, for the endpoint that is one to one with it. */
export interface OriginalNames {
  tools: ReadonlyMap<string, ToolEntry>;
  resources: ReadonlyMap<string, ResourceEntry>;
  templates: ReadonlyMap<string, TemplateEntry>;
  prompts: ReadonlyMap<string, PromptEntry>;
}

interface Kinds {
  snapshot: Snapshot;
  text: JsonText;
  page: BuiltPage;
  checks: ToolChecks;
  names: OriginalNames;
}

type Held = { [Kind in keyof Kinds]: Map<string, Kinds[Kind]> };

const held: Held = { snapshot: new Map(), text: new Map(), page: new Map(), checks: new Map(), names: new Map() };
const order = new Map<string, { kind: keyof Kinds; key: string; bytes: number }>();
const total = { bytes: 0 };

/**
 * The isolate's cache of published things, least recently used first out, 16 MiB over all kinds.
 * Keys hold a content hash, so nothing in it is ever stale; values are plain data, never promises or I/O objects.
 */
export function recall<Kind extends keyof Kinds>(kind: Kind, key: string): Kinds[Kind] | undefined {
  const value = held[kind].get(key);
  if (value === undefined) return undefined;
  const slot = slotOf(kind, key);
  const place = order.get(slot);
  if (place) {
    order.delete(slot);
    order.set(slot, place);
  }
  return value;
}

/** `bytes`: an estimate of the memory it holds. A value over the whole budget is kept alone until the next one. */
export function keep<Kind extends keyof Kinds>(kind: Kind, key: string, value: Kinds[Kind], bytes: number): void {
  drop(slotOf(kind, key));
  held[kind].set(key, value);
  order.set(slotOf(kind, key), { kind, key, bytes });
  total.bytes += bytes;
  for (const slot of order.keys()) {
    if (total.bytes <= BUDGET || order.size === 1) break;
    drop(slot);
  }
}

function drop(slot: string): void {
  const place = order.get(slot);
  if (!place) return;
  order.delete(slot);
  held[place.kind].delete(place.key);
  total.bytes -= place.bytes;
}

function slotOf(kind: keyof Kinds, key: string): string {
  return `${kind} ${key}`;
}
