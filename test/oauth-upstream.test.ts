import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../src/cli/program.ts";
import { clientMetadata } from "../src/http/oauth.ts";
import { type Answer, callTool, modern, resultOf, toolNames } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Ledger } from "./ledger.ts";
import { until } from "./until.ts";
import { type Authorization, type AuthorizationOptions, type Protected, startAuthorization, startProtected } from "./upstreams/authorization.ts";
import { bench } from "./upstreams/context.ts";
import { start as startLegacy } from "./upstreams/legacy.ts";
import { start as startModern } from "./upstreams/modern.ts";
import type { Running } from "./upstreams/serve.ts";

/* Upstreams that want an OAuth login: real servers behind a real authorization server, two Workers over the same objects in front. */

let gateway: Gateway;
let inner: { modern: Running; legacy: Running };

beforeAll(async () => {
  const [newer, older] = await Promise.all([startModern(), startLegacy()]);
  inner = { modern: newer, legacy: older };
  gateway = await startGateway({ second: {} });
});

afterAll(async () => {
  await gateway?.stop();
  await Promise.all([inner?.modern.close(), inner?.legacy.close()]);
});

type Era = "modern" | "legacy";

interface World {
  workspace: TestWorkspace;
  ledger: Ledger;
  authorization: Authorization;
  upstream: Protected;
  close(): Promise<void>;
}

interface WorldOptions extends AuthorizationOptions {
  era?: Era;
  needs?: (body: string) => string[];
}

/** A workspace and an upstream with an authorization server of its own. */
async function newWorld({ era = "modern", needs, ...options }: WorldOptions = {}): Promise<World> {
  const [workspace, authorization] = await Promise.all([gateway.createWorkspace(), startAuthorization(options)]);
  const upstream = await startProtected(inner[era], authorization, needs);
  const close = async () => void (await Promise.all([authorization.close(), upstream.close()]));
  return { workspace, ledger: new Ledger(gateway, workspace), authorization, upstream, close };
}

/** Runs in a world of its own, which then goes away. */
async function inWorld(options: WorldOptions, run: (world: World) => Promise<void>): Promise<void> {
  const world = await newWorld(options);
  try {
    await run(world);
  } finally {
    await world.close();
  }
}

function member(value: unknown, ...path: string[]): unknown {
  return path.reduce((at, name) => Object(at)[name], value);
}

async function add({ workspace, upstream }: World, oauth: object = {}): Promise<string> {
  const report = await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url, toolset: true, credential: { kind: "oauth", ...oauth } });
  return String(member(report, "login", "url"));
}

async function loginAgain({ workspace }: World, wishes: object = {}): Promise<string> {
  return String(member(await workspace.api("POST", "/upstreams/up/login", wishes), "login", "url"));
}

/** What the authorization server sends the browser back with. */
async function approved(url: string): Promise<string> {
  const answer = await fetch(url, { redirect: "manual" });
  const location = answer.headers.get("location");
  if (location === null) throw new Error(`no redirect: ${answer.status} ${await answer.text()}`);
  return location;
}

