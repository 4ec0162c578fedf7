import { z } from "@hono/zod-openapi";
import { offerBuiltins } from "../../catalog/offers.ts";
import { answers, body, ofWorkspace, route, type Api } from "./route.ts";

const Offer = z
  .strictObject({ set: z.string().min(1).max(64).optional(), names: z.array(z.string().min(1)).min(1).max(1_000).optional() })
  .refine(({ set, names }) => (set === undefined) !== (names === undefined), { path: ["names"], message: "give names or set" });

export function builtinRoutes(app: Api): void {
  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/builtins", {
      summary: "Offer tools, prompts and resources of the gateway itself",
      request: { params: ofWorkspace, body: body(Offer) },
      responses: answers("What is offered now", z.object({ names: z.array(z.string()) })),
    }),
    async (c) => {
      const { set = "", names } = c.req.valid("json");
      return c.json(await offerBuiltins(c.var.request, names ?? { set }), 200);
    },
  );
}
