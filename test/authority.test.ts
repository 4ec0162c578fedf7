import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeToken } from "../src/access/credential.ts";
import { newId } from "../src/lib/ids.ts";
import type { ChangeRecord } from "../src/model/audit.ts";
import type { Announced } from "./workers/authority.ts";
import { ACTOR, attempt, HOUR, make, restartObjects, rpc, send, startObjects, stopObjects } from "./objects.ts";

const hub = <T>(workspace: string, method: string, ...args: unknown[]) => send<T>({ op: "hub", workspace, method, args });
const announced = (workspace: string) => hub<Announced[]>(workspace, "announced");

beforeAll(startObjects, 60_000);
afterAll(stopObjects);

describe("the object", () => {
  test("a token verifies as what it was made for", async () => {
    const { id, slug, token, info } = await make({ token: { readOnly: true, toolset: "sales", role: "viewer", scopes: ["mcp:read"] } });
    expect(await rpc(id, "verify", token, null)).toEqual({
      ok: true,
      principal: { kind: "token", id: info.id, name: "ci", workspace: id, role: "viewer", scopes: ["mcp:read"], readOnly: true, toolset: "sales", expiresAt: null },
      version: { number: 0, hash: null },
    });
    const { auth } = await attempt({ slug, token });
    expect(auth).toMatchObject({ ok: true, workspace: { id, slug }, principal: { readOnly: true }, version: { number: 0 } });
  });

  test("only the right secret verifies, and nothing but its hash is kept", async () => {
    const { id, token, info } = await make();
    for (const wrong of [writeToken(id, info.id), writeToken(id, newId("tok")), ""]) expect(await rpc(id, "verify", wrong, null)).toEqual({ ok: false, reason: "invalid" });
    expect(await rpc(id, "verify", token, null)).toMatchObject({ ok: true });
    expect(JSON.stringify(await rpc(id, "listTokens"))).not.toContain(token.slice(-59));
  });

  test("a token of another workspace does not verify here", async () => {
    const [here, there] = [await make(), await make()];
    for (const token of [there.token, writeToken(there.id, here.info.id)]) expect(await rpc(here.id, "verify", token, null)).toEqual({ ok: false, reason: "invalid" });
  });

  test("an expired and a revoked token are refused, by name", async () => {
    const expired = await make({ token: { expiresAt: Date.now() - 1 } });
    expect(await rpc(expired.id, "verify", expired.token, null)).toEqual({ ok: false, reason: "expired" });
    const { id, token, info } = await make();
    expect(await rpc(id, "revokeToken", "tok_unknown", ACTOR)).toBe(false);
    expect(await rpc(id, "revokeToken", info.id, ACTOR)).toBe(true);
    expect(await rpc(id, "verify", token, null)).toEqual({ ok: false, reason: "revoked" });
    expect(await rpc(id, "listTokens")).toMatchObject([{ id: info.id, revokedAt: expect.any(Number) }]);
    await expect.poll(() => hub(id, "closed")).toEqual([info.id]);
  });

  test("use is noted", async () => {
    const { id, token } = await make();
    expect((await rpc(id, "listTokens"))[0]?.lastUsedAt).toBeNull();
    await rpc(id, "verify", token, null);
    expect((await rpc(id, "listTokens"))[0]?.lastUsedAt).toBeGreaterThan(0);
  });

  test("an ended session is refused, others are not", async () => {
    const { id, token } = await make();
    await rpc(id, "endSession", "s1", Date.now() + HOUR);
    expect(await rpc(id, "verify", token, "s1")).toEqual({ ok: false, reason: "session_ended" });
    expect(await rpc(id, "verify", token, "s2")).toMatchObject({ ok: true });
  });

  test("an anonymous caller has the scopes that the settings say, or none", async () => {
    const { id } = await make();
    expect(await rpc(id, "verify", null, null)).toEqual({ ok: false, reason: "invalid" });
    await rpc(id, "configure", { anonymous: ["mcp:read"] }, ACTOR);
    expect(await rpc(id, "settings")).toEqual({ anonymous: ["mcp:read"] });
    expect(await rpc(id, "verify", null, null)).toMatchObject({ ok: true, principal: { kind: "anonymous", id: "anonymous", scopes: ["mcp:read"] } });
  });

  test("the version moves only from the current one, whatever happens at once", async () => {
    const { id } = await make();
    const moves = await Promise.all(Array.from({ length: 20 }, (_, n) => rpc(id, "move", 0, `hash-${n}`, ACTOR)));
    const winners = moves.filter(({ moved }) => moved);
    expect(winners).toHaveLength(1);
    expect(new Set(moves.map(({ version }) => JSON.stringify(version)))).toEqual(new Set([JSON.stringify(winners[0]?.version)]));
    expect(await rpc(id, "version")).toEqual({ number: 1, hash: winners[0]?.version.hash });
    expect(await rpc(id, "move", 1, "next", ACTOR)).toEqual({ moved: true, version: { number: 2, hash: "next" } });
  });

  test("a second setup changes nothing, and an object takes no other workspace", async () => {
    const { id, slug, token } = await make();
    await rpc(id, "move", 0, "h", ACTOR);
    await rpc(id, "setup", { id, slug }, ACTOR);
    expect(await rpc(id, "verify", token, null)).toMatchObject({ ok: true, version: { number: 1 } });
    await expect(rpc(newId("ws"), "setup", { id, slug }, ACTOR)).rejects.toThrow();
  });

  test("an object without a workspace lets nobody in and takes no change", async () => {
    const { token } = await make();
    const nowhere = newId("ws");
    expect(await rpc(nowhere, "verify", token, null)).toEqual({ ok: false, reason: "invalid" });
    await expect(rpc(nowhere, "move", 0, "h", ACTOR)).rejects.toThrow();
    await expect(rpc(nowhere, "putConnection", { id: "con_1", kind: "bearer", origin: "https://x", sealed: "s" }, ACTOR)).rejects.toThrow();
    expect(await rpc(nowhere, "connection", "con_1")).toBeNull();
  });
});

