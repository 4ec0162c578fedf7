import { z } from "@hono/zod-openapi";
import { loginUpstream, type OAuthCredential } from "../../catalog/login.ts";
import { addUpstream, type NewCredential, type SyncReport, health, listUpstreams, removeUpstream, syncUpstream } from "../../catalog/upstreams.ts";
import { Published } from "./reports.ts";
import { answers, body, creates, ofWorkspace, page, removes, route, type Api } from "./route.ts";

const Upstream = z
  .object({
    id: z.string(),
    slug: z.string(),
    url: z.string(),
    tools: z.int(),
    revision: z.string().nullable().openapi({ description: "MCP revision found at the last probe." }),
    revisionAt: z.iso.datetime().nullable().openapi({ description: "When that was found. It is looked at again after a day, and when it stops fitting." }),
    syncedAt: z.iso.datetime().nullable(),
  })
  .openapi("Upstream");
const Login = z
  .object({ url: z.url().openapi({ description: "To be opened in a browser by whoever has an account there." }), expiresAt: z.iso.datetime() })
  .nullable()
  .openapi({ description: "Where somebody has to log in; null: nobody has to." });
const Report = z
  .object({
    upstream: Upstream,
    added: z.array(z.string()),
    changed: z.array(z.string()),
    removed: z.array(z.string()),
    quarantined: z.array(z.string()).openapi({ description: "Held back until someone approves them." }),
    invalid: z.array(z.object({ name: z.string(), reason: z.string() })),
    published: Published.nullable(),
    login: Login,
  })
  .openapi("SyncReport");
const Health = z.object({
  ok: z.boolean(),
  revision: z.string().nullable().openapi({ description: "Found now." }),
  known: z.object({ revision: z.string(), at: z.iso.datetime() }).nullable().openapi({ description: "Found at the last sync." }),
  latencyMs: z.number().nullable(),
  error: z.string().nullable(),
});
const wishes = {
  client: z
    .strictObject({ id: z.string().min(1).max(2_048), secret: z.string().min(1).max(2_048).optional(), issuer: z.url().max(2_048).optional() })
    .optional()
    .openapi({ description: "A client registered by hand at the authorization server (`issuer`; absent: at the first one it is used at)." }),
  scope: z.string().max(2_048).optional().openapi({ description: "Scopes to ask for, in place of what the upstream says." }),
};
const Credential = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("bearer"), token: z.string().min(1).max(8_192) }),
  z.strictObject({ kind: z.literal("header"), name: z.string().min(1).max(128), value: z.string().min(1).max(8_192) }),
  z.strictObject({ kind: z.literal("oauth"), flow: z.enum(["authorization_code", "client_credentials"]).default("authorization_code"), ...wishes }),
]);
const Wishes = z.strictObject(wishes);
const NewUpstream = z.strictObject({
  slug: z.string().regex(/^[a-z0-9-]{1,20}$/, "must be 1 to 20 of a-z, 0-9 and -"),
  url: z.url({ protocol: /^https?$/ }).max(2_048),
  credential: Credential.optional().openapi({ description: "Stored sealed, for this URL's origin only; cannot be read back." }),
  review: z.boolean().default(false).openapi({ description: "Hold its tools back until they are approved." }),
  toolset: z.boolean().default(false).openapi({ description: "Give it an endpoint of its own, one to one." }),
});
const ofUpstream = ofWorkspace.extend({ upstream: z.string().openapi({ description: "Slug." }) });

export function upstreamRoutes(app: Api): void {
  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/upstreams", {
      summary: "List upstreams",
      request: { params: ofWorkspace },
      responses: answers("Upstreams by slug", page(Upstream)),
    }),
    async (c) => c.json({ items: await listUpstreams(c.var.request), after: null }, 200),
  );

  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/upstreams", {
      summary: "Add an MCP server and publish what it offers",
      request: { params: ofWorkspace, body: body(NewUpstream) },
      responses: creates("What it offers", Report),
    }),
    async (c) => {
      const { credential, ...wanted } = c.req.valid("json");
      return c.json(reportOf(await addUpstream(c.var.request, { ...wanted, ...(credential && { credential: credentialOf(credential) }) })), 201);
    },
  );

  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/upstreams/{upstream}/sync", {
      summary: "Read again what an upstream offers, and publish it",
      request: { params: ofUpstream, query: z.object({ review: z.stringbool().optional().openapi({ type: "boolean", description: "Hold back what changed until it is approved." }) }) },
      responses: answers("What changed", Report),
    }),
    async (c) => {
      const { review = false } = c.req.valid("query");
      return c.json(reportOf(await syncUpstream(c.var.request, c.req.valid("param").upstream, { review })), 200);
    },
  );

  app.openapi(
    route("POST /api/v1/workspaces/{workspace}/upstreams/{upstream}/login", {
      summary: "Log in to an upstream that was added with OAuth",
      description: "The login ends at the gateway's callback, which then reads what the upstream offers and publishes it.",
      request: { params: ofUpstream, body: body(Wishes) },
      responses: answers("Where to go", z.object({ login: Login })),
    }),
    async (c) => {
      const begun = await loginUpstream(c.var.request, c.req.valid("param").upstream, wishesOf(c.req.valid("json")));
      return c.json({ login: loginOf(begun) }, 200);
    },
  );

  app.openapi(
    route("GET /api/v1/workspaces/{workspace}/upstreams/{upstream}/health", {
      summary: "Ask an upstream now whether it answers",
      request: { params: ofUpstream },
      responses: answers("Its answer; an upstream that is down is a 200 that says so", Health),
    }),
    async (c) => c.json(await health(c.var.request, c.req.valid("param").upstream), 200),
  );

  app.openapi(
    route("DELETE /api/v1/workspaces/{workspace}/upstreams/{upstream}", {
      summary: "Remove an upstream with its tools, and publish",
      request: { params: ofUpstream },
      responses: removes("Removed"),
    }),
    async (c) => {
      await removeUpstream(c.var.request, c.req.valid("param").upstream);
      return c.body(null, 204);
    },
  );
}

function reportOf({ login, ...report }: SyncReport): z.infer<typeof Report> {
  return { ...report, login: loginOf(login) };
}

function loginOf(begun: SyncReport["login"]): z.infer<typeof Login> {
  return begun && { url: begun.url, expiresAt: new Date(begun.expiresAt).toISOString() };
}

function credentialOf(credential: z.infer<typeof Credential>): NewCredential {
  if (credential.kind !== "oauth") return credential;
  const { kind, flow, ...wanted } = credential;
  return { kind, flow, ...wishesOf(wanted) };
}

function wishesOf({ client, scope }: z.infer<typeof Wishes>): Omit<OAuthCredential, "kind" | "flow"> {
  return {
    ...(client && { client: { id: client.id, secret: client.secret ?? null, issuer: client.issuer ?? null } }),
    ...(scope !== undefined && { scope }),
  };
}
