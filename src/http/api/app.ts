import { OpenAPIHono } from "@hono/zod-openapi";
import type { Platform } from "../../model/context.ts";
import { GatewayError } from "../../model/error.ts";
import { readBody } from "../body.ts";
import { agentRoutes } from "./agents.ts";
import { builtinRoutes } from "./builtins.ts";
import { catalogRoutes } from "./catalog.ts";
import { connectionRoutes } from "./connections.ts";
import { requestIdOf, type ApiEnv } from "./context.ts";
import { operatorRoutes } from "./operator.ts";
import { invalidInput, problem } from "./problems.ts";
import type { Api } from "./route.ts";
import { ruleRoutes } from "./rules.ts";
import { runRoutes } from "./runs.ts";
import { settingsRoutes } from "./settings.ts";
import { tokenRoutes } from "./tokens.ts";
import { toolRoutes } from "./tools.ts";
import { toolsetRoutes } from "./toolsets.ts";
import { upstreamRoutes } from "./upstreams.ts";
import { workspaceRoutes } from "./workspace.ts";

const DOCUMENT = {
  openapi: "3.1.0",
  info: { title: "Causeway management API", version: "1", description: "Errors are problem details (RFC 9457). Lists are paged by an opaque `after`." },
  security: [{ bearer: [] }],
};

/**
 * The management API, with its full paths (`/api/v1/…`): serve it by `fetch(request, { requestId }, executionContext)`.
 * Build it once per isolate and only when first asked: zod is expensive to start.
 */
export function apiApp(platform: Platform): Api {
  const app: Api = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidInput(result.error);
    },
  });
  app.onError(problem);
  app.notFound((c) => problem(new GatewayError("not_found", "no such route: see /api/v1/openapi.json"), c));
  app.use(async (c, next) => {
    c.set("platform", platform);
    c.set("requestId", requestIdOf(c));
    await next();
    c.header("Causeway-Request-Id", c.var.requestId);
    if (!c.res.headers.has("Cache-Control")) c.header("Cache-Control", "no-store");
  });
  app.use(async (c, next) => {
    const { bodyBytes } = platform.config.limits;
    const body = c.req.raw.body === null ? undefined : await readBody(c.req.raw, bodyBytes);
    if (body === null) throw new GatewayError("too_large", `the body is larger than ${bodyBytes} bytes (limit bodyBytes)`);
    if (body) c.req.raw = new Request(c.req.raw, { body });
    await next();
  });
  for (const register of [
    operatorRoutes,
    workspaceRoutes,
    tokenRoutes,
    settingsRoutes,
    connectionRoutes,
    upstreamRoutes,
    toolRoutes,
    toolsetRoutes,
    builtinRoutes,
    agentRoutes,
    catalogRoutes,
    ruleRoutes,
    runRoutes,
  ]) {
    register(app);
  }
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer", description: "An access token (`cwy_…`), or the operator's token." });
  app.get("/api/v1/openapi.json", (c) => c.json(app.getOpenAPI31Document(DOCUMENT)));
  return app;
}