const records = (id: string) => send<ChangeRecord[]>({ op: "records", workspace: id });
const pointer = async (id: string): Promise<unknown> => JSON.parse(await send({ op: "kv", key: `ws:${id}` }));

const SOON = { timeout: 5_000 };

describe("what is told to others", () => {
  test("the KV pointer is there when the workspace is", async () => {
    const { id, slug } = await make({ asleep: true });
    expect(await pointer(id)).toEqual({ slug, version: 0, hash: null, anonymous: false });
  });

  test("the KV pointer follows", async () => {
    const { id, slug } = await make();
    await rpc(id, "configure", { anonymous: ["mcp:read"] }, ACTOR);
    for (let from = 0; from < 5; from++) await rpc(id, "move", from, `h${from}`, ACTOR);
    await expect.poll(() => pointer(id), { timeout: 5_000 }).toEqual({ slug, version: 5, hash: "h4", anonymous: true });
  });

  test("what KV and the queue would not take at first is told later, once", async () => {
    const { id, slug } = await make({ slug: `flaky-${newId("x").slice(-8)}` });
    expect(await send({ op: "kv", key: `ws:${id}` })).toBeNull();
    await expect.poll(() => pointer(id), { timeout: 15_000 }).toMatchObject({ slug });
    await expect.poll(async () => (await records(id)).map(({ action }) => action).sort(), { timeout: 15_000 }).toEqual(["token.create", "workspace.create"]);
  }, 40_000);

  test("every change leaves one record in the queue, a refused one none", async () => {
    const { id, info, slug } = await make();
    await rpc(id, "configure", { anonymous: null }, ACTOR);
    await rpc(id, "putConnection", { id: "con_1", kind: "bearer", origin: "https://x", sealed: "s" }, ACTOR);
    await rpc(id, "removeConnection", "con_1", ACTOR);
    await rpc(id, "removeConnection", "con_1", ACTOR);
    await rpc(id, "move", 0, "h", ACTOR);
    await rpc(id, "move", 0, "h", ACTOR);
    await rpc(id, "revokeToken", info.id, ACTOR);
    await rpc(id, "revokeToken", info.id, ACTOR);
    const expected = [
      ["workspace.create", slug],
      ["token.create", info.id],
      ["workspace.configure", slug],
      ["connection.put", "con_1"],
      ["connection.remove", "con_1"],
      ["catalog.publish", "h"],
      ["token.revoke", info.id],
    ];
    await expect.poll(async () => (await records(id)).length, { timeout: 10_000 }).toBe(expected.length);
    const sorted = (await records(id)).sort((a, b) => a.at - b.at);
    expect(sorted.map(({ action, subject }) => [action, subject]).sort()).toEqual(expected.sort());
    expect(sorted[0]).toMatchObject({ type: "change", workspace: id, principal: "operator", principalName: "the operator", requestId: "req_test" });
  });

  test("what a move changed is announced once, when no list is stale any more, until the Hub has it", async () => {
    const { id } = await make();
    await hub(id, "be", 1);
    const { version } = await rpc(id, "move", 0, "h", ACTOR, { tools: 3, changes: [{ type: "tools" }, { type: "prompts" }] });
    expect(version).toEqual({ number: 1, hash: "h", publication: { at: expect.any(Number), by: "the operator", tools: 3 } });
    expect(await rpc(id, "version")).toEqual(version);
    await expect.poll(async () => (await announced(id)).map(({ changes }) => changes.map(({ type }) => type).sort()), SOON).toEqual([["prompts", "tools"]]);
    expect(await rpc(id, "move", 0, "other", ACTOR, { tools: 4, changes: [{ type: "tools" }] })).toEqual({ moved: false, version });
    const next = await rpc(id, "move", 1, "next", ACTOR, { tools: 4, changes: [{ type: "resources" }] });
    await expect.poll(async () => (await announced(id)).slice(1).map(({ changes }) => changes), SOON).toEqual([[{ type: "resources" }]]);
    const waited = ((await announced(id)).at(-1)?.at ?? NaN) - (next.version.publication?.at ?? NaN);
    expect(waited).toBeGreaterThanOrEqual(1_000);
  }, 20_000);

  test("a Hub that was out of reach while many versions were published is told of all at once", async () => {
    const { id } = await make();
    await hub(id, "be", 2);
    const move = (from: number, type: "tools" | "prompts") => rpc(id, "move", from, `h${from}`, ACTOR, { tools: 0, changes: [{ type }] });
    const versions = [await move(0, "tools"), await move(1, "prompts"), await move(2, "tools")];
    await expect.poll(async () => (await announced(id)).at(-1)?.changes.map(({ type }) => type).sort(), SOON).toEqual(["prompts", "tools"]);
    expect(versions.every(({ moved }) => moved)).toBe(true);
  }, 20_000);

  test.each(["silent", "refused"])("a queue that is %s holds up no announcement", async (manner) => {
    const { id } = await make({ slug: `${manner}-${newId("x").slice(-8)}` });
    // each change is worth a try at once, after which the pauses are longer
    for (let from = 0; from < 4; from++) {
      await rpc(id, "move", from, `h${from}`, ACTOR, { tools: 0, changes: [] });
      await expect.poll(() => pointer(id), SOON).toMatchObject({ version: from + 1 });
    }
    await rpc(id, "move", 4, "h", ACTOR, { tools: 0, changes: [{ type: "tools" }] });
    await expect.poll(() => announced(id), SOON).toMatchObject([{ changes: [{ type: "tools" }] }]);
  }, 30_000);

  test("a Hub that does not answer holds up no record", async () => {
    const { id } = await make();
    await hub(id, "be", "silent");
    for (let from = 0; from < 3; from++) {
      await rpc(id, "move", from, `h${from}`, ACTOR, { tools: 0, changes: [{ type: "tools" }] });
      // the pointer is written a second after the one before: the announcement of this move is due by then
      await expect.poll(() => pointer(id), SOON).toMatchObject({ version: from + 1 });
    }
    await expect.poll(async () => (await records(id)).length, SOON).toBe(5);
    expect(await announced(id)).toEqual([]);
  }, 20_000);
});

