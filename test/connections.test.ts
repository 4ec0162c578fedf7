import { afterAll, beforeAll, expect, test } from "vitest";
import { ACTOR, make, rpc, send, startObjects, stopObjects } from "./objects.ts";
import type { Command } from "./workers/authority.ts";

beforeAll(startObjects, 60_000);
afterAll(stopObjects);

const at = Date.now();
const store = async (workspace: string, connection: Extract<Command, { op: "store" }>["connection"]) =>
  (await send<{ id: string }>({ op: "store", workspace, connection, at })).id;
const open = (workspace: string, id: string, origin: string | null, when = at) =>
  send<{ opened: object; asked: number }>({ op: "open", workspace, id, origin, at: when });

test("what was stored opens for its own origin", async () => {
  const { id } = await make();
  const bearer = await store(id, { kind: "bearer", origin: "https://api.example", token: "up-token" });
  const header = await store(id, { kind: "header", origin: "https://api.example", name: "X-Key", value: "k 1" });
  const postgres = await store(id, { kind: "postgres", url: "postgresql://u:p@db.example/app" });
  expect((await open(id, bearer, "https://api.example")).opened).toEqual({ kind: "bearer", headers: { authorization: "Bearer up-token" }, version: 1 });
  expect((await open(id, header, "https://api.example")).opened).toEqual({ kind: "header", headers: { "x-key": "k 1" }, version: 1 });
  expect((await open(id, postgres, null)).opened).toEqual({ kind: "postgres", url: "postgresql://u:p@db.example/app", version: 1 });
  expect(JSON.stringify(await rpc(id, "connection", bearer))).not.toContain("up-token");
  for (const origin of ["https://evil.example", "http://api.example", "https://api.example:8443", null]) {
    await expect(open(id, bearer, origin)).rejects.toMatchObject({ code: "upstream" });
  }
});

test("a sealed text moved to another workspace, row or origin does not open", async () => {
  const [here, there] = [await make(), await make()];
  const from = await store(here.id, { kind: "bearer", origin: "https://api.example", token: "up-token" });
  const row = await rpc(here.id, "connection", from);
  if (!row) throw new Error("nothing stored");
  await rpc(there.id, "putConnection", { ...row }, ACTOR);
  await rpc(here.id, "putConnection", { ...row, id: "con_moved" }, ACTOR);
  await rpc(here.id, "putConnection", { ...row, origin: "https://evil.example" }, ACTOR);
  await expect(open(there.id, from, "https://api.example")).rejects.toMatchObject({ code: "internal", message: "internal error" });
  await expect(open(here.id, "con_moved", "https://api.example")).rejects.toMatchObject({ code: "internal" });
  await expect(open(here.id, from, "https://evil.example")).rejects.toMatchObject({ code: "internal" });
});

test("an isolate keeps the sealed text a minute, and then hears that it is gone", async () => {
  const { id } = await make();
  const connection = await store(id, { kind: "bearer", origin: "https://api.example", token: "up-token" });
  expect(await open(id, connection, "https://api.example")).toMatchObject({ asked: 1 });
  await rpc(id, "removeConnection", connection, ACTOR);
  expect(await open(id, connection, "https://api.example", at + 59_999)).toMatchObject({ asked: 0 });
  await expect(open(id, connection, "https://api.example", at + 60_000)).rejects.toMatchObject({ code: "upstream" });
});

test.each([
  [{ kind: "bearer", origin: "https://a.example", token: "a b" }, "token"],
  [{ kind: "bearer", origin: "https://a.example/path", token: "t" }, "origin"],
  [{ kind: "header", origin: "https://a.example", name: "X Key", value: "v" }, "name"],
  [{ kind: "header", origin: "https://a.example", name: "X-Key", value: "v\r\nHost: x" }, "value"],
  [{ kind: "postgres", url: "https://a.example" }, "url"],
] as const)("%j is refused for its %s", async (connection, field) => {
  const { id } = await make();
  await expect(store(id, connection)).rejects.toMatchObject({ code: "invalid", message: expect.stringContaining(`${field} `) });
});