/** Opens the page that the browser is sent to. */
async function page(url: string): Promise<{ status: number; headers: Headers; text: string }> {
  const answer = await fetch(url);
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

async function loggedIn(world: World, oauth: object = {}): Promise<void> {
  const { status, text } = await page(await approved(await add(world, oauth)));
  expect({ status, text }).toMatchObject({ status: 200 });
}

/** The one-to-one endpoint of the upstream, on either Worker. */
function at({ workspace }: World, origin = gateway.origin) {
  return { endpoint: `${origin}/w/${workspace.slug}/mcp/up`, token: workspace.token };
}

function call(world: World, name = "test_simple_text", origin = gateway.origin): Promise<Answer> {
  return callTool(at(world, origin), name);
}

/** What a call says that failed for want of a login, or whatever else it says. */
function reasonOf(answer: Answer): string {
  const text = JSON.stringify(resultOf(answer).content ?? answer.message);
  return resultOf(answer).isError === true ? text : `no error: ${text}`;
}

const LOGIN = "has to log in to this upstream";

describe.each<[Era]>([["modern"], ["legacy"]])("a %s upstream", (era) => {
  test("is listed and called after somebody has logged in", () =>
    inWorld({ era, scopes: ["offline_access"] }, async (world) => {
      const url = await add(world);
      const query = new URL(url).searchParams;
      expect(query.get("resource")).toBe(world.upstream.url);
      expect(query.get("redirect_uri")).toBe(`${gateway.origin}/w/${world.workspace.slug}/oauth/callback`);
      expect(query.has("scope")).toBe(false);
      expect(await member(await world.workspace.api("GET", "/upstreams"), "items", "0")).toMatchObject({ slug: "up", tools: 0, revision: null });
      const { status, headers, text } = await page(await approved(url));
      expect({ status, text }).toMatchObject({ status: 200, text: expect.stringContaining(`The workspace ${world.workspace.slug} is logged in to up.`) });
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
      expect(await toolNames(at(world))).toContain("test_simple_text");
      for (const origin of [gateway.origin, gateway.secondOrigin]) expect(resultOf(await call(world, "test_simple_text", origin)).isError).not.toBe(true);
    }));

  test("whose token is not good any more gets a new one, once for everybody, and no caller hears of it", () =>
    inWorld({ era }, async (world) => {
      await loggedIn(world);
      await Promise.all([call(world), call(world, "test_simple_text", gateway.secondOrigin)]);
      world.authorization.revoke();
      const calls = Array.from({ length: 20 }, (_, n) => call(world, "test_simple_text", n % 2 === 0 ? gateway.origin : gateway.secondOrigin));
      for (const answer of await Promise.all(calls)) {
        expect(answer.status).toBe(200);
        expect(reasonOf(answer)).toMatch(/^no error/);
      }
      expect(world.authorization.asked.get("/token refresh_token")).toBe(1);
      expect(world.authorization.reused()).toBe(0);
    }));

  test("whose login is over says so, never its own 401, until somebody logs in again", () =>
    inWorld({ era }, async (world) => {
      await loggedIn(world);
      world.authorization.revoke(true);
      const answer = await call(world);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("www-authenticate")).toBeNull();
      expect(reasonOf(answer)).toContain(LOGIN);
      const { status } = await page(await approved(await loginAgain(world)));
      expect(status).toBe(200);
      for (const origin of [gateway.origin, gateway.secondOrigin]) await until(async () => reasonOf(await call(world, "test_simple_text", origin)).startsWith("no error"));
      expect(world.authorization.asked.get("/register")).toBe(1);
    }));

  test("that wants more for one tool is asked for all of it at the next login", () =>
    inWorld({ era, needs: (body) => (body.includes("tools/call") ? ["call"] : ["read"]) }, async (world) => {
      const first = await add(world);
      expect(new URL(first).searchParams.get("scope")).toBe("read");
      expect((await page(await approved(first))).status).toBe(200);
      const answer = await call(world);
      expect(answer.status).toBe(200);
      expect(reasonOf(answer)).toContain(LOGIN);
      const second = await loginAgain(world);
      expect(new URL(second).searchParams.get("scope")).toBe("read call");
      expect((await page(await approved(second))).status).toBe(200);
      await until(async () => reasonOf(await call(world)).startsWith("no error"));
    }));
});

