import { isObject, type JsonObject, type JsonValue } from "../../src/model/json.ts";

/* What a cell of the matrix does with a client, whichever official SDK it is made of. */

export type List = "tools" | "prompts" | "resources" | "templates";
export type Transport = "streamable HTTP" | "HTTP+SSE" | "WebSocket" | "stdio";

export interface CallOptions {
  onprogress?(progress: number): void;
  signal?: AbortSignal;
  /** Further members of the request's `_meta`. */
  meta?: JsonObject;
}

/** What the person and the model behind a client say. Nothing here is declared when it is not given. */
export interface Answers {
  form?: (message: string, schema: JsonObject) => Record<string, string | number | boolean>;
  url?: (url: string) => "accept" | "decline";
  sampling?: (params: JsonObject) => string;
  roots?: string[];
}

/** An official client, connected. Names of tools and prompts are the upstream's own; results are what the SDK hands to its user. Requests reject with what has `code` and `data`. */
export interface Stranger {
  /** What was negotiated. */
  revision: string;
  server: JsonObject;
  capabilities: JsonObject;
  /** Notifications that belong to no request of its own, as the SDK handed them over. */
  told: { method: string; params: JsonObject }[];
  /** All pages. */
  all(list: List): Promise<JsonObject[]>;
  /** The page behind a cursor. */
  page(list: List, cursor: string): Promise<JsonObject[]>;
  call(tool: string, args?: JsonObject, options?: CallOptions): Promise<JsonObject>;
  read(uri: string): Promise<JsonObject>;
  prompt(name: string, args?: Record<string, string>): Promise<JsonObject>;
  /** Values for an argument of a prompt, or of a resource template. */
  complete(of: { prompt: string } | { template: string }, argument: string, value: string): Promise<string[]>;
  /** Log messages of this level and above, from now on. */
  log(level: "debug" | "info" | "warning"): Promise<void>;
  /** Changes of all lists and of these resources, from now on. */
  listen(uris: string[]): Promise<void>;
  close(): Promise<void>;
}

export interface Door {
  /** The gateway's address, or that of a tap in front of it. */
  origin: string;
  slug: string;
  token: string;
  /** One-to-one endpoint; null: the whole workspace. */
  toolset: string | null;
  /** What the endpoint puts before the upstream's names of tools and prompts. */
  prefix: string;
  transport: Transport;
}

export function addressOf({ origin, slug, toolset, transport }: Door): URL {
  const path = { "streamable HTTP": "mcp", stdio: "mcp", "HTTP+SSE": "sse", WebSocket: "ws" }[transport];
  const url = new URL(`/w/${slug}/${path}${toolset === null ? "" : `/${toolset}`}`, origin);
  if (transport === "WebSocket") url.protocol = "ws:";
  return url;
}

const BRIDGE = new URL("../../bin/causeway.mjs", import.meta.url).pathname;

/** How a client starts the stdio bridge. */
export function bridgeTo({ origin, token, toolset }: Door): { command: string; args: string[]; env: Record<string, string> } {
  const args = [BRIDGE, "stdio", ...(toolset === null ? [] : ["--toolset", toolset])];
  return { command: process.execPath, args, env: { PATH: process.env["PATH"] ?? "", CAUSEWAY_URL: origin, CAUSEWAY_TOKEN: token } };
}

/** What an SDK typed, as plain JSON. */
export function plain(value: unknown): JsonObject {
  const copy: JsonValue = JSON.parse(JSON.stringify(value ?? {}));
  return isObject(copy) ? copy : {};
}

export function objectsIn(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Names of the list's entries without what the endpoint put before them. */
export function unprefixed(entries: JsonObject[], list: List, prefix: string): JsonObject[] {
  if (list !== "tools" && list !== "prompts") return entries;
  return entries.map((entry) => ({ ...entry, name: String(entry.name).replace(prefix, "") }));
}

/** The text of a result's first block. */
export function textOf(result: JsonObject): string {
  return String(objectsIn(result.content)[0]?.text);
}
