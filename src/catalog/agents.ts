import { compileSchema } from "../lib/jsonschema.ts";
import type { RequestContext } from "../model/context.ts";
import { GatewayError } from "../model/error.ts";
import { isObject, type JsonObject, type JsonText } from "../model/json.ts";
import { WAIT_FOR_RUN } from "../tasks/wait.ts";
import { readTool } from "./definition.ts";
import { putEntries, type CatalogEdit } from "./edit-store.ts";
import { flowKey, writeText } from "./kv.ts";
import { checkToolName } from "./names.ts";
import { builtinRow } from "./offers.ts";
import { pinOf } from "./pins.ts";
import type { ToolRow } from "./row.ts";
import { readHeld } from "./store.ts";

/** One version of an agent as a tool. `tool`: its definition; its `name` is the agent's slug. `flowHash`: SHA-256 of `flowText`. */
export interface OfferedAgent {
  slug: string;
  agentId: string;
  versionId: string;
  flowHash: string;
  flowText: JsonText;
  tool: JsonObject;
}

/**
 * Puts the agent's tool into the catalog as it is edited, and its flow where calls find it. A renamed tool keeps its name, a disabled one stays so.
 * Publishing is the caller's. Errors: `invalid` (name, schemas), `conflict` when another tool has the name.
 */
export async function offerAgent(ctx: RequestContext, offered: OfferedAgent): Promise<void> {
  const { slug, agentId, versionId, flowHash, flowText } = offered;
  const { platform, workspace } = ctx;
  checkToolName("slug", slug);
  const text: JsonText = JSON.stringify({ ...offered.tool, name: slug });
  const read = readTool(text);
  if (!read.ok) throw new GatewayError("invalid", `the tool of agent ${slug} ${read.reason}`);
  const { outputSchema } = read.definition;
  const output = outputSchema === undefined ? null : compileSchema(outputSchema);
  if (output?.ok === false) throw new GatewayError("invalid", `the outputSchema of agent ${slug} is not taken: ${output.reason}`);
  const held = await readHeld(platform.database, workspace.id, "agent");
  const known = held.tools.find(({ source }) => source === slug);
  if (!known && held.names.tools.has(slug)) throw new GatewayError("conflict", `another tool is named ${slug}`);
  await writeText(platform, flowKey(workspace.id, flowHash), flowText);
  const row: ToolRow = {
    name: known?.name ?? slug,
    upstream: null,
    source: slug,
    target: { kind: "agent", agent: agentId, version: versionId, flow: flowHash },
    definition: text,
    pin: await pinOf(read.definition),
    candidate: null,
    candidatePin: null,
    description: known?.description ?? null,
    enabled: known?.enabled ?? true,
    gone: false,
    checkOutput: isObject(outputSchema),
    asks: "may",
  };
  await putEntries(ctx, "agent.offer", slug, { ...NOTHING, tools: [row, ...(await waiterFor(ctx, held.names.tools))] });
}

/** With the first agent comes the tool by which clients wait for long runs. Where it was disabled or renamed, or its name is taken, it is left alone. */
async function waiterFor({ platform }: RequestContext, names: ReadonlySet<string>): Promise<ToolRow[]> {
  const builtin = platform.builtins.get(WAIT_FOR_RUN);
  return builtin?.kind !== "tool" || names.has(WAIT_FOR_RUN) ? [] : [await builtinRow(WAIT_FOR_RUN, builtin)];
}

const NOTHING: CatalogEdit = { tools: [], gone: [], put: { resources: [], templates: [], prompts: [] }, drop: { resources: [], templates: [], prompts: [] } };
