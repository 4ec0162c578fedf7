import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { applyAgent, listAgents, showAgent } from "../../agents/agents.ts";
import type { ApiEnv } from "./context.ts";
import { invalidField } from "./problems.ts";
import { Published } from "./reports.ts";
import { answers, ofWorkspace, page, route, type Api } from "./route.ts";

const Agent = z
  .object({
    id: z.string(),
    slug: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    status: z.string(),
    version: z.int().nullable().openapi({ description: "The active version." }),
  })
  .openapi("Agent");
const Definition = z.record(z.string(), z.unknown()).openapi("AgentDefinition", { type: "object" });
const Shown = Agent.extend({ definition: Definition });
const Applied = z.object({ agent: Agent, version: z.object({ id: z.string(), number: z.int() }), published: Published.nullable() });
const ofAgent = ofWorkspace.extend({ agent: z.string().openapi({ description: "Slug." }) });

export function agentRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/agents", {
      summary: "List agents",
      request: { params: ofWorkspace },
      responses: answers("Agents by slug", page(Agent)),
    }),
    async (c) => c.json({ items: await listAgents(c.var.request), after: null }, 200),
  );

  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/agents/{agent}", {
      summary: "Show an agent with the definition of its active version",
      request: { params: ofAgent },
      responses: answers("The agent", Shown),
    }),
    async (c) => c.json(await showAgent(c.var.request, c.req.valid("param").agent), 200),
  );

  app.openapi(
    route("PUT /api/v1/workspaces/{workspace}/agents/{agent}", {
      summary: "Create or change an agent from its definition, and publish it",
      description: "JSON or YAML. What is wrong with a flow is told by node and field.",
      request: {
        params: ofAgent,
        body: { required: true, content: { "application/json": { schema: Definition }, "application/yaml": { schema: Definition } } },
      },
      responses: answers("The agent and its new version", Applied),
    }),
    async (c) => {
      const definition = await definitionOf(c);
      const { agent } = c.req.valid("param");
      if (definition["slug"] !== undefined && definition["slug"] !== agent) throw invalidField("slug", `must be ${agent}, as in the path`);
      return c.json(await applyAgent(c.var.request, { ...definition, slug: agent }), 200);
    },
  );
}

/** The body as an object; YAML is read by its core schema, with its aliases capped by the parser. */
async function definitionOf(c: Context<ApiEnv>): Promise<Record<string, unknown>> {
  const isYaml = /^application\/yaml\b/i.test(c.req.header("content-type") ?? "");
  const value: unknown = isYaml ? await yamlOf(await c.req.text()) : await c.req.json();
  const definition = z.record(z.string(), z.unknown()).safeParse(value);
  if (!definition.success) throw invalidField("body", "must be an object");
  return definition.data;
}

async function yamlOf(text: string): Promise<unknown> {
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text);
  const [broken] = document.errors;
  if (broken) throw invalidField("body", `not valid YAML: ${broken.message.split("\n")[0]}`);
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    throw invalidField("body", "has more YAML aliases than are allowed");
  }
}
