import type { Row } from "../lib/sql.ts";
import type { Rule, SnapshotIndex, Target, ToolAsks } from "../model/catalog.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonObject, JsonText } from "../model/json.ts";

/** The catalog as people edit it, one type a table. */
export interface UpstreamRow {
  id: string;
  slug: string;
  url: string;
  connection: string | null;
  revision: string | null;
  eraAt: Date | null;
  capabilities: JsonObject;
  instructions: string | null;
  timeoutMs: number;
  concurrency: number;
  checkOutput: boolean;
  syncedAt: Date | null;
}

/** `definition` null: never approved. `candidate`: what the upstream shows now and nobody has approved. */
export interface ToolRow {
  name: string;
  upstream: string | null;
  source: string;
  target: Target;
  definition: JsonText | null;
  pin: string | null;
  candidate: JsonText | null;
  candidatePin: string | null;
  description: string | null;
  enabled: boolean;
  gone: boolean;
  checkOutput: boolean;
  asks: ToolAsks;
}

/** A resource, template or prompt; `name` is its exposed name, URI or URI template. */
export interface EntryRow {
  name: string;
  upstream: string | null;
  source: string;
  target: Target;
  definition: JsonText;
}

export const ENTRY_KINDS = ["resources", "templates", "prompts"] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

export interface ToolsetRow {
  slug: string;
  upstream: string | null;
}

export interface CatalogRows extends Record<EntryKind, EntryRow[]> {
  workspace: { id: string; slug: string };
  upstreams: UpstreamRow[];
  tools: ToolRow[];
  toolsets: ToolsetRow[];
  members: { toolset: string; tool: string }[];
  tombstones: { oldName: string; name: string; until: Date }[];
  rules: Rule[];
  setting: Pick<SnapshotIndex, "defaultEffect" | "limits" | "instructions">;
}

export interface VersionRow {
  number: number;
  hash: string;
  publishedAt: Date;
  by: string;
  tools: number;
}

export function upstreamRow(row: Row): UpstreamRow {
  return {
    id: text(row, "id"),
    slug: text(row, "slug"),
    url: text(row, "url"),
    connection: maybeText(row, "connection"),
    revision: maybeText(row, "revision"),
    eraAt: maybeDate(row, "era_at"),
    capabilities: object(row, "capabilities"),
    instructions: maybeText(row, "instructions"),
    timeoutMs: number(row, "timeout_ms"),
    concurrency: number(row, "concurrency"),
    checkOutput: flag(row, "check_output"),
    syncedAt: maybeDate(row, "synced_at"),
  };
}

export function toolRow(row: Row): ToolRow {
  return {
    ...named(row),
    definition: maybeText(row, "definition"),
    pin: maybeText(row, "pin"),
    candidate: maybeText(row, "candidate"),
    candidatePin: maybeText(row, "candidate_pin"),
    description: maybeText(row, "description"),
    enabled: flag(row, "enabled"),
    gone: flag(row, "gone"),
    checkOutput: flag(row, "check_output"),
    asks: text(row, "asks") === "never" ? "never" : "may",
  };
}

export function entryRow(row: Row): EntryRow {
  return { ...named(row), definition: text(row, "definition") };
}

export function toolsetRow(row: Row): ToolsetRow {
  return { slug: text(row, "slug"), upstream: maybeText(row, "upstream") };
}

export function memberRow(row: Row): { toolset: string; tool: string } {
  return { toolset: text(row, "toolset"), tool: text(row, "tool") };
}

export function tombstoneRow(row: Row): { oldName: string; name: string; until: Date } {
  return { oldName: text(row, "old_name"), name: text(row, "name"), until: date(row, "until") };
}

export function ruleRow(row: Row): Rule {
  const { body } = row;
  return isRule(body) ? body : unreadable("body");
}

export function settingRow(row: Row | undefined): CatalogRows["setting"] {
  if (!row) return { defaultEffect: "allow", limits: {}, instructions: null };
  const limits = Object.entries(object(row, "limits")).filter((entry): entry is [string, number] => typeof entry[1] === "number");
  return { defaultEffect: text(row, "default_effect") === "allow" ? "allow" : "deny", limits: Object.fromEntries(limits.sort()), instructions: maybeText(row, "instructions") };
}

export function versionRow(row: Row): VersionRow {
  return { number: number(row, "number"), hash: text(row, "hash"), publishedAt: date(row, "published_at"), by: text(row, "by"), tools: number(row, "tools") };
}

function named(row: Row): Pick<ToolRow, "name" | "upstream" | "source" | "target"> {
  const { target } = row;
  return { name: text(row, "name"), upstream: maybeText(row, "upstream"), source: text(row, "source"), target: isTarget(target) ? target : unreadable("target") };
}

/** Kind and the members of that kind; written by this folder alone. */
function isTarget(value: unknown): value is Target {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  if (value.kind === "mcp") return "upstream" in value && typeof value.upstream === "string" && "name" in value && typeof value.name === "string";
  if (value.kind === "builtin") return "name" in value && typeof value.name === "string";
  return value.kind === "agent" && "agent" in value && "version" in value && "flow" in value && typeof value.flow === "string";
}

/** The outline of a rule; its parts were checked when it was written. */
function isRule(value: unknown): value is Rule {
  return typeof value === "object" && value !== null && "id" in value && "who" in value && "what" in value && "when" in value && Array.isArray(value.when) && "effect" in value;
}

function text(row: Row, column: string): string {
  const value = row[column];
  return typeof value === "string" ? value : unreadable(column);
}

function maybeText(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

function number(row: Row, column: string): number {
  const value = row[column];
  return typeof value === "number" ? value : unreadable(column);
}

function flag(row: Row, column: string): boolean {
  const value = row[column];
  return typeof value === "boolean" ? value : unreadable(column);
}

function date(row: Row, column: string): Date {
  const value = row[column];
  return value instanceof Date ? value : unreadable(column);
}

function maybeDate(row: Row, column: string): Date | null {
  return row[column] === null ? null : date(row, column);
}

function object(row: Row, column: string): JsonObject {
  const value = row[column];
  return isJsonObject(value) ? value : unreadable(column);
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(column: string): never {
  throw new GatewayError("internal", "internal error", { cause: `a catalog table's column ${column} does not have the shape this version expects` });
}
