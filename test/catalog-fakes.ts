import { toBase64Url } from "../src/lib/crypto.ts";
import { compile, type Compiled } from "../src/catalog/compile.ts";
import { catalogKey } from "../src/catalog/kv.ts";
import { planImport, type Importing, type Listing } from "../src/catalog/import.ts";
import { ENTRY_KINDS, type CatalogRows, type ToolRow } from "../src/catalog/row.ts";
import type { HeldRows } from "../src/catalog/store.ts";
import type { CurrentVersion, Move } from "../src/model/catalog.ts";
import type { ListChange } from "../src/model/change.ts";
import type { Actor, Builtin, CallContext, Platform } from "../src/model/context.ts";
import type { Principal } from "../src/model/identity.ts";
import type { JsonObject } from "../src/model/json.ts";
import { DEFAULT_LIMITS } from "../src/model/limits.ts";

/* KV, R2 and Authority in memory, built to what their bindings promise. */

export interface Fake {
  platform: Platform;
  kv: Map<string, string>;
  r2: Map<string, string>;
  /** What KV was asked for, in order. */
  reads: string[];
  versions: Map<string, CurrentVersion>;
  /** What came with each move, for the Authority to announce. */
  announced: ListChange[][];
  clock: { now: number };
  /** Runs before the next `move`, once: another publisher that is faster. */
  meanwhile: { run: (() => void) | null };
}

export function fakePlatform(options: { databaseUrl?: string; builtins?: ReadonlyMap<string, Builtin> } = {}): Fake {
  const kv = new Map<string, string>();
  const r2 = new Map<string, string>();
  const reads: string[] = [];
  const versions = new Map<string, CurrentVersion>();
  const announced: ListChange[][] = [];
  const clock = { now: Date.UTC(2026, 10, 20) };
  const meanwhile: Fake["meanwhile"] = { run: null };
  const version = (workspace: string) => versions.get(workspace) ?? { number: 0, hash: null };
  const catalog: KVNamespace = only({
    get: (key: string) => {
      reads.push(key);
      return Promise.resolve(kv.get(key) ?? null);
    },
    put: (key: string, value: string) => Promise.resolve(void kv.set(key, value)),
  });
  const store: R2Bucket = only({
    get: (key: string) => {
      const value = r2.get(key);
      return Promise.resolve(value === undefined ? null : { text: () => Promise.resolve(value) });
    },
    put: (key: string, value: string) => Promise.resolve(void r2.set(key, value)),
  });
  const authority = (workspace: string) => ({
    version: () => Promise.resolve(version(workspace)),
    move: (from: number, hash: string, actor: Actor, { tools, changes }: Move) => {
      meanwhile.run?.();
      meanwhile.run = null;
      const now = version(workspace);
      if (now.number !== from) return Promise.resolve({ moved: false, version: now });
      const next = { number: from + 1, hash, publication: { at: clock.now, by: actor.name, tools } };
      versions.set(workspace, next);
      announced.push(changes);
      return Promise.resolve({ moved: true, version: next });
    },
  });
  const platform: Platform = only({
    config: { masterKey: toBase64Url(new Uint8Array(32).fill(7)), limits: DEFAULT_LIMITS, allowInsecureUpstreams: true },
    database: { url: options.databaseUrl ?? "" },
    catalog,
    store,
    authority,
    builtins: options.builtins ?? new Map(),
    now: () => clock.now,
  });
  return { platform, kv, r2, reads, versions, announced, clock, meanwhile };
}

/** The part of a binding that this folder's code uses; the rest is missing, so that using it fails. */
function only(part: object) {
  return Object.assign(Object.create(null), part);
}

