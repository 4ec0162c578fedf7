import { spawn } from "node:child_process";
import { mkdtempSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { run } from "../src/cli/program.ts";

/* The command line against a recorded gateway: what it asks for, what it prints, how it fails. */

interface Recorded {
  method: string;
  path: string;
  authorization: string | undefined;
  type: string | undefined;
  body: unknown;
}

const requests: Recorded[] = [];
const answers: Record<string, { status?: number; body: unknown }> = {};
let server: Server;
let origin = "";

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const body = await text(request);
    const { method = "", url = "", headers } = request;
    requests.push({ method, path: url, authorization: headers.authorization, type: headers["content-type"], body: parsed(body) });
    const answer = answers[`${method} ${url}`] ?? { status: 404, body: { code: "not_found", detail: "no such route" } };
    response.writeHead(answer.status ?? 200, { "Content-Type": "application/json" }).end(answer.status === 204 ? "" : JSON.stringify(answer.body));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the recorded gateway has no port");
  origin = `http://127.0.0.1:${address.port}`;
});

afterAll(() => server.close());

beforeEach(() => {
  requests.length = 0;
  for (const key of Object.keys(answers)) delete answers[key];
});

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

interface Options {
  env?: Record<string, string>;
  cwd?: string;
  stdin?: string;
}