test("a call that may be asked in the middle gets a new token as well", () =>
  inWorld({ era: "legacy" }, async (world) => {
    await loggedIn(world);
    world.authorization.revoke();
    const _meta = { "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } } };
    const answer = await modern(at(world), "tools/call", { name: "test_simple_text", arguments: {}, _meta });
    expect(reasonOf(answer)).toMatch(/^no error/);
    expect(world.authorization.asked.get("/token refresh_token")).toBe(1);
  }));

test("a token that is about to expire is replaced before the upstream sees it", () =>
  inWorld({ expiresIn: 20 }, async (world) => {
    await loggedIn(world);
    const refused = world.upstream.refusals();
    expect(reasonOf(await call(world))).toMatch(/^no error/);
    expect(world.upstream.refusals()).toBe(refused);
    expect(world.authorization.asked.get("/token refresh_token")).toBeGreaterThan(0);
  }));

test("an upstream that refuses whatever it gets is not asked for a login that would not help", () => {
  let wanted = ["read"];
  return inWorld({ needs: () => wanted }, async (world) => {
    await loggedIn(world);
    wanted = ["read", "never"];
    expect(reasonOf(await call(world))).toContain(LOGIN);
    const second = await loginAgain(world);
    expect(new URL(second).searchParams.get("scope")?.split(" ").sort()).toEqual(["never", "read"]);
    await page(await approved(second));
    // The server granted both, and still it is not enough: the upstream says so of another scope list each time.
    wanted = ["read", "never", "read"];
    expect(reasonOf(await call(world))).not.toContain(LOGIN);
  });
});

test("with client credentials the gateway logs in by itself, and steps up by itself", () => {
  const client = { id: "by-hand", secret: "a secret with %/+ signs" };
  const needs = (body: string) => (body.includes("tools/call") ? ["call"] : ["read"]);
  return inWorld({ client, registers: false, needs }, async (world) => {
    const report = await world.workspace.api("POST", "/upstreams", { slug: "up", url: world.upstream.url, toolset: true, credential: { kind: "oauth", flow: "client_credentials", client } });
    expect(member(report, "login")).toBeNull();
    expect(reasonOf(await call(world))).toMatch(/^no error/);
    expect(world.authorization.asked.get("/token client_credentials")).toBe(2);
    expect(world.authorization.asked.has("/authorize")).toBe(false);
  });
});

test.each(["client_secret_basic", "client_secret_post", "none"])("a client of the method %s can log in", (method) => inWorld({ methods: [method] }, async (world) => loggedIn(world)));

test("where nobody is registered by itself, a client registered by hand is used, at its issuer only", () =>
  inWorld({ registers: false, client: { id: "by-hand", secret: "its-secret" } }, async (world) => {
    await expect(add(world)).rejects.toThrow(/409.*register a client there and give its id/);
    expect(await world.workspace.api("GET", "/upstreams")).toMatchObject({ items: [] });
    const given = { id: "by-hand", secret: "its-secret" };
    await expect(add(world, { client: { ...given, issuer: "https://login.elsewhere.example" } })).rejects.toThrow(/409.*was given for https:\/\/login.elsewhere.example/);
    await loggedIn(world, { client: given });
  }));

test("an upstream whose metadata is that of another, or whose server is that of another issuer, is not added", () =>
  inWorld({}, async (world) => {
    const { upstream, authorization } = world;
    const own = new URL(upstream.url).origin;
    for (const resource of ["https://evil.example/mcp", `${own}/mc`, `${own}/mcp/deeper`, `${own}/mcp#here`]) {
      upstream.names(resource, authorization.issuer);
      await expect(add(world)).rejects.toThrow(/502.*metadata is that of another resource/);
    }
    upstream.names(upstream.url, `${authorization.issuer}/`);
    await expect(add(world)).rejects.toThrow(/502.*metadata of its authorization server is that of another issuer/);
    expect(authorization.asked.has("/register")).toBe(false);
    expect(await world.workspace.api("GET", "/upstreams")).toMatchObject({ items: [] });
    upstream.names(upstream.url, authorization.issuer);
    await loggedIn(world);
  }));

describe("the callback", () => {
  /** Nothing came of it: no token was asked for, and calls still wait for a login. */
  async function nothingHappened(world: World): Promise<void> {
    expect(world.authorization.asked.has("/token authorization_code")).toBe(false);
    expect(await world.workspace.api("GET", "/upstreams/up/health")).toMatchObject({ ok: false, error: expect.stringContaining(LOGIN) });
  }

  test.each([
    ["another issuer", "https://evil.example"],
    ["its issuer with a slash", "/"],
    ["an empty issuer", ""],
    ["no issuer where the server promised one", null],
  ])("that brings %s changes nothing", (_what, issuer) =>
    inWorld({}, async (world) => {
      world.authorization.name(issuer === "/" ? `${world.authorization.issuer}/` : issuer);
      const { status, text } = await page(await approved(await add(world)));
      expect(status).toBe(400);
      expect(text).toContain("not that of the authorization server");
      await nothingHappened(world);
    }));

  test("that brings an issuer nobody promised is compared all the same", () =>
    inWorld({ namesItself: false }, async (world) => {
      world.authorization.name("https://evil.example");
      expect((await page(await approved(await add(world)))).status).toBe(400);
      await nothingHappened(world);
      world.authorization.name(null);
      expect((await page(await approved(await loginAgain(world)))).status).toBe(200);
    }));

  test("with a state that was changed, made up or left out changes nothing", () =>
    inWorld({}, async (world) => {
      const back = new URL(await approved(await add(world)));
      const state = back.searchParams.get("state") ?? "";
      for (const wrong of [state.slice(0, -1) + (state.endsWith("A") ? "B" : "A"), "x", ""]) {
        const url = new URL(back);
        url.searchParams.set("state", wrong);
        expect((await page(url.href)).status).toBe(400);
      }
      const twice = new URL(back);
      twice.searchParams.append("state", state);
      expect((await page(twice.href)).status).toBe(400);
      await nothingHappened(world);
      // None of them used it up.
      expect((await page(back.href)).status).toBe(200);
    }));

  test("works once, and for the newest login only", () =>
    inWorld({}, async (world) => {
      const [first, second] = [await approved(await add(world)), await approved(await loginAgain(world))];
      expect((await page(first)).status).toBe(400);
      await nothingHappened(world);
      expect((await page(second)).status).toBe(200);
      const replayed = await page(second);
      expect({ status: replayed.status, text: replayed.text }).toMatchObject({ status: 400, text: expect.stringContaining("over or was never begun") });
      expect(world.authorization.asked.get("/token authorization_code")).toBe(1);
    }));

  test("of another workspace does not take the state of this one", () =>
    inWorld({}, async (world) => {
      const other = await newWorld();
      try {
        const back = new URL(await approved(await add(world)));
        await add(other);
        const moved = new URL(back);
        moved.pathname = `/w/${other.workspace.slug}/oauth/callback`;
        expect((await page(moved.href)).status).toBe(400);
        await nothingHappened(world);
        await nothingHappened(other);
        expect((await page(back.href)).status).toBe(200);
      } finally {
        await other.close();
      }
    }));

  test("does nothing for a login that was begun with a token that is revoked by now", () =>
    inWorld({}, async (world) => {
      await add(world);
      const minted = await world.workspace.api("POST", "/tokens", { name: "temp", scopes: ["catalog:write"] });
      const response = await fetch(`${gateway.origin}/api/v1/workspaces/${world.workspace.id}/upstreams/up/login`, {
        method: "POST",
        headers: { authorization: `Bearer ${String(member(minted, "token"))}`, "content-type": "application/json" },
        body: "{}",
      });
      const back = await approved(String(member(await response.json(), "login", "url")));
      await world.workspace.api("DELETE", `/tokens/${String(member(minted, "info", "id"))}`);
      expect((await page(back)).status).toBe(400);
      await nothingHappened(world);
    }));

  test("shows what a server refuses with, and nothing that a page could run", () =>
    inWorld({}, async (world) => {
      const back = new URL(await approved(await add(world)));
      back.searchParams.delete("code");
      back.searchParams.set("error", "<script>alert(1)</script>");
      const { status, text } = await page(back.href);
      expect(status).toBe(400);
      expect(text).not.toContain("<script>");
    }));
});

test("the command line prints where to log in, and says what is missing", () =>
  inWorld({ client: { id: "by-hand", secret: "its secret" } }, async (world) => {
    const env = { CAUSEWAY_URL: gateway.origin, CAUSEWAY_WORKSPACE: world.workspace.slug, CAUSEWAY_TOKEN: world.workspace.token, SECRET: "its secret" };
    const causeway = async (...args: string[]) => {
      const lines: string[] = [];
      const say = (line: string) => void lines.push(line);
      const code = await run(["upstream", ...args], { out: say, err: say, env, cwd: tmpdir(), stdin: async () => "", input: async function* () {}, prompt: null });
      return { code, text: lines.join("\n") };
    };
    const added = await causeway("add", "up", world.upstream.url, "--oauth", "--toolset");
    const printed = /^ {2}(http\S+)$/m.exec(added.text)?.[1] ?? "";
    expect(added.code).toBe(0);
    expect((await page(await approved(printed))).status).toBe(200);
    expect(reasonOf(await call(world))).toMatch(/^no error/);
    const other = await causeway("login", "up", "--client-id", "by-hand", "--client-secret-env", "SECRET", "--scope", "a b");
    const query = new URL(/^ {2}(http\S+)$/m.exec(other.text)?.[1] ?? "").searchParams;
    expect([query.get("client_id"), query.get("scope")]).toEqual(["by-hand", "a b"]);
    expect(await causeway("login", "up", "--client-secret-env", "SECRET")).toMatchObject({ code: 1, text: expect.stringContaining("client-id: ") });
    expect(await causeway("add", "two", world.upstream.url, "--client-id", "x")).toMatchObject({ code: 1, text: expect.stringContaining("--oauth") });
    expect(await causeway("add", "two", world.upstream.url, "--client-credentials", "--client-id", "by-hand", "--client-secret-env", "SECRET")).toMatchObject({ code: 0 });
  }));

test("a scope for reading does not begin a login", () =>
  inWorld({}, async (world) => {
    await add(world);
    const minted = await world.workspace.api("POST", "/tokens", { name: "reader", scopes: ["catalog:read", "mcp:read"] });
    const response = await fetch(`${gateway.origin}/api/v1/workspaces/${world.workspace.id}/upstreams/up/login`, { method: "POST", headers: { authorization: `Bearer ${String(member(minted, "token"))}`, "content-type": "application/json" }, body: "{}" });
    expect(response.status).toBe(403);
  }));

test("an upstream that is removed takes its login along", () =>
  inWorld({}, async (world) => {
    const back = await approved(await add(world));
    await world.workspace.api("DELETE", "/upstreams/up");
    expect((await page(back)).status).toBe(400);
    expect(world.authorization.asked.has("/token authorization_code")).toBe(false);
  }));

test("no secret of a login is in a log, an answer, a page or the audit, and none of ours goes to the authorization server", () =>
  inWorld({ scopes: ["offline_access"] }, async (world) => {
    const seen: string[] = [];
    const url = await add(world);
    const done = await page(await approved(url));
    seen.push(done.text, (await call(world)).text);
    world.authorization.revoke();
    seen.push((await call(world)).text);
    world.authorization.revoke(true);
    seen.push((await call(world)).text);
    seen.push(JSON.stringify(await world.workspace.api("GET", "/upstreams")), JSON.stringify(await world.workspace.api("GET", "/upstreams/up/health")));
    const failed = await page(await approved(await loginAgain(world)));
    seen.push(failed.text);
    await world.ledger.drained();
    seen.push(JSON.stringify(await world.ledger.records()), ...gateway.logs);
    expect(JSON.stringify(await world.ledger.records())).toContain("connection.renew");
    expect(world.authorization.secrets.length).toBeGreaterThan(5);
    for (const secret of world.authorization.secrets) expect(seen.filter((text) => text.includes(secret))).toEqual([]);
    for (const headers of world.authorization.heard) {
      expect(headers.get("authorization") ?? "").not.toContain("Bearer");
      expect(JSON.stringify([...headers])).not.toContain(world.workspace.token);
    }
  }));

test("the client metadata document is served where it can be an identity", async () => {
  const { platform } = bench("https://up.example/mcp");
  const read = (url: string, slug: string) => clientMetadata(new Request(url), platform, slug);
  const url = "https://gateway.example/w/acme/oauth/client.json";
  const document: unknown = await read(url, "acme").json();
  expect(document).toMatchObject({ client_id: url, client_name: "Causeway (acme)", redirect_uris: ["https://gateway.example/w/acme/oauth/callback"], token_endpoint_auth_method: "none" });
  expect(read("http://gateway.example/w/acme/oauth/client.json", "acme").status).toBe(404);
  expect(read(url, "<b>").status).toBe(404);
});
