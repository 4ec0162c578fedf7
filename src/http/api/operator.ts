import { z } from "@hono/zod-openapi";
import { SCOPES } from "../../model/identity.ts";
import { createWorkspace } from "../../workspaces/create.ts";
import { isHost, isSlug } from "../../workspaces/resolve.ts";
import { listWorkspaces } from "../../workspaces/store.ts";
import { operatorActor } from "./context.ts";
import { answers, body, creates, page, paging, route, type Api } from "./route.ts";

const PAGE = 200;

const Workspace = z.object({ id: z.string(), slug: z.string(), name: z.string(), createdAt: z.iso.datetime() });
const NewWorkspace = z.strictObject({
  slug: z.string().refine(isSlug, "must be 1 to 40 lower-case letters, digits and inner hyphens"),
  name: z.string().trim().min(1).max(200).optional(),
  anonymous: z.array(z.enum(SCOPES)).optional().openapi({ description: "Scopes of callers without a credential; left out: every caller needs one." }),
  hosts: z.array(z.string().refine(isHost, "must be a host name in lower case")).max(10).optional().openapi({ description: "Host names of its own, on which `/mcp` is its endpoint." }),
});
const Created = z.object({
  workspace: z.object({ id: z.string(), slug: z.string(), name: z.string() }),
  token: z.string().openapi({ description: "The first owner's token; shown this once." }),
  endpoint: z.string(),
});

export function operatorRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/operator/workspaces", {
      summary: "List workspaces",
      request: { query: paging },
      responses: answers("Workspaces by slug", page(Workspace)),
    }),
    async (c) => {
      const { after, limit = PAGE } = c.req.valid("query");
      const rows = await listWorkspaces(c.var.platform.database, { limit, ...(after !== undefined && { after }) });
      const items = rows.map(({ id, slug, name, createdAt }) => ({ id, slug, name, createdAt: createdAt.toISOString() }));
      return c.json({ items, after: rows.length === limit ? (rows.at(-1)?.slug ?? null) : null }, 200);
    },
  );

  app.openapi(
    route("POST /api/v1/operator/workspaces", {
      summary: "Create a workspace and its first owner token",
      request: { body: body(NewWorkspace) },
      responses: creates("The workspace", Created),
    }),
    async (c) => {
      const { slug, name = slug, anonymous, hosts } = c.req.valid("json");
      const { platform, requestId } = c.var;
      const input = { slug, name, ...(anonymous && { anonymous }), ...(hosts && { hosts }) };
      const { workspace, token } = await createWorkspace(platform, input, operatorActor(requestId));
      const { origin } = new URL(c.req.url);
      return c.json({ workspace: { id: workspace.id, slug, name }, token, endpoint: `${origin}/w/${slug}/mcp` }, 201);
    },
  );
}
