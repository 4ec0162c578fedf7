import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CatalogVersion } from "../src/model/catalog.ts";
import { ACTOR, attempt, HOUR, make, rpc, send, startObjects, stopObjects } from "./objects.ts";
import type { Try } from "./objects.ts";

beforeAll(startObjects, 60_000);
afterAll(stopObjects);

describe("who is let in", () => {
  test("a hit is a value, and the object is asked once per credential and five seconds", async () => {
    const { slug, token } = await make();
    const at = Date.now();
    expect(await attempt({ slug, token, at, times: 50 })).toMatchObject({ auth: { ok: true }, alike: true, asked: 1, sync: false });
    expect(await attempt({ slug, token, at: at + 3_999, times: 50 })).toMatchObject({ auth: { ok: true }, asked: 0, sync: true, behind: 0 });
    expect(await attempt({ slug, token, at: at + 4_000, times: 50 })).toMatchObject({ auth: { ok: true }, asked: 1, sync: true, behind: 1 });
    expect(await attempt({ slug, token, at: at + 7_999, times: 50 })).toMatchObject({ auth: { ok: true }, asked: 0, sync: true });
  });

  test("revoked is refused everywhere from the fifth second on, by the other Worker too", async () => {
    const { id, slug, token, info } = await make();
    const at = Date.now();
    for (const worker of ["one", "two"] as const) expect((await attempt({ slug, token, at, worker })).auth.ok).toBe(true);
    await rpc(id, "revokeToken", info.id, ACTOR);
    for (const worker of ["one", "two"] as const) {
      expect(await attempt({ slug, token, at: at + 3_999, worker })).toMatchObject({ auth: { ok: true }, asked: 0 });
      expect(await attempt({ slug, token, at: at + 5_000, worker })).toMatchObject({ auth: { ok: false, status: 401, reason: "revoked" }, asked: 1 });
      expect(await attempt({ slug, token, at: at + 5_001, worker })).toMatchObject({ auth: { ok: false, status: 401, reason: "revoked" }, asked: 0 });
    }
  });

  test("the refresh behind an old verdict brings a revocation forward", async () => {
    const { id, slug, token, info } = await make();
    const at = Date.now();
    await attempt({ slug, token, at });
    await rpc(id, "revokeToken", info.id, ACTOR);
    expect((await attempt({ slug, token, at: at + 4_000 })).auth.ok).toBe(true);
    expect((await attempt({ slug, token, at: at + 4_001 })).auth).toMatchObject({ status: 401, reason: "revoked" });
  });

  test("a token that ends between two questions is refused at its end", async () => {
    const expiresAt = Date.now() + HOUR;
    const { slug, token } = await make({ token: { expiresAt } });
    expect((await attempt({ slug, token, at: expiresAt - 1 })).auth.ok).toBe(true);
    expect(await attempt({ slug, token, at: expiresAt })).toMatchObject({ auth: { status: 401, reason: "expired" }, asked: 0 });
  });

  test("while the Authority is away: five seconds on what is known, then 503, never 401", async () => {
    const { slug, token } = await make();
    const at = Date.now();
    const unavailable = { ok: false, status: 503, reason: "unavailable", retryAfter: 1 };
    expect((await attempt({ slug, token, at, down: true })).auth).toEqual(unavailable);
    expect((await attempt({ slug, token, at })).auth.ok).toBe(true);
    expect((await attempt({ slug, token, at: at + 4_500, down: true })).auth.ok).toBe(true);
    expect((await attempt({ slug, token, at: at + 5_000, down: true })).auth).toEqual(unavailable);
  });

  test("strangers touch no object", async () => {
    const [{ id, slug, token }, other] = [await make(), await make()];
    const session = { id: "s1", workspace: other.id, principal: "tok_x" };
    const typo = token.slice(0, -1) + (token.endsWith("0") ? "1" : "0");
    const strangers: [Try, number, string][] = [
      [{ slug: "no-such-workspace", token }, 404, "unknown_workspace"],
      [{ slug: "../../x", token }, 404, "unknown_workspace"],
      [{ slug: `${slug}\n`, token }, 404, "unknown_workspace"],
      [{ slug }, 401, "no_credential"],
      [{ slug, authorization: "" }, 401, "no_credential"],
      [{ slug, authorization: "Basic dXNlcjpwYXNz" }, 401, "malformed"],
      [{ slug, authorization: "Bearer eyJhbGciOiJub25lIn0.e30." }, 401, "malformed"],
      [{ slug, token: typo }, 401, "malformed"],
      [{ slug, token: other.token }, 401, "malformed"],
      [{ slug, token, session }, 404, "session_ended"],
      [{ slug: id, token }, 404, "unknown_workspace"],
    ];
    for (const [stranger, status, reason] of strangers) {
      expect(await attempt({ ...stranger, down: true })).toMatchObject({ auth: { ok: false, status, reason }, asked: 0 });
    }
  });

  test("an anonymous workspace lets in who shows nothing, not who shows something wrong", async () => {
    const { id, slug, token } = await make();
    await rpc(id, "configure", { anonymous: ["mcp:read"] }, ACTOR);
    await expect.poll(async () => (await attempt({ slug })).auth, { timeout: 10_000 }).toMatchObject({ ok: true, principal: { id: "anonymous" } });
    expect((await attempt({ slug, authorization: "Bearer nonsense" })).auth).toMatchObject({ status: 401 });
    expect((await attempt({ slug, token })).auth).toMatchObject({ ok: true, principal: { kind: "token" } });
  });

  test("a session holds for its own principal only, and until it is ended", async () => {
    const { id, slug, token, info } = await make();
    const session = { id: "s1", workspace: id, principal: info.id };
    const at = Date.now();
    expect((await attempt({ slug, token, session, at })).auth.ok).toBe(true);
    expect((await attempt({ slug, token, session: { ...session, principal: "tok_other" }, at })).auth).toMatchObject({ status: 404, reason: "session_ended" });
    await rpc(id, "endSession", "s1", at + HOUR);
    expect((await attempt({ slug, token, session, at: at + 5_000 })).auth).toMatchObject({ status: 404, reason: "session_ended" });
    expect((await attempt({ slug, token, at: at + 5_000 })).auth.ok).toBe(true);
  });
});

