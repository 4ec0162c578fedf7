import { z } from "@hono/zod-openapi";
import { listRuns, traceOf } from "../../runs/runs.ts";
import { answers, ofWorkspace, page, paging, route, type Api } from "./route.ts";

const json = z.unknown().openapi({ description: "Any JSON, redacted and cut to its limit." });
const Run = z
  .object({
    id: z.string(),
    agent: z.string(),
    version: z.string(),
    status: z.string(),
    startedAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .openapi("Run");
const Node = z.object({
  node: z.string(),
  type: z.string(),
  status: z.string(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
  attempts: z.int(),
  items: z.int().nullable().openapi({ description: "How many items a forEach had." }),
  input: json,
  output: json,
  error: json,
  calls: z.array(z.string()).openapi({ description: "Audit ids of the calls made for it." }),
});
const Trace = z
  .object({ run: Run.extend({ call: z.string(), principal: z.string(), principalName: z.string(), input: json, output: json, error: json }), nodes: z.array(Node) })
  .openapi("Trace");

export function runRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/runs", {
      summary: "List runs",
      request: { params: ofWorkspace, query: paging.extend({ agent: z.string().optional().openapi({ description: "Slug." }) }) },
      responses: answers("Runs, newest first", page(Run)),
    }),
    async (c) => c.json(await listRuns(c.var.request, c.req.valid("query")), 200),
  );

  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/runs/{run}", {
      summary: "Show a run node by node",
      request: { params: ofWorkspace.extend({ run: z.string() }) },
      responses: answers("The trace", Trace),
    }),
    async (c) => c.json(await traceOf(c.var.request, c.req.valid("param").run), 200),
  );
}