export function fakeContext(fake: Fake, workspace: string, overrides: { toolset?: string | null; principal?: Partial<Principal>; limits?: Partial<typeof DEFAULT_LIMITS> } = {}): CallContext {
  const principal: Principal = { kind: "token", id: "tok_1", name: "test", workspace, role: "owner", scopes: [], readOnly: false, toolset: null, expiresAt: null, ...overrides.principal };
  return only({
    platform: fake.platform,
    workspace: { id: workspace, slug: workspace.replace("ws_", "") },
    principal,
    requestId: "req_1",
    origin: "https://gateway.test",
    limits: DEFAULT_LIMITS,
    toolset: overrides.toolset ?? null,
    version: fake.versions.get(workspace) ?? { number: 0, hash: null },
    waitUntil: () => undefined,
  });
}

export function emptyRows(workspace: string): CatalogRows {
  return {
    workspace: { id: workspace, slug: workspace.replace("ws_", "") },
    upstreams: [],
    tools: [],
    resources: [],
    templates: [],
    prompts: [],
    toolsets: [],
    members: [],
    tombstones: [],
    rules: [],
    setting: { defaultEffect: "allow", limits: {}, instructions: null },
  };
}

export const NOTHING: Listing = { tools: [], resources: [], templates: [], prompts: [], dropped: [] };

export function tool(name: string, more: JsonObject = {}): string {
  return JSON.stringify({ name, inputSchema: { type: "object" }, ...more });
}

export function held(rows: CatalogRows, upstream: string): HeldRows {
  const own = <T extends { upstream: string | null }>(all: T[]) => all.filter((row) => row.upstream === upstream);
  const names = (all: { name: string }[]) => new Set(all.map(({ name }) => name));
  return {
    tools: own(rows.tools),
    resources: own(rows.resources),
    templates: own(rows.templates),
    prompts: own(rows.prompts),
    names: { tools: names(rows.tools), resources: names(rows.resources), templates: names(rows.templates), prompts: names(rows.prompts) },
  };
}

/** Imports a listing into the rows, as the tables would take the edit. */
export async function take(rows: CatalogRows, slug: string, listing: Partial<Listing>, options: Partial<Importing> = {}) {
  const id = `up_${slug}`;
  if (!rows.upstreams.some((upstream) => upstream.id === id)) {
    rows.upstreams.push({ id, slug, url: `https://${slug}.test/mcp`, connection: null, revision: null, eraAt: null, capabilities: {}, instructions: null, timeoutMs: 1_000, concurrency: 16, checkOutput: false, syncedAt: null });
  }
  const { edit, report } = await planImport({
    workspace: rows.workspace,
    upstream: { id, slug },
    listing: { ...NOTHING, ...listing },
    held: held(rows, id),
    approve: true,
    toolLimit: DEFAULT_LIMITS.toolsPerWorkspace,
    ...options,
  });
  rows.tools = merged<ToolRow>(rows.tools, edit.tools).map((row) => (edit.gone.includes(row.name) ? { ...row, gone: true } : row));
  for (const kind of ENTRY_KINDS) {
    rows[kind] = merged(
      rows[kind].filter(({ name }) => !edit.drop[kind].includes(name)),
      edit.put[kind],
    );
  }
  return report;
}

function merged<T extends { name: string }>(rows: readonly T[], changed: readonly T[]): T[] {
  const all = new Map(rows.map((row) => [row.name, row]));
  for (const row of changed) all.set(row.name, row);
  return [...all.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Compiles what a publish would read and puts it where calls look. */
export async function store(fake: Fake, rows: CatalogRows): Promise<Compiled> {
  const offered = rows.tools.filter((row) => row.enabled && !row.gone && row.definition !== null);
  const compiled = await compile({ ...rows, tools: offered });
  const texts = [...compiled.shards, { hash: compiled.hash, text: compiled.text }];
  for (const { hash, text } of texts) {
    fake.r2.set(catalogKey(rows.workspace.id, hash), text);
    fake.kv.set(catalogKey(rows.workspace.id, hash), text);
  }
  fake.versions.set(rows.workspace.id, { number: (fake.versions.get(rows.workspace.id)?.number ?? 0) + 1, hash: compiled.hash });
  return compiled;
}
