import { recordsJson } from "../audit/store.ts";
import { json, sql, workspaceTx } from "../lib/sql.ts";
import type { Query, Row } from "../lib/sql.ts";
import type { ChangeRecord } from "../model/audit.ts";
import type { Database } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonObject, JsonValue } from "../model/json.ts";

export interface AgentRow {
  id: string;
  slug: string;
  name: string;
  description: string;
  status: string;
  /** Number of the active version. */
  version: number | null;
}

export interface VersionRow {
  id: string;
  number: number;
}

export interface NewVersion {
  /** Ids for the agent and the version, used only where they are new. */
  agentId: string;
  versionId: string;
  slug: string;
  name: string;
  description: string;
  /** Of definition and flow: the active version with the same hash is kept. */
  hash: string;
  flowHash: string;
  definition: JsonValue;
  createdBy: string;
}

const COLUMNS: Query = sql`a.id, a.slug, a.name, a.description, a.status, v.number`;
const FROM: Query = sql`causeway.agent a left join causeway.agent_version v on v.workspace = a.workspace and v.id = a.active_version`;

/**
 * Makes the agent if its slug is new, and a next version of it unless the active one has the same hash; the change record is written
 * with a new version only. One transaction. Errors: `conflict` when two versions are saved at once.
 */
export async function saveVersion(database: Database, workspace: string, wanted: NewVersion, change: ChangeRecord): Promise<{ agent: AgentRow; version: VersionRow }> {
  const { agentId, versionId, slug, name, description, hash, flowHash, definition, createdBy } = wanted;
  const results = await workspaceTx(database, workspace, [
    sql`insert into causeway.agent (workspace, id, slug, name, description) values (${workspace}, ${agentId}, ${slug}, ${name}, ${description})
        on conflict (workspace, slug) do nothing`,
    sql`insert into causeway.agent_version (workspace, id, agent, number, hash, flow_hash, definition, created_by)
        select a.workspace, ${versionId}, a.id, (select coalesce(max(number), 0) + 1 from causeway.agent_version v where v.workspace = a.workspace and v.agent = a.id),
          ${hash}, ${flowHash}, ${json(definition)}::json, ${createdBy}
        from causeway.agent a where a.workspace = ${workspace} and a.slug = ${slug}
          and not exists (select from causeway.agent_version v where v.workspace = a.workspace and v.id = a.active_version and v.hash = ${hash})`,
    sql`update causeway.agent a set name = ${name}, description = ${description}, active_version = ${versionId}, updated_at = now()
        where a.workspace = ${workspace} and a.slug = ${slug} and exists (select from causeway.agent_version v where v.workspace = a.workspace and v.id = ${versionId})`,
    sql`select causeway.append_audit(${recordsJson([change])}) from causeway.agent_version v where v.workspace = ${workspace} and v.id = ${versionId}`,
    sql`select ${COLUMNS}, v.id as version_id from ${FROM} where a.workspace = ${workspace} and a.slug = ${slug}`,
  ]);
  const row = results.at(-1)?.[0];
  const agent = row && agentRow(row);
  if (!row || !agent || agent.version === null || typeof row["version_id"] !== "string") return unreadable();
  return { agent, version: { id: row["version_id"], number: agent.version } };
}

/** By slug. */
export async function selectAgents(database: Database, workspace: string): Promise<AgentRow[]> {
  const query = sql`select ${COLUMNS} from ${FROM} where a.workspace = ${workspace} order by a.slug`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  return rows.map(agentRow);
}

/** With the definition of its active version; null when there is no such agent. */
export async function selectAgent(database: Database, workspace: string, slug: string): Promise<(AgentRow & { definition: JsonObject }) | null> {
  const query = sql`select ${COLUMNS}, v.definition from ${FROM} where a.workspace = ${workspace} and a.slug = ${slug}`;
  const [rows = []] = await workspaceTx(database, workspace, [query], { readOnly: true });
  const [row] = rows;
  if (!row) return null;
  const { definition } = row;
  return { ...agentRow(row), definition: isDefinition(definition) ? definition : {} };
}

function agentRow(row: Row): AgentRow {
  const { id, slug, name, description, status, number } = row;
  if (typeof id !== "string" || typeof slug !== "string" || typeof name !== "string" || typeof description !== "string" || typeof status !== "string") return unreadable();
  return { id, slug, name, description, status, version: typeof number === "number" ? number : null };
}

/** Written by us from a checked definition. */
function isDefinition(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(): never {
  throw new GatewayError("internal", "internal error", { cause: "causeway.agent does not have the shape this version expects" });
}
