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

/** Tool names as a client gets them that takes no longer ones, by the tool's own name, and back. */
export interface ShortNames {
  short: ReadonlyMap<string, string>;
  full: ReadonlyMap<string, string>;
}

interface Kinds {
  snapshot: Snapshot;
  text: JsonText;
  page: BuiltPage;
  checks: ToolChecks;
  names: OriginalNames;
  short: ShortNames;
  moved: ReadonlyMap<string, string>;
}

interface Kept<Value> {
  value: Value;
  bytes: number;
  /** Asked for since room was last made. */
  used: boolean;
  /** Takes it out of its kind. */
  forget(): void;
}

type Held = { [Kind in keyof Kinds]: Map<string, Kept<Kinds[Kind]>> };

const held: Held = { snapshot: new Map(), text: new Map(), page: new Map(), checks: new Map(), names: new Map(), short: new Map(), moved: new Map() };
/** All of them, the next to go first. */
const order = new Set<Kept<unknown>>();
const total = { bytes: 0 };

/**
 * The isolate's cache of published things, 16 MiB over all kinds; what nobody asked for goes first. Keys hold a content hash, so nothing in it is ever
 * stale; values are plain data, never promises or I/O objects.
 */
export function recall<Kind extends keyof Kinds>(kind: Kind, key: string): Kinds[Kind] | undefined {
  const kept = held[kind].get(key);
  if (!kept) return undefined;
  // A mark, and no new place in the order, which would cost every call two writes.
  kept.used = true;
  return kept.value;
}

/** `bytes`: an estimate of the memory it holds. A value over the whole budget is kept alone until the next one. */
export function keep<Kind extends keyof Kinds>(kind: Kind, key: string, value: Kinds[Kind], bytes: number): void {
  const kinds = held[kind];
  const old = kinds.get(key);
  if (old) drop(old);
  const kept = { value, bytes, used: false, forget: () => void kinds.delete(key) };
  kinds.set(key, kept);
  total.bytes += bytes;
  makeRoom();
  order.add(kept);
}

/** What was asked for since it was last looked at goes to the end of the order once more. */
function makeRoom(): void {
  for (const kept of order) {
    if (total.bytes <= BUDGET) return;
    if (kept.used) {
      kept.used = false;
      order.delete(kept);
      order.add(kept);
    } else drop(kept);
  }
}

function drop(kept: Kept<unknown>): void {
  order.delete(kept);
  total.bytes -= kept.bytes;
  kept.forget();
}
