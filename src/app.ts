import { Hono } from "hono";
import { healthz, readyz } from "./http/health.ts";
import { renderError } from "./http/errors.ts";
import { mcp } from "./http/mcp.ts";
import { protectedResource } from "./http/metadata.ts";
import { deliver, openStream } from "./http/sse.ts";
import { openSocket } from "./http/ws.ts";
import type { Platform } from "./model/context.ts";
import type { Env } from "./platform.ts";
import { resolveHost } from "./workspaces/resolve.ts";

type Bindings = { Bindings: Env };

/**
 * Every path of the gateway. The management API is imported when it is first asked for, so that an MCP request
 * never evaluates its schemas.
 */
export function createApp(platform: Platform): Hono<Bindings> {
  const app = new Hono<Bindings>();
  app.onError((thrown) => renderError(thrown));
  app.notFound(() => Response.json({ error: { code: "not_found", message: "no such path" } }, { status: 404 }));

  app.all("/w/:slug/mcp", (c) => mcp(c.req.raw, platform, c.executionCtx, { slug: c.req.param("slug"), toolset: null }));
  app.all("/w/:slug/mcp/:toolset", (c) => mcp(c.req.raw, platform, c.executionCtx, c.req.param()));
  // With a default workspace the host says nothing, and the hot path asks nobody.
  const slugOf = async (url: string) => platform.config.defaultWorkspace ?? (await resolveHost(platform, new URL(url).host))?.slug;
  for (const [path, transport] of [["/sse", openStream], ["/messages", deliver], ["/ws", openSocket]] as const) {
    for (const toolset of ["", "/:toolset"] as const) {
      app.all(`/w/:slug${path}${toolset}`, (c) => transport(c.req.raw, platform, c.executionCtx, { slug: c.req.param("slug") ?? "", toolset: c.req.param("toolset") ?? null }));
      app.all(`${path}${toolset}`, async (c) => {
        const slug = await slugOf(c.req.url);
        return slug ? transport(c.req.raw, platform, c.executionCtx, { slug, toolset: c.req.param("toolset") ?? null }) : c.notFound();
      });
    }
  }
  for (const path of ["/mcp", "/mcp/:toolset"] as const) {
    app.all(path, async (c) => {
      const slug = await slugOf(c.req.url);
      if (!slug) return c.notFound();
      return mcp(c.req.raw, platform, c.executionCtx, { slug, toolset: c.req.param("toolset") ?? null });
    });
  }

  // With the catalog and the OAuth client, which no MCP request needs.
  app.get("/w/:slug/oauth/callback", async (c) => (await import("./http/oauth.ts")).callback(c.req.raw, platform, c.executionCtx, c.req.param("slug")));
  app.get("/w/:slug/oauth/client.json", async (c) => (await import("./http/oauth.ts")).clientMetadata(c.req.raw, platform, c.req.param("slug")));

  app.get("/healthz", () => healthz());
  app.get("/readyz", () => readyz(platform));
  app.get("/.well-known/oauth-protected-resource/*", (c) => {
    const { origin, pathname } = new URL(c.req.url);
    return protectedResource(origin, pathname.slice("/.well-known/oauth-protected-resource".length));
  });

  let api: ReturnType<typeof import("./http/api/app.ts").apiApp> | null = null;
  app.all("/api/*", async (c) => {
    const { apiApp } = await import("./http/api/app.ts");
    api ??= apiApp(platform);
    return api.fetch(c.req.raw, {}, c.executionCtx);
  });
  return app;
}
