import { z } from "@hono/zod-openapi";
import { approveTool, listTools, setTool } from "../../catalog/tools.ts";
import { answers, body, ofWorkspace, page, paging, route, type Api } from "./route.ts";

const Asks = z.enum(["may", "never"]);
const Tool = z
  .object({
    name: z.string(),
    title: z.string().nullable(),
    description: z.string().nullable(),
    enabled: z.boolean(),
    status: z.enum(["offered", "disabled", "new", "changed", "gone"]).openapi({ description: "new and changed wait for approval." }),
    kind: z.enum(["agent", "mcp", "builtin"]),
    upstream: z.string().nullable(),
    asks: Asks.openapi({ description: "Whether it may ask its client in the middle of a call (upstreams older than 2026-07-28). never: its calls need no object; one that asks after all is refused once, and is may again." }),
  })
  .openapi("Tool");
const Edit = z
  .strictObject({
    enabled: z.boolean().optional(),
    rename: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -").optional(),
    description: z.string().min(1).max(8_192).nullable().optional().openapi({ description: "null: the upstream's own again." }),
    asks: Asks.optional(),
  })
  .refine((edit) => Object.keys(edit).length > 0, "must name enabled, rename, description or asks");
const ofTool = ofWorkspace.extend({ tool: z.string() });

export function toolRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/tools", {
      summary: "List the tools of the catalog as it is edited",
      request: { params: ofWorkspace, query: paging },
      responses: answers("Tools by name", page(Tool)),
    }),
    async (c) => c.json(await listTools(c.var.request, c.req.valid("query")), 200),
  );

  app.openapi(
    route("PATCH /api/v1/workspaces/{workspace}/tools/{tool}", {
      summary: "Enable, disable, rename or describe a tool, or say whether it asks, and publish",
      description: "Calls by the old name of a renamed tool still arrive for 90 days.",
      request: { params: ofTool, body: body(Edit) },
      responses: answers("The tool", Tool),
    }),
    async (c) => c.json(await setTool(c.var.request, c.req.valid("param").tool, c.req.valid("json")), 200),
  );

  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/tools/{tool}/approve", {
      summary: "Approve what changed in a quarantined tool, and publish",
      request: { params: ofTool },
      responses: answers("The tool", Tool),
    }),
    async (c) => c.json(await approveTool(c.var.request, c.req.valid("param").tool), 200),
  );
}
