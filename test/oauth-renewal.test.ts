import { describe, expect, test } from "vitest";
import { createGrant, finishLogin, logIn } from "../src/connections/oauth/login.ts";
import { type ScopeSources, chooseScope, missingScopes } from "../src/connections/oauth/scopes.ts";
import { openConnection, renewConnection } from "../src/connections/vault.ts";
import { GatewayError, type Challenge } from "../src/model/error.ts";
import { challengeIn } from "../src/targets/mcp/challenge.ts";
import { challengeOf } from "../src/targets/mcp/list.ts";
import { type Authorization, type AuthorizationOptions, startAuthorization, startProtected } from "./upstreams/authorization.ts";
import { type Bench, bench } from "./upstreams/context.ts";
import { start as startModern } from "./upstreams/modern.ts";

/* When a login is renewed, and when it is not, by a clock that the test holds. */

const PLACE = { name: "test", redirectUri: "http://127.0.0.1:9/callback", document: null };
const STALE: Challenge = { status: 401, error: "invalid_token", scope: null, resourceMetadata: null };
const MINUTE = 60_000;

interface Held {
  at: Bench;
  authorization: Authorization;
  clock: { now: number };
  url: string;
  origin: string;
  /** A new login, as a person makes it. */
  logIn(): Promise<void>;
  refreshes(): number;
}

async function held(options: AuthorizationOptions, run: (held: Held) => Promise<void>): Promise<void> {
  const [inner, authorization] = await Promise.all([startModern(), startAuthorization(options)]);
  const upstream = await startProtected(inner, authorization, () => ["read"]);
  const clock = { now: Date.now() };
  const at = bench(upstream.url, { now: () => clock.now });
  const ctx = at.context();
  const { url } = upstream;
  const { origin } = new URL(url);
  const login = async () => {
    const begun = await logIn(ctx, { connection: "con_1", url, challenge: await challengeOf(ctx.platform, url), place: PLACE, note: {} });
    const answer = await fetch(begun?.url ?? "", { redirect: "manual" });
    expect(await finishLogin(ctx, new URL(answer.headers.get("location") ?? "").searchParams)).toMatchObject({ ok: true });
  };
  try {
    await createGrant(ctx, "con_1", origin, "authorization_code", {});
    await login();
    await run({ at, authorization, clock, url, origin, logIn: login, refreshes: () => authorization.asked.get("/token refresh_token") ?? 0 });
  } finally {
    await Promise.all([inner.close(), authorization.close(), upstream.close()]);
  }
}

const open = ({ at, origin }: Held) => openConnection(at.platform, at.workspace.id, "con_1", origin);

async function renewed(held: Held, challenge: Challenge = STALE) {
  const { at } = held;
  const refused = new GatewayError("upstream", "refused", { challenge });
  return renewConnection(at.platform, at.workspace.id, "con_1", await open(held), refused);
}

test("a refused token is renewed, and again after a while, but not at once", () =>
  held({}, async (world) => {
    const first = await open(world);
    const second = await renewed(world);
    expect(second.headers).not.toEqual(first.headers);
    // A session with the upstream belongs to the login, not to its tokens.
    expect(second.version).toBe(first.version);
    await expect(renewed(world)).rejects.toMatchObject({ code: "upstream", data: { reason: "login" } });
    expect(world.refreshes()).toBe(1);
    world.clock.now += MINUTE;
    await renewed(world);
    expect(world.refreshes()).toBe(2);
    await world.logIn();
    expect((await open(world)).version).toBe(first.version + 1);
  }));

test("who comes with an old version gets the current token, and nobody asks for another", () =>
  held({}, async (world) => {
    const old = await open(world);
    const refused = new GatewayError("upstream", "refused", { challenge: STALE });
    const renewals = Array.from({ length: 30 }, () => renewConnection(world.at.platform, world.at.workspace.id, "con_1", old, refused));
    const all = await Promise.all(renewals);
    expect(new Set(all.map(({ headers }) => headers?.authorization)).size).toBe(1);
    expect(world.refreshes()).toBe(1);
    expect(world.authorization.reused()).toBe(0);
  }));

test("a refresh that was overtaken by a login does not undo it", () =>
  held({}, async (world) => {
    const late = renewed(world);
    await world.logIn();
    const login = await open(world);
    expect((await late).headers).toEqual(login.headers);
    expect(await open(world)).toEqual(login);
  }));

