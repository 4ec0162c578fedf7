import { z } from "@hono/zod-openapi";
import { answers, ofWorkspace, route, type Api } from "./route.ts";

const Whoami = z.object({
  workspace: z.object({ id: z.string(), slug: z.string() }),
  principal: z.object({
    kind: z.string(),
    id: z.string(),
    name: z.string(),
    role: z.string().nullable(),
    scopes: z.array(z.string()),
    readOnly: z.boolean(),
  }),
  endpoint: z.string().openapi({ description: "The workspace's MCP endpoint." }),
});

export function workspaceRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}", {
      summary: "The workspace, and who the credential is in it",
      request: { params: ofWorkspace },
      responses: answers("Workspace and principal", Whoami),
    }),
    (c) => {
      const { workspace, principal, origin } = c.var.request;
      const { kind, id, name, role, scopes, readOnly } = principal;
      return c.json({ workspace, principal: { kind, id, name, role, scopes: [...scopes], readOnly }, endpoint: `${origin}/w/${workspace.slug}/mcp` }, 200);
    },
  );
}
