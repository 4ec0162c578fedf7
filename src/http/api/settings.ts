import { z } from "@hono/zod-openapi";
import { GatewayError } from "../../model/error.ts";
import { SCOPES } from "../../model/identity.ts";
import { actorOf } from "../../access/actor.ts";
import { answers, body, ofWorkspace, route, type Api } from "./route.ts";

const Settings = z.strictObject({
  anonymous: z.array(z.enum(SCOPES)).nullable().openapi({ description: "Scopes of callers without a credential; null: every caller needs one." }),
});

export function settingsRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/settings", {
      summary: "Settings of the workspace",
      request: { params: ofWorkspace },
      responses: answers("Settings", Settings),
    }),
    async (c) => {
      const { platform, workspace } = c.var.request;
      const { anonymous } = await platform.authority(workspace.id).settings();
      return c.json({ anonymous }, 200);
    },
  );

  app.openapi(
    route("PUT /api/v1/workspaces/{workspace}/settings", {
      summary: "Change the settings of the workspace",
      request: { params: ofWorkspace, body: body(Settings) },
      responses: answers("Settings", Settings),
    }),
    async (c) => {
      const ctx = c.var.request;
      const { anonymous } = c.req.valid("json");
      const beyond = (anonymous ?? []).filter((scope) => !ctx.principal.scopes.includes(scope));
      if (beyond.length > 0) throw new GatewayError("forbidden", `anonymous: you do not have ${beyond.join(", ")} yourself`);
      await ctx.platform.authority(ctx.workspace.id).configure({ anonymous }, actorOf(ctx));
      return c.json({ anonymous }, 200);
    },
  );
}