test("a token is replaced half a minute before it expires; until then nobody is asked", () =>
  held({ expiresIn: 600 }, async (world) => {
    const first = await open(world);
    world.clock.now += 569_000;
    expect(await open(world)).toEqual(first);
    world.clock.now += 2_000;
    expect((await open(world)).headers).not.toEqual(first.headers);
    expect(world.refreshes()).toBe(1);
  }));

test("while the authorization server is away a token is used to its end, and then the call can be tried later", () =>
  held({ expiresIn: 600 }, async (world) => {
    const first = await open(world);
    await world.authorization.close();
    world.clock.now += 590_000;
    expect(await open(world)).toEqual(first);
    world.clock.now += 11_000;
    await expect(open(world)).rejects.toMatchObject({ code: "unavailable", retryAfter: expect.any(Number) });
  }));

test("a refresh token that is refused is dropped: the next call does not ask again", () =>
  held({}, async (world) => {
    world.authorization.revoke(true);
    await expect(renewed(world)).rejects.toMatchObject({ data: { reason: "login" } });
    await expect(open(world)).rejects.toMatchObject({ data: { reason: "login" } });
    world.clock.now += MINUTE;
    await expect(open(world)).rejects.toMatchObject({ data: { reason: "login" } });
    expect(world.refreshes()).toBe(1);
  }));

test("a 403 is worth a login only where it asks for more than there is", () =>
  held({}, async (world) => {
    const asks = (error: string | null, scope: string | null) => renewed(world, { status: 403, error, scope, resourceMetadata: null });
    await expect(asks("insufficient_scope", "read write")).rejects.toMatchObject({ data: { reason: "login" } });
    await expect(asks("insufficient_scope", "read")).rejects.toMatchObject({ message: "refused" });
    await expect(asks("insufficient_scope", null)).rejects.toMatchObject({ message: "refused" });
    await expect(asks(null, "write")).rejects.toMatchObject({ message: "refused" });
    expect(world.refreshes()).toBe(0);
  }));

describe("scopes", () => {
  const none: ScopeSources = { fixed: null, challenged: null, held: null, offered: null, known: [] };
  test.each<[string, Partial<ScopeSources>, string | null]>([
    ["the challenge's before all that are offered", { challenged: "a", offered: "a b c" }, "a"],
    ["all that are offered without a challenge", { offered: "a b" }, "a b"],
    ["none where nobody names one, offline access neither", { known: ["offline_access"] }, null],
    ["never less than before", { held: "a b", challenged: "c" }, "a b c"],
    ["offline access where the server knows it", { challenged: "a", known: ["a", "offline_access"] }, "a offline_access"],
    ["what was set by hand, alone", { fixed: "x", challenged: "a", held: "b", known: ["offline_access"] }, "x"],
    ["no rubbish", { challenged: 'a "b" \\c d' }, "a d"],
  ])("are %s", (_what, given, chosen) => expect(chooseScope({ ...none, ...given })).toBe(chosen));

  test("that are missing are told apart from those that are there", () => {
    expect(missingScopes("a b c", "b")).toBe("a c");
    expect(missingScopes("a", "a b")).toBeNull();
  });
});

describe("a challenge", () => {
  const read = (header: string, status = 401) => challengeIn(new Response(null, { status, headers: { "www-authenticate": header } }));
  test.each([
    ['Bearer resource_metadata="https://a.example/m", scope="a b"', { scope: "a b", resourceMetadata: "https://a.example/m", error: null }],
    ['Basic realm="x, Bearer scope=no", Bearer error=invalid_token, SCOPE = "a"', { scope: "a", error: "invalid_token" }],
    ['bearer error="with \\"quotes\\" and, commas", Digest scope="not this"', { error: 'with "quotes" and, commas', scope: null }],
    ['DPoP scope="d", Bearer', { scope: null }],
    ["Bearer", { scope: null, error: null, resourceMetadata: null }],
    ["", { scope: null }],
  ])("reads %s", (header, expected) => expect(read(header)).toMatchObject({ status: 401, ...expected }));

  test("is none on any other status", () => expect(read("Bearer", 400)).toBeUndefined());
});
