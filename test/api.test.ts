import { expect, test } from "vitest";
import { z } from "zod";
import { ACCESS, type Need } from "../src/http/api/access.ts";
import { SCOPES, type Scope } from "../src/model/identity.ts";
import { sharedGateway, type TestWorkspace } from "./harness/gateway.ts";

/* The management API over HTTP: who may use which route, what a wrong input is told, and that the document is true. */

interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

const Problem = z.looseObject({
  type: z.literal("about:blank"),
  title: z.string(),
  detail: z.string(),
  code: z.string(),
  status: z.number(),
  requestId: z.string().min(1),
  errors: z.array(z.looseObject({ field: z.string(), message: z.string() })).optional(),
});
const Minted = z.looseObject({ token: z.string(), info: z.looseObject({ id: z.string() }) });
const Document = z.looseObject({ openapi: z.string(), paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

async function ask(method: string, path: string, token: string | null, body?: unknown, type = "application/json"): Promise<Answer> {
  const { origin } = await sharedGateway();
  const headers = new Headers(token === null ? {} : { authorization: `Bearer ${token}` });
  if (body !== undefined) headers.set("content-type", type);
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(`${origin}${path}`, { method, headers, ...(body !== undefined && { body: text }) });
  const answer = await response.text();
  return { status: response.status, headers: response.headers, body: answer === "" ? null : JSON.parse(answer) };
}

async function mint(workspace: TestWorkspace, token: Record<string, unknown>): Promise<string> {
  const { status, body } = await ask("POST", `/api/v1/workspaces/${workspace.slug}/tokens`, workspace.token, { name: "test", scopes: SCOPES, ...token });
  expect(status).toBe(201);
  return Minted.parse(body).token;
}

function problemOf(answer: Answer): z.infer<typeof Problem> {
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  const problem = Problem.parse(answer.body);
  expect(problem.status).toBe(answer.status);
  expect(answer.headers.get("causeway-request-id")).toBe(problem.requestId);
  return problem;
}

// --- the matrix ------------------------------------------------------------------------------------------------------

interface Route {
  method: string;
  path(workspace: string): string;
  need: Need;
}

const ROUTES: [string, Route][] = Object.entries(ACCESS).map(([key, need]) => {
  const [method = "", pattern = ""] = key.split(" ");
  return [key, { method, need, path: (workspace) => pattern.replace("{workspace}", workspace).replaceAll(/\{\w+\}/g, "nothing") }];
});
const OF_WORKSPACE = ROUTES.filter(([key]) => key.includes("{workspace}"));
const SCOPED = OF_WORKSPACE.filter(([, route]) => route.need !== "any");

/** A body that no route takes: whoever gets past the guard is told that the input is wrong, and nothing changes. */
const REFUSED_BODY = { "not a field": true };

function knock(route: Route, workspace: string, token: string | null): Promise<Answer> {
  return ask(route.method, route.path(workspace), token, ["POST", "PUT", "PATCH"].includes(route.method) ? REFUSED_BODY : undefined);
}

interface Callers {
  mine: TestWorkspace;
  stranger: string;
  readOnly: string;
  bound: string;
  without: ReadonlyMap<Scope, string>;
}

let made: Promise<Callers> | undefined;

/** One workspace with a token of every kind, for all cells of the matrix. */
function callers(): Promise<Callers> {
  made ??= make();
  return made;
}

async function make(): Promise<Callers> {
  const gateway = await sharedGateway();
  const [mine, other] = [await gateway.createWorkspace(), await gateway.createWorkspace()];
  const without = new Map<Scope, string>();
  for (const scope of SCOPES) without.set(scope, await mint(mine, { scopes: SCOPES.filter((one) => one !== scope) }));
  return { mine, stranger: other.token, readOnly: await mint(mine, { readOnly: true }), bound: await mint(mine, { toolset: "few" }), without };
}

test.each(OF_WORKSPACE)("%s without a token: 401 with a challenge", async (_key, route) => {
  const { mine } = await callers();
  const answer = await knock(route, mine.slug, null);
  expect(problemOf(answer)).toMatchObject({ status: 401, code: "unauthenticated" });
  expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer resource_metadata="[^"]+", scope="[^"]+"$/);
});

test.each(OF_WORKSPACE)("%s with a token of another workspace: 401", async (_key, route) => {
  const { mine, stranger } = await callers();
  const answer = await knock(route, mine.slug, stranger);
  expect(problemOf(answer)).toMatchObject({ status: 401, code: "unauthenticated" });
  expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
});

test.each(SCOPED)("%s without its scope: 403 that names it", async (_key, route) => {
  const { mine, without } = await callers();
  const scope = SCOPES.find((one) => one === route.need);
  if (scope === undefined) throw new Error(`${route.need} is no scope`);
  const answer = await knock(route, mine.slug, without.get(scope) ?? null);
  expect(problemOf(answer)).toMatchObject({ status: 403, code: "forbidden", scope });
  expect(answer.headers.get("www-authenticate")).toContain(`error="insufficient_scope"`);
  expect(answer.headers.get("www-authenticate")).toContain(`scope="${scope}"`);
});

test.each(OF_WORKSPACE)("%s with a read-only token: reads, and changes nothing", async (_key, route) => {
  const { mine, readOnly } = await callers();
  const { status } = await knock(route, mine.slug, readOnly);
  if (route.method === "GET") expect([200, 404]).toContain(status);
  else expect(status).toBe(403);
});

test.each(SCOPED)("%s with a token that is bound to a toolset: 403", async (_key, route) => {
  const { mine, bound } = await callers();
  expect((await knock(route, mine.slug, bound)).status).toBe(403);
});

test.each(OF_WORKSPACE)("%s with every right is let through, by slug, by id and as the operator", async (_key, route) => {
  const { mine } = await callers();
  const { operatorToken } = await sharedGateway();
  for (const [named, token] of [[mine.slug, mine.token], [mine.id, mine.token], [mine.slug, operatorToken], [mine.id, operatorToken]] as const) {
    const { status } = await knock(route, named, token);
    expect([200, 204, 400, 404]).toContain(status);
  }
}, 20_000);

test.each(ROUTES.filter(([, route]) => route.need === "operator"))("%s is the operator's alone", async (_key, route) => {
  const { mine } = await callers();
  const { operatorToken } = await sharedGateway();
  for (const token of [null, "nonsense", mine.token]) expect((await knock(route, "", token)).status).toBe(401);
  expect([200, 400]).toContain((await knock(route, "", operatorToken)).status);
});

test("a workspace that does not exist is not found, whoever asks", async () => {
  const { mine } = await callers();
  const { operatorToken } = await sharedGateway();
  for (const token of [null, mine.token, operatorToken]) {
    expect(problemOf(await ask("GET", "/api/v1/workspaces/never-made/tools", token))).toMatchObject({ status: 404, code: "not_found" });
  }
});

// --- the document ----------------------------------------------------------------------------------------------------

test("the OpenAPI document names exactly the routes of the table", async () => {
  const { status, body } = await ask("GET", "/api/v1/openapi.json", null);
  expect(status).toBe(200);
  const document = Document.parse(body);
  const documented = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
  const table = Object.keys(ACCESS).filter((key) => !key.endsWith("openapi.json"));
  expect(document.openapi).toBe("3.1.0");
  expect(documented.sort()).toEqual(table.sort());
});

// --- inputs ----------------------------------------------------------------------------------------------------------

const RULE = { id: "r", effect: "deny" };

test.each<[string, string, unknown, string[]]>([
  ["POST", "tokens", {}, ["name", "scopes"]],
  ["POST", "tokens", { name: "x", scopes: [] }, ["scopes"]],
  ["POST", "tokens", { name: "x", scopes: ["everything"] }, ["scopes.0"]],
  ["POST", "tokens", { name: "x", scopes: ["mcp:call"], colour: "red" }, ["colour"]],
  ["POST", "tokens", { name: "x", scopes: ["mcp:call"], expiresAt: "2020-01-01T00:00:00Z" }, ["expiresAt"]],
  ["PUT", "settings", { anonymous: ["everything"] }, ["anonymous.0"]],
  ["POST", "connections", { kind: "mysql", name: "db", url: "mysql://x" }, ["kind"]],
  ["POST", "connections", { kind: "postgres", name: "My Db", url: "postgres://u:p@db.example.com/x" }, ["name"]],
  ["POST", "upstreams", { slug: "Not A Slug", url: "ftp://x" }, ["slug", "url"]],
  ["POST", "upstreams", { slug: "a", url: "https://x.example", credential: { kind: "magic" } }, ["credential.kind"]],
  ["POST", "upstreams", { slug: "a", url: "https://x.example", credential: { kind: "bearer" } }, ["credential.token"]],
  ["PATCH", "tools/some", {}, ["body"]],
  ["PATCH", "tools/some", { rename: "no spaces" }, ["rename"]],
  ["POST", "toolsets", { slug: "few" }, ["tools"]],
  ["POST", "toolsets", { slug: "few", tools: ["a"], upstream: "b" }, ["tools"]],
  ["POST", "builtins", {}, ["names"]],
  ["POST", "rollback", { number: "one" }, ["number"]],
  ["PUT", "rules", { rules: [{ ...RULE, effect: "maybe" }] }, ["rules.0.effect"]],
  ["PUT", "rules", { rules: [{ ...RULE, when: [{ pointer: "a", op: "exists", value: true }] }] }, ["rules.0.when.0.pointer"]],
  ["PUT", "rules", { rules: [RULE, RULE] }, ["rules"]],
  ["PUT", "agents/demo", { slug: "other" }, ["slug"]],
  ["GET", "runs?limit=none", undefined, ["limit"]],
  ["GET", "tools?limit=100000", undefined, ["limit"]],
  ["POST", "tokens", "{", ["body"]],
])("%s %s of %j names %j", async (method, path, body, fields) => {
  const { mine } = await callers();
  const problem = problemOf(await ask(method, `/api/v1/workspaces/${mine.slug}/${path}`, mine.token, body));
  expect(problem).toMatchObject({ status: 400, code: "invalid" });
  expect(problem.errors?.map((error) => error.field)).toEqual(fields);
});

test("what is no slug is refused when a workspace is made, and one that is taken conflicts", async () => {
  const { mine } = await callers();
  const { operatorToken } = await sharedGateway();
  const refused = problemOf(await ask("POST", "/api/v1/operator/workspaces", operatorToken, { slug: "Not A Slug" }));
  expect(refused.errors?.map((error) => error.field)).toEqual(["slug"]);
  expect(problemOf(await ask("POST", "/api/v1/operator/workspaces", operatorToken, { slug: mine.slug }))).toMatchObject({ status: 409, code: "conflict" });
});

test("a body that is not JSON, or too large, is told so", async () => {
  const { mine } = await callers();
  const path = `/api/v1/workspaces/${mine.slug}/tokens`;
  expect(problemOf(await ask("POST", path, mine.token, "name=x", "text/plain"))).toMatchObject({ status: 415, code: "invalid" });
  expect(problemOf(await ask("POST", path, mine.token, { name: "x".repeat(1024 * 1024) }))).toMatchObject({ status: 413, code: "too_large" });
});

test("YAML that cannot be read is told by line, and a flow by node and field", async () => {
  const { mine } = await callers();
  const path = `/api/v1/workspaces/${mine.slug}/agents/demo`;
  const broken = problemOf(await ask("PUT", path, mine.token, "name: [1\n", "application/yaml"));
  expect(broken.errors).toMatchObject([{ field: "body", message: expect.stringMatching(/line \d/) }]);
  const wrong = problemOf(await ask("PUT", path, mine.token, "name: Demo\nflow:\n  nodes:\n    - id: one\n      type: teleport\n", "application/yaml"));
  expect(wrong).toMatchObject({ status: 400, code: "invalid" });
  expect(wrong.errors?.length).toBeGreaterThan(0);
});

// --- tokens ----------------------------------------------------------------------------------------------------------

test("nobody hands out a right they do not have", async () => {
  const { mine } = await callers();
  const clerk = await mint(mine, { scopes: ["access:admin"] });
  const path = `/api/v1/workspaces/${mine.slug}`;
  const beyond = { name: "more", scopes: ["access:admin", "catalog:write"] };
  expect(problemOf(await ask("POST", `${path}/tokens`, clerk, beyond))).toMatchObject({ status: 403, code: "forbidden" });
  expect(problemOf(await ask("POST", `${path}/tokens`, clerk, { name: "more", scopes: ["access:admin"], role: "owner" }))).toMatchObject({ status: 403 });
  expect(problemOf(await ask("PUT", `${path}/settings`, clerk, { anonymous: ["mcp:read"] }))).toMatchObject({ status: 403 });
  expect((await ask("POST", `${path}/tokens`, clerk, { name: "same", scopes: ["access:admin"] })).status).toBe(201);
});

test("a token is listed without its secret, is who it says, and is gone when it is revoked", async () => {
  const workspace = await (await sharedGateway()).createWorkspace();
  const path = `/api/v1/workspaces/${workspace.slug}`;
  const created = await ask("POST", `${path}/tokens`, workspace.token, { name: "ci", scopes: ["mcp:read"], expiresAt: "2099-01-01T00:00:00Z" });
  const { token: secret, info } = Minted.parse(created.body);

  const listed = await ask("GET", `${path}/tokens`, workspace.token);
  expect(listed.body).toMatchObject({ items: expect.arrayContaining([expect.objectContaining({ id: info.id, name: "ci", expiresAt: "2099-01-01T00:00:00.000Z" })]) });
  expect(JSON.stringify(listed.body)).not.toContain(secret.slice(-40));

  const who = await ask("GET", path, secret);
  expect(who.body).toMatchObject({ workspace: { id: workspace.id, slug: workspace.slug }, principal: { id: info.id, scopes: ["mcp:read"] } });

  expect((await ask("DELETE", `${path}/tokens/${info.id}`, workspace.token)).status).toBe(204);
  await expect.poll(async () => (await ask("GET", path, secret)).status, { timeout: 6_000, interval: 250 }).toBe(401);
}, 10_000);

test("settings are what was put", async () => {
  const workspace = await (await sharedGateway()).createWorkspace();
  const path = `/api/v1/workspaces/${workspace.slug}/settings`;
  expect((await ask("GET", path, workspace.token)).body).toEqual({ anonymous: null });
  expect((await ask("PUT", path, workspace.token, { anonymous: ["mcp:read"] })).status).toBe(200);
  expect((await ask("GET", path, workspace.token)).body).toEqual({ anonymous: ["mcp:read"] });
});

test("a database is added under a name, listed without its password and removed", async () => {
  const workspace = await (await sharedGateway()).createWorkspace();
  const path = `/api/v1/workspaces/${workspace.slug}/connections`;
  const wanted = { kind: "postgres", name: "shop", url: "postgresql://reader:s3cret@db.example.com/shop" };
  const added = await ask("POST", path, workspace.token, wanted);
  expect(added).toMatchObject({ status: 201, body: { name: "shop", kind: "postgres", origin: "postgresql://db.example.com" } });
  expect(problemOf(await ask("POST", path, workspace.token, wanted))).toMatchObject({ status: 409 });
  const listed = await ask("GET", path, workspace.token);
  expect(listed.body).toMatchObject({ items: [{ name: "shop" }] });
  expect(JSON.stringify([added.body, listed.body])).not.toContain("s3cret");
  expect((await ask("DELETE", `${path}/shop`, workspace.token)).status).toBe(204);
  expect((await ask("GET", path, workspace.token)).body).toEqual({ items: [], after: null });
  expect((await ask("DELETE", `${path}/shop`, workspace.token)).status).toBe(404);
});
