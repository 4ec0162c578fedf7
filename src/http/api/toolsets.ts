import { z } from "@hono/zod-openapi";
import { addToolset, listToolsets, removeToolset } from "../../catalog/toolsets.ts";
import type { RequestContext } from "../../model/context.ts";
import { answers, body, creates, ofWorkspace, page, removes, route, type Api } from "./route.ts";

const Toolset = z
  .object({
    slug: z.string(),
    upstream: z.string().nullable().openapi({ description: "Slug of its one upstream: nothing is renamed." }),
    tools: z.array(z.string()),
    endpoint: z.string(),
  })
  .openapi("Toolset");
const NewToolset = z
  .strictObject({
    slug: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, "must be 1 to 40 lower-case letters, digits and inner hyphens"),
    upstream: z.string().min(1).optional(),
    tools: z.array(z.string().min(1)).min(1).max(10_000).optional(),
  })
  .refine((wanted) => (wanted.upstream === undefined) !== (wanted.tools === undefined), { path: ["tools"], message: "give tools or upstream" });

export function toolsetRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/toolsets", {
      summary: "List toolsets",
      request: { params: ofWorkspace },
      responses: answers("Toolsets by slug", page(Toolset)),
    }),
    async (c) => {
      const toolsets = await listToolsets(c.var.request);
      return c.json({ items: toolsets.map((toolset) => view(c.var.request, toolset)), after: null }, 200);
    },
  );

  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/toolsets", {
      summary: "Add a toolset, and publish",
      request: { params: ofWorkspace, body: body(NewToolset) },
      responses: creates("The toolset", Toolset),
    }),
    async (c) => {
      const { slug, upstream, tools } = c.req.valid("json");
      const added = await addToolset(c.var.request, { slug, ...(upstream !== undefined && { upstream }), ...(tools && { tools }) });
      return c.json(view(c.var.request, added), 201);
    },
  );

  app.openapi(
    route("DELETE /api/v1/workspaces/{workspace}/toolsets/{toolset}", {
      summary: "Remove a toolset; its tools stay",
      request: { params: ofWorkspace.extend({ toolset: z.string() }) },
      responses: removes("Removed"),
    }),
    async (c) => {
      await removeToolset(c.var.request, c.req.valid("param").toolset);
      return c.body(null, 204);
    },
  );
}

function view(ctx: RequestContext, { slug, upstream, tools }: Omit<z.infer<typeof Toolset>, "endpoint">): z.infer<typeof Toolset> {
  return { slug, upstream, tools, endpoint: `${ctx.origin}/w/${ctx.workspace.slug}/mcp/${slug}` };
}