/** Runs a command line as a workspace's token holder would. */
async function causeway(line: string | string[], options: Options = {}): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await run(typeof line === "string" ? line.split(" ") : line, {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    env: options.env ?? { CAUSEWAY_URL: origin, CAUSEWAY_TOKEN: "secret-token", CAUSEWAY_WORKSPACE: "acme" },
    cwd: options.cwd ?? emptyFolder(),
    stdin: async () => options.stdin ?? "", input: async function* () {}, prompt: null,
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

function emptyFolder(): string {
  return mkdtempSync(join(tmpdir(), "causeway-cli-"));
}

function devFolder(dev: Record<string, unknown>): string {
  const folder = emptyFolder();
  mkdirSync(join(folder, ".causeway"));
  writeFileSync(join(folder, ".causeway", "dev.json"), JSON.stringify(dev));
  return folder;
}

const ACME = "/api/v1/workspaces/acme";
const REPORT = {
  upstream: { slug: "github", url: "https://x.example/mcp" },
  added: ["github_search"],
  changed: [],
  removed: [],
  quarantined: [],
  invalid: [{ name: "bad tool", reason: "no input schema" }],
  published: { version: 3, changed: true, tools: 1, warnings: [] },
};
const TOKEN = { id: "tok_1", name: "ci", scopes: ["mcp:call"], role: null, readOnly: false, toolset: null, expiresAt: null, revokedAt: null };

// --- what is sent ----------------------------------------------------------------------------------------------------

const UPSTREAM_URL = "https://x.example/mcp";
const plain = { slug: "github", url: UPSTREAM_URL, review: false, toolset: false };

test.each<[string, string[], Record<string, unknown>]>([
  ["slug and URL", ["github", UPSTREAM_URL], plain],
  ["URL first", [UPSTREAM_URL, "github"], plain],
  ["the URL alone names it after its host", ["https://api.github.example/mcp"], { ...plain, url: "https://api.github.example/mcp" }],
  ["a bearer token", ["github", UPSTREAM_URL, "--bearer", "s3cret"], { ...plain, credential: { kind: "bearer", token: "s3cret" } }],
  ["a bearer token from the environment", ["github", UPSTREAM_URL, "--bearer-env", "GH"], { ...plain, credential: { kind: "bearer", token: "from-env" } }],
  ["a header with colons in its value", ["github", UPSTREAM_URL, "--header", "X-Key: a:b"], { ...plain, credential: { kind: "header", name: "X-Key", value: "a:b" } }],
  ["review and toolset", ["github", UPSTREAM_URL, "--review", "--toolset"], { ...plain, review: true, toolset: true }],
])("upstream add sends %s", async (_what, args, body) => {
  answers[`POST ${ACME}/upstreams`] = { body: REPORT };
  const env = { CAUSEWAY_URL: origin, CAUSEWAY_TOKEN: "secret-token", CAUSEWAY_WORKSPACE: "acme", GH: "from-env" };
  const { code, out } = await causeway(["upstream", "add", ...args], { env });
  expect(code).toBe(0);
  expect(requests).toEqual([{ method: "POST", path: `${ACME}/upstreams`, authorization: "Bearer secret-token", type: "application/json", body }]);
  expect(out).toContain("+ github_search");
  expect(out).toContain("bad tool: no input schema");
  expect(out).toContain("published version 3");
  expect(out).not.toMatch(/s3cret|from-env/);
});

test.each<[string, string, string, unknown]>([
  ["tools enable a_b", "PATCH", "/tools/a_b", { enabled: true }],
  ["tools disable a_b", "PATCH", "/tools/a_b", { enabled: false }],
  ["tools rename a_b c_d", "PATCH", "/tools/a_b", { rename: "c_d" }],
  ["tools describe a_b better", "PATCH", "/tools/a_b", { description: "better" }],
  ["tools describe a_b --reset", "PATCH", "/tools/a_b", { description: null }],
  ["tools asks a_b never", "PATCH", "/tools/a_b", { asks: "never" }],
  ["tools approve a_b", "POST", "/tools/a_b/approve", ""],
  ["toolset add few --tools a,b", "POST", "/toolsets", { slug: "few", tools: ["a", "b"] }],
  ["toolset remove few", "DELETE", "/toolsets/few", ""],
  ["upstream remove git/hub", "DELETE", "/upstreams/git%2Fhub", ""],
  ["token revoke tok_1", "DELETE", "/tokens/tok_1", ""],
  ["agents show demo", "GET", "/agents/demo", ""],
])("%s", async (line, method, path, body) => {
  answers[`${method} ${ACME}${path}`] = { body: { endpoint: `${origin}/w/acme/mcp/few` } };
  expect(await causeway(line)).toMatchObject({ code: 0, err: "" });
  expect(requests).toMatchObject([{ method, path: ACME + path, body }]);
});

test("agent apply sends the file as it is, to the slug that it names", async () => {
  const folder = emptyFolder();
  const definition = "slug: demo # a comment\nname: Demo\n";
  writeFileSync(join(folder, "demo.yaml"), definition);
  answers[`PUT ${ACME}/agents/demo`] = { body: { agent: { slug: "demo" }, version: { number: 2 }, published: { version: 9 } } };
  const applied = await causeway("agent apply -f demo.yaml", { cwd: folder });
  expect(applied).toMatchObject({ code: 0, err: "" });
  expect(applied.out).toContain("version 9");
  expect(requests).toMatchObject([{ method: "PUT", type: "application/yaml", body: definition }]);
});

test("a list is read to its last page, and --json joins the pages", async () => {
  answers[`GET ${ACME}/tools`] = { body: { items: [{ name: "a", status: "offered", kind: "mcp", upstream: "x" }], after: "p 2" } };
  answers[`GET ${ACME}/tools?after=p%202`] = { body: { items: [{ name: "b", status: "disabled", kind: "agent", upstream: null }], after: null } };
  const { out } = await causeway("tools list --json");
  expect(JSON.parse(out)).toMatchObject({ items: [{ name: "a" }, { name: "b" }] });
  const human = (await causeway("tools list")).out.split("\n");
  expect(human[0]).toMatch(/^NAME +STATE/);
  expect(human[2]).toMatch(/^b +disabled +agent/);
});

test("control characters of an upstream's text do not reach the terminal", async () => {
  answers[`GET ${ACME}/tools`] = { body: { items: [{ name: "a", status: "offered", kind: "mcp", description: "\u001b[2Jgone\nnext" }], after: null } };
  expect((await causeway("tools list")).out).not.toContain("\u001b");
});

test("a new token is printed once, with what it may do", async () => {
  answers[`POST ${ACME}/tokens`] = { body: { token: "cwy_new", info: TOKEN } };
  const { out, code } = await causeway("token create ci --scopes mcp:call --expires 2099-01-31");
  expect(code).toBe(0);
  expect(out).toContain("cwy_new");
  expect(requests[0]?.body).toEqual({ name: "ci", scopes: ["mcp:call"], readOnly: false, expiresAt: "2099-01-31T00:00:00.000Z" });
});

// --- what goes wrong -------------------------------------------------------------------------------------------------

test.each<[string, string]>([
  ["upstream add github", "url: "],
  ["upstream add github ftp://x.example", "url: "],
  ["upstream add github https://x.example --bearer a --header X:b", "--bearer"],
  ["upstream add github https://x.example --bearer-env NOT_SET", "--bearer-env: "],
  ["upstream add github https://x.example --header nonsense", "--header"],
  ["token create ci --scopes ,", "--scopes"],
  ["token create ci --expires soon", "--expires"],
  ["toolset add few", "tools: "],
  ["rollback latest", "version: "],
  ["runs list --limit none", "--limit"],
  ["agent apply -f missing.yaml", "--file: "],
  ["connection add db", "url: "],
  ["tools describe a_b", "description: "],
  ["tools explode", "unknown command"],
  ["tools list --nonsense", "--nonsense"],
])("%s says %s and exits 1 without asking the gateway", async (line, field) => {
  const { code, err, out } = await causeway(line);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/^error: /);
  expect(err).toContain(field);
  expect(requests).toEqual([]);
});

test("YAML that cannot be read is refused with its line", async () => {
  const { code, err } = await causeway("agent apply -f -", { stdin: "slug: a\nflow: [1\n" });
  expect(code).toBe(1);
  expect(err).toMatch(/^error: --file: .*line/);
});

test.each<[string, number, unknown, string]>([
  ["each wrong field", 400, { code: "invalid", errors: [{ field: "slug", message: "too long" }, { field: "url", message: "not https" }] }, "error: slug: too long\nerror: url: not https"],
  ["the node of a flow", 400, { code: "invalid", errors: [{ node: "fetch", field: "url", message: "is missing" }] }, "error: node fetch: url: is missing"],
  ["a refused token", 401, { code: "unauthenticated", detail: "the token has expired" }, "error: token: the token has expired"],
  ["a missing right", 403, { code: "forbidden", detail: "this needs the scope catalog:write" }, "error: this needs the scope catalog:write"],
  ["when to try again", 503, { code: "unavailable", detail: "not now", retryAfter: 2, requestId: "req_1" }, "error: not now (try again in 2 s) (request req_1)"],
  ["a foreign server", 502, "<html>", "error: url: "],
])("an answer that refuses tells %s", async (_what, status, body, message) => {
  answers[`POST ${ACME}/publish`] = { status, body };
  const { code, err } = await causeway("publish");
  expect(code).toBe(1);
  expect(err.startsWith(message)).toBe(true);
});

test("no gateway at the address is one line that names it", async () => {
  const { code, err } = await causeway("publish", { env: { CAUSEWAY_URL: "http://127.0.0.1:9", CAUSEWAY_TOKEN: "t", CAUSEWAY_WORKSPACE: "acme" } });
  expect(code).toBe(1);
  expect(err).toMatch(/^error: url: no gateway answers at http:\/\/127\.0\.0\.1:9 \(.+\)$/);
});

test("upstream health says what is known, and since when", async () => {
  answers[`GET ${ACME}/upstreams/github/health`] = { body: { ok: true, revision: "2026-07-28", latencyMs: 7, known: { revision: "2025-11-25", at: "2026-11-20T10:00:00.000Z" } } };
  expect((await causeway("upstream health github")).out).toMatch(/known +2025-11-25, found .*2026-11-20/);
});

test("a dead upstream makes `upstream health` exit 1", async () => {
  answers[`GET ${ACME}/upstreams/github/health`] = { body: { ok: false, error: "connect timed out" } };
  expect(await causeway("upstream health github")).toMatchObject({ code: 1, err: "error: github: connect timed out" });
});

test("the operator's token is kept away from MCP endpoints", async () => {
  const { code, err } = await causeway("call demo", { env: { CAUSEWAY_URL: origin, CAUSEWAY_OPERATOR_TOKEN: "op", CAUSEWAY_WORKSPACE: "acme" } });
  expect(code).toBe(1);
  expect(err).toMatch(/^error: token: /);
  expect(requests).toEqual([]);
});

// --- where it points -------------------------------------------------------------------------------------------------

const ID = "ws_01k9aaaaaaaaaaaaaaaaaaaaaa";

function dev(): Record<string, unknown> {
  return { endpoint: `${origin}/w/demo/mcp`, api: `${origin}/api/v1`, token: "demo-token", operator: "op-token", workspaces: { demo: { token: "demo-token" }, other: { token: "other-token" } } };
}

test.each<[string, { args?: string; env?: () => Record<string, string>; dev?: boolean }, string, string]>([
  ["dev.json", { dev: true }, "demo", "demo-token"],
  ["dev.json, another workspace", { dev: true, args: "--workspace other" }, "other", "other-token"],
  ["dev.json, a workspace made since: as the operator", { dev: true, args: "--workspace fresh" }, "fresh", "op-token"],
  ["the environment over dev.json", { dev: true, env: () => ({ CAUSEWAY_TOKEN: "env-token", CAUSEWAY_WORKSPACE: "acme" }) }, "acme", "env-token"],
  ["flags over the environment", { env: () => ({ CAUSEWAY_URL: origin, CAUSEWAY_TOKEN: "env-token", CAUSEWAY_WORKSPACE: "acme" }), args: "--workspace flag --token flag-token" }, "flag", "flag-token"],
  ["a pasted endpoint", { env: () => ({ CAUSEWAY_URL: `${origin}/w/pasted/mcp/few`, CAUSEWAY_TOKEN: "t" }) }, "pasted", "t"],
  ["the workspace inside the token", { env: () => ({ CAUSEWAY_URL: origin, CAUSEWAY_TOKEN: `cwy_${ID}_tok_x_y` }) }, ID, `cwy_${ID}_tok_x_y`],
])("the workspace and token come from %s", async (_where, how, workspace, token) => {
  answers[`GET /api/v1/workspaces/${workspace}/toolsets`] = { body: { items: [], after: null } };
  const cwd = how.dev ? devFolder(dev()) : emptyFolder();
  const result = await causeway(`toolset list ${how.args ?? ""}`.trim(), { cwd, env: how.env?.() ?? {} });
  expect(result).toEqual({ code: 0, out: "no toolsets", err: "" });
  expect(requests[0]?.authorization).toBe(`Bearer ${token}`);
});

test("CAUSEWAY_DATA says where dev.json is", async () => {
  answers["GET /api/v1/workspaces/demo/toolsets"] = { body: { items: [], after: null } };
  const folder = devFolder(dev());
  expect(await causeway("toolset list", { env: { CAUSEWAY_DATA: join(folder, ".causeway") } })).toMatchObject({ code: 0 });
});

test("the tokens of dev.json never go to another gateway", async () => {
  const cwd = devFolder({ ...dev(), endpoint: "http://127.0.0.1:9/w/demo/mcp" });
  for (const line of [`tools list --url ${origin} --workspace demo`, `workspace list --url ${origin}`]) {
    const { code, err } = await causeway(line, { cwd, env: {} });
    expect(code).toBe(1);
    expect(err).toMatch(/^error: token: /);
  }
  expect(requests).toEqual([]);
});

test("workspace create asks as the operator", async () => {
  answers["POST /api/v1/operator/workspaces"] = { status: 201, body: { workspace: { id: ID, slug: "acme", name: "Acme" }, token: "cwy_first", endpoint: `${origin}/w/acme/mcp` } };
  const { code, out } = await causeway(["workspace", "create", "acme", "--name", "Acme", "--anonymous", "mcp:read"], { cwd: devFolder(dev()), env: {} });
  expect(code).toBe(0);
  expect(out).toContain("cwy_first");
  expect(requests).toMatchObject([{ authorization: "Bearer op-token", body: { slug: "acme", name: "Acme", anonymous: ["mcp:read"] } }]);
});

test("without anything that points somewhere the error says how to point", async () => {
  expect((await causeway("publish", { env: {} })).err).toMatch(/^error: url: .*CAUSEWAY_URL/);
  expect((await causeway("publish", { env: { CAUSEWAY_URL: origin, CAUSEWAY_TOKEN: "t" } })).err).toMatch(/^error: workspace: /);
  expect((await causeway("publish", { env: { CAUSEWAY_URL: origin, CAUSEWAY_WORKSPACE: "acme" } })).err).toMatch(/^error: token: /);
  expect((await causeway("publish --url nonsense")).err).toMatch(/^error: url: --url/);
});

// --- help and the program itself -------------------------------------------------------------------------------------

test("every command has help that lists --json", async () => {
  const groups = commandsOf((await causeway("--help")).out);
  expect(groups.length).toBeGreaterThan(10);
  for (const group of groups) {
    const help = (await causeway([group, "--help"])).out;
    const lines = help.includes("\nCommands:") ? commandsOf(help).map((name) => [group, name]) : [[group]];
    for (const line of lines) {
      const { code, out } = await causeway([...line, "--help"]);
      expect({ line, code, json: out.includes("--json") }).toEqual({ line, code: 0, json: true });
    }
  }
});

function commandsOf(help: string): string[] {
  const listed = help.slice(help.indexOf("\nCommands:")).matchAll(/^ {2}([a-z]+)/gm);
  return [...listed].map((match) => match[1] ?? "").filter((name) => name !== "help");
}

test("the installed command runs with the machine's own Node and hands its exit code on", async () => {
  const child = spawn("node", [resolve("bin/causeway.mjs"), "rollback", "latest"], { cwd: emptyFolder(), env: { ...process.env, CAUSEWAY_URL: origin } });
  const [err, code] = await Promise.all([text(child.stderr), new Promise((done) => child.on("exit", done))]);
  expect(err).toBe("error: version: not a version number: latest\n");
  expect(code).toBe(1);
});