describe("which version is current", () => {
  const versions = (workspace: string, at: number, maxAgeMs: number, times = 1) =>
    send<{ versions: CatalogVersion[]; asked: number }>({ op: "version", workspace, at, maxAgeMs, times });

  test("asked for once a second by however many, and never older than asked for", async () => {
    const { id } = await make();
    const at = Date.now();
    expect(await versions(id, at, 1_000, 50)).toMatchObject({ asked: 1 });
    await rpc(id, "move", 0, "h", ACTOR);
    expect(await versions(id, at + 999, 1_000)).toEqual({ versions: [{ number: 0, hash: null }], asked: 0 });
    expect(await versions(id, at + 1_000, 1_000)).toEqual({ versions: [{ number: 1, hash: "h" }], asked: 1 });
  });

  test("a verdict that is known brings the newest version this isolate has seen", async () => {
    const { id, slug, token } = await make();
    const at = Date.now();
    await attempt({ slug, token, at });
    await rpc(id, "move", 0, "h", ACTOR);
    await versions(id, at + 1_000, 1_000);
    expect(await attempt({ slug, token, at: at + 1_000 })).toMatchObject({ auth: { version: { number: 1, hash: "h" } }, asked: 0 });
  });

  test("an Authority that is away is said to be", async () => {
    const { id } = await make();
    await expect(send({ op: "version", workspace: id, maxAgeMs: 1_000, times: 1, at: Date.now(), down: true })).rejects.toMatchObject({ code: "unavailable" });
  });
});