test("everything outlives a restart, also what was never told", async () => {
  const lost = await make({ asleep: true });
  const moved = await rpc(lost.id, "move", 0, "h", ACTOR, { tools: 1, changes: [{ type: "tools" }] });
  const { id, slug, token, info } = await make();
  const revoked = await rpc(id, "createToken", { name: "old", scopes: [], role: null, readOnly: false, toolset: null, expiresAt: null }, ACTOR);
  await rpc(id, "revokeToken", revoked.info.id, ACTOR);
  await rpc(id, "endSession", "s1", Date.now() + HOUR);
  await rpc(id, "move", 0, "h", ACTOR);
  await restartObjects();
  expect((await attempt({ slug, token })).auth).toMatchObject({ ok: true, principal: { id: info.id }, version: { number: 1, hash: "h" } });
  expect(await rpc(id, "verify", revoked.token, null)).toEqual({ ok: false, reason: "revoked" });
  expect(await rpc(id, "verify", token, "s1")).toEqual({ ok: false, reason: "session_ended" });
  await expect.poll(() => pointer(id), { timeout: 10_000 }).toMatchObject({ version: 1, hash: "h" });
  expect(await rpc(lost.id, "version")).toEqual(moved.version);
  await expect.poll(() => pointer(lost.id), { timeout: 10_000 }).toMatchObject({ version: 1, hash: "h" });
  await expect.poll(async () => (await records(lost.id)).length, { timeout: 10_000 }).toBe(3);
  await expect.poll(() => announced(lost.id), { timeout: 10_000 }).toMatchObject([{ changes: [{ type: "tools" }] }]);
}, 60_000);

test("an object that the version before made goes on", async () => {
  const { id } = await make();
  await rpc(id, "move", 0, "h", ACTOR);
  await send({ op: "rpc", workspace: id, method: "age", args: [] });
  await restartObjects();
  expect(await rpc(id, "version")).toEqual({ number: 1, hash: "h" });
  expect(await rpc(id, "move", 1, "next", ACTOR, { tools: 2, changes: [{ type: "tools" }] })).toMatchObject({ moved: true, version: { number: 2, publication: { tools: 2 } } });
  await expect.poll(() => announced(id), { timeout: 10_000 }).toMatchObject([{ changes: [{ type: "tools" }] }]);
}, 60_000);
