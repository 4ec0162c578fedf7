import { versionOf } from "../access/versions.ts";
import { offerAgent } from "../catalog/agents.ts";
import { publish, type PublishReport } from "../catalog/publish.ts";
import { loadSnapshot } from "../catalog/snapshot.ts";
import { listDatabases } from "../connections/directory.ts";
import { check, type Known } from "../flows/check.ts";
import { compile } from "../flows/compile.ts";
import { parseDefinition, type Definition } from "../flows/definition.ts";
import type { Problem } from "../flows/flow.ts";
import { sha256 } from "../lib/crypto.ts";
import { newId } from "../lib/ids.ts";
import type { ChangeRecord } from "../model/audit.ts";
import type { RequestContext, Snapshot } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import type { JsonObject } from "../model/json.ts";
import { saveVersion, selectAgent, selectAgents, type AgentRow, type VersionRow } from "./store.ts";

export interface Applied {
  agent: AgentRow;
  version: VersionRow;
  published: PublishReport | null;
}

/**
 * Makes an agent, or the next version of it, from its definition, and publishes it as a tool. Applying what is active already
 * changes nothing but finishes what an earlier try left undone.
 * Errors: `invalid` with `data.problems` (`{node, field, message}`, all that were found), `conflict`. Not checked: the caller's scopes.
 */
export async function applyAgent(ctx: RequestContext, value: unknown): Promise<Applied> {
  const { platform, workspace, principal } = ctx;
  const parsed = parseDefinition(value);
  if (!parsed.ok) throw invalid(parsed.problems);
  const { definition } = parsed;
  const { known, snapshot } = await knownTo(ctx);
  const { slug } = definition;
  if ((snapshot.tools.get(slug)?.target.kind ?? "agent") !== "agent") throw new GatewayError("conflict", `another tool is named ${slug}`);
  const flow = compile(definition);
  const problems = await check(definition, flow, known, ctx.limits);
  if (problems.length > 0) throw invalid(problems);
  const flowText = JSON.stringify(flow);
  const flowHash = await sha256(flowText);
  const { agent, version } = await saveVersion(
    platform.database,
    workspace.id,
    {
      agentId: newId("agt"),
      versionId: newId("ver"),
      slug,
      name: definition.name,
      description: definition.description,
      hash: await sha256(JSON.stringify([definition, flowHash])),
      flowHash,
      definition,
      createdBy: principal.id,
    },
    changeOf(ctx, slug),
  );
  await offerAgent(ctx, { slug, agentId: agent.id, versionId: version.id, flowHash, flowText, tool: toolOf(definition) });
  return { agent, version, published: await publish(ctx) };
}

/** An agent with the definition of its active version. Errors: `not_found`. */
export async function showAgent(ctx: RequestContext, slug: string): Promise<AgentRow & { definition: JsonObject }> {
  const agent = await selectAgent(ctx.platform.database, ctx.workspace.id, slug);
  if (!agent) throw new GatewayError("not_found", `there is no agent ${slug}`);
  return agent;
}

export function listAgents(ctx: RequestContext): Promise<AgentRow[]> {
  return selectAgents(ctx.platform.database, ctx.workspace.id);
}

/** The tools of the published catalog and the workspace's connections. */
async function knownTo(ctx: RequestContext): Promise<{ known: Known; snapshot: Snapshot }> {
  const { platform, workspace } = ctx;
  const [version, databases] = await Promise.all([versionOf(platform, workspace.id, 0), listDatabases(ctx)]);
  const snapshot = await loadSnapshot(platform, workspace.id, version.hash);
  const known = { tools: new Set(snapshot.tools.keys()), connections: new Map(databases.map(({ name, kind }) => [name, kind])) };
  return { known, snapshot };
}

/** The agent as MCP clients see it. */
function toolOf(definition: Definition): JsonObject & { name: string } {
  const { slug, name, description, inputSchema, outputSchema, annotations, mcp } = definition;
  const hints = Object.fromEntries(Object.entries(annotations).filter(([, value]) => value !== undefined));
  return {
    name: slug,
    title: mcp.title ?? name,
    description,
    inputSchema,
    ...(outputSchema && { outputSchema }),
    ...(Object.keys(hints).length > 0 && { annotations: hints }),
    ...(mcp.meta && { _meta: mcp.meta }),
  };
}

function changeOf({ platform, workspace, principal, requestId }: RequestContext, slug: string): ChangeRecord {
  return {
    type: "change",
    id: newId("aud"),
    workspace: workspace.id,
    at: platform.now(),
    principal: principal.id,
    principalName: principal.name,
    action: "agent.apply",
    subject: slug,
    requestId,
  };
}

function invalid(problems: Problem[]): GatewayError {
  const [first] = problems;
  const where = first?.node ? `node ${first.node}, ${first.field}` : (first?.field ?? "definition");
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  return new GatewayError("invalid", `${where}: ${first?.message ?? "is not valid"}${more}`, { data: { problems: problems.map((problem) => ({ ...problem })) } });
}
