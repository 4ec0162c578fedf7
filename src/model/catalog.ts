import type { ListChange } from "./change.ts";
import type { JsonObject, JsonText } from "./json.ts";
import type { Role, Scope } from "./identity.ts";

/** Where a call goes. `name`/`uri` are what the target itself calls the thing. */
export type Target =
  | { kind: "agent"; agent: string; version: string; flow: string }
  | { kind: "mcp"; upstream: string; name: string }
  | { kind: "builtin"; name: string };

export interface ToolAnnotations {
  title?: string;
  readOnlyHint?: boolean;
  destructiveHint?: boolean;
  idempotentHint?: boolean;
  openWorldHint?: boolean;
}

/** One argument that the client repeats in an `Mcp-Param-{header}` header (`x-mcp-header`); `path` holds the property names from the root. */
export interface HeaderParam {
  header: string;
  path: string[];
}

/** Whether a legacy upstream's tool asks its client in the middle of a call. `never` is believed until it does. */
export type ToolAsks = "may" | "never";

/** What the index knows of a tool: enough to decide and dispatch without its shard. */
export interface ToolEntry {
  name: string;
  target: Target;
  annotations: ToolAnnotations;
  /** Hash of the tool's raw text; the key of its compiled validator. */
  hash: string;
  /** Shard number and position of the tool's text in it, in UTF-16 units. */
  shard: number;
  start: number;
  end: number;
  headers: HeaderParam[];
  /** Toolsets that hold it. */
  toolsets: string[];
  /** It runs as a task of 2025-11-25 only (`execution.taskSupport`): the gateway drives that. */
  runsAsTask?: true;
  /** `structuredContent` is validated against `outputSchema` on return. */
  checkOutput: boolean;
  /** The tool says so itself (`_meta["causeway/resumable"]`): a legacy client whose stream broke can have it again. */
  resumable?: true;
  /** Absent: it may. */
  asks?: "never";
}

/** Resource, template or prompt: few enough to live in the index whole. `text` is the entry as clients see it. */
export interface ResourceEntry {
  uri: string;
  target: Target;
  text: JsonText;
  toolsets: string[];
  /** Can be read but is in no list: named by a tool's `_meta.ui` and not listed by its upstream. */
  unlisted?: true;
}
export interface TemplateEntry {
  uriTemplate: string;
  target: Target;
  text: JsonText;
  toolsets: string[];
}
export interface PromptEntry {
  name: string;
  target: Target;
  text: JsonText;
  toolsets: string[];
}

/** An upstream as a call needs it. Its credential is a connection in the Authority, named here. */
export interface UpstreamEntry {
  id: string;
  slug: string;
  url: string;
  connection: string | null;
  /** Era found at the last probe, with its date (Unix ms). */
  era: { revision: string; at: number } | null;
  capabilities: JsonObject;
  timeoutMs: number;
  concurrency: number;
}

/** A named subset with an endpoint of its own. With `upstream` set it is one to one: the upstream's own names and URIs, unlisted URIs pass. */
export interface ToolsetEntry {
  slug: string;
  upstream: string | null;
}

export type Matcher =
  | { pointer: string; op: "equals"; value: JsonObject | string | number | boolean | null }
  | { pointer: string; op: "in"; values: (string | number | boolean | null)[] }
  | { pointer: string; op: "prefix"; value: string }
  | { pointer: string; op: "range"; min?: number; max?: number }
  | { pointer: string; op: "exists"; value: boolean };

/** who × what × conditions → effect. Empty lists match everything; the most restrictive match wins. */
export interface Rule {
  id: string;
  who: { roles: Role[]; principals: string[]; scopes: Scope[] };
  what: { tools: string[]; targets: Target["kind"][]; upstreams: string[]; readOnly: boolean | null };
  when: Matcher[];
  effect: "allow" | "deny" | "ask";
}

export interface Tombstone {
  /** The name the tool goes by now. */
  name: string;
  /** Unix ms after which the old name is unknown. */
  until: number;
}

/**
 * The index of one compiled, immutable, published version of what a workspace offers; named by the hash of its text.
 * Tool texts lie in `shards`, each at most 512 KiB, as `[{…},{…}]` without the brackets' meaning: positions in ToolEntry cut them out.
 */
export interface SnapshotIndex {
  format: 1;
  workspace: string;
  tools: ToolEntry[];
  shards: { hash: string; bytes: number }[];
  resources: ResourceEntry[];
  templates: TemplateEntry[];
  prompts: PromptEntry[];
  upstreams: UpstreamEntry[];
  toolsets: ToolsetEntry[];
  tombstones: Record<string, Tombstone>;
  rules: Rule[];
  defaultEffect: "allow" | "deny";
  limits: Partial<Record<string, number>>;
  instructions: string | null;
}

/** What the Authority says is published: a number that only grows, and the snapshot's hash (null: nothing published yet). */
export interface CatalogVersion {
  number: number;
  hash: string | null;
}

/** Ms for which an isolate answers lists by a version that it has read: so long after a move, none is stale. */
export const FRESH_MS = 1_000;

/** How a version became current. */
export interface Publication {
  /** Unix ms. */
  at: number;
  /** Name of the principal. */
  by: string;
  /** How many the version has. */
  tools: number;
}

/** `publication` absent: nothing is published yet, or a Worker or object of the version before made this move. */
export interface CurrentVersion extends CatalogVersion {
  publication?: Publication;
}

/** What the Authority keeps and tells of a move. */
export interface Move {
  tools: number;
  changes: ListChange[];
}
