import { z } from "@hono/zod-openapi";
import { addDatabase, listDatabases, removeDatabase } from "../../connections/directory.ts";
import type { ConnectionRow } from "../../connections/store.ts";
import { answers, body, creates, ofWorkspace, page, removes, route, type Api } from "./route.ts";

const Connection = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.string(),
  origin: z.string().openapi({ description: "Scheme and host the secret was made for; the secret itself cannot be read." }),
  createdAt: z.iso.datetime(),
});
const NewConnection = z.strictObject({
  kind: z.literal("postgres"),
  name: z.string().min(1).max(40),
  url: z.string().min(1).max(2_048).openapi({ description: "postgresql://user:password@host/database" }),
});

export function connectionRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/connections", {
      summary: "List the workspace's databases",
      request: { params: ofWorkspace },
      responses: answers("Connections without their secrets", page(Connection)),
    }),
    async (c) => {
      const rows = await listDatabases(c.var.request);
      return c.json({ items: rows.map(view), after: null }, 200);
    },
  );

  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/connections", {
      summary: "Add a database",
      request: { params: ofWorkspace, body: body(NewConnection) },
      responses: creates("The connection", Connection),
    }),
    async (c) => {
      const { name, url } = c.req.valid("json");
      return c.json(view(await addDatabase(c.var.request, { name, url })), 201);
    },
  );

  app.openapi(
    route("DELETE /api/v1/workspaces/{workspace}/connections/{connection}", {
      summary: "Remove a database, by id or name",
      request: { params: ofWorkspace.extend({ connection: z.string() }) },
      responses: removes("Removed"),
    }),
    async (c) => {
      await removeDatabase(c.var.request, c.req.valid("param").connection);
      return c.body(null, 204);
    },
  );
}

function view({ id, name, kind, origin, createdAt }: ConnectionRow): z.infer<typeof Connection> {
  return { id, name, kind, origin, createdAt: createdAt.toISOString() };
}
