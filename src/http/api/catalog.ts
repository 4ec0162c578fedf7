import { z } from "@hono/zod-openapi";
import { publish, rollback, versions } from "../../catalog/publish.ts";
import { Published } from "./reports.ts";
import { answers, body, ofWorkspace, page, route, type Api } from "./route.ts";

const Version = z
  .object({
    number: z.int(),
    hash: z.string(),
    current: z.boolean(),
    publishedAt: z.iso.datetime(),
    publishedBy: z.string(),
  })
  .openapi("Version");

export function catalogRoutes(app: Api): void {
  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/publish", {
      summary: "Publish the catalog as it is edited now",
      description: "Answers one second after the move, when a list that begins now cannot be stale any more.",
      request: { params: ofWorkspace },
      responses: answers("The current version", Published),
    }),
    async (c) => c.json(await publish(c.var.request), 200),
  );

  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/versions", {
      summary: "List published versions",
      request: { params: ofWorkspace },
      responses: answers("Versions, newest first", page(Version)),
    }),
    async (c) => c.json({ items: await versions(c.var.request), after: null }, 200),
  );

  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/rollback", {
      summary: "Publish an earlier version again",
      request: { params: ofWorkspace, body: body(z.strictObject({ number: z.int().min(1) })) },
      responses: answers("The current version", Published),
    }),
    async (c) => c.json(await rollback(c.var.request, c.req.valid("json").number), 200),
  );
}
