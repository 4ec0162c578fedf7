import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Auth } from "../src/access/authenticate.ts";
import { bundle } from "../src/dev/build.ts";
import { startDatabase } from "../src/dev/database.ts";
import type { Database } from "../src/dev/database.ts";
import { MIGRATIONS } from "../src/dev/migrations.ts";
import { startRuntime } from "../src/dev/miniflare.ts";
import type { Runtime } from "../src/dev/miniflare.ts";
import { toBase64Url } from "../src/lib/crypto.ts";
import type { Workspace } from "../src/model/identity.ts";
import { SCOPES } from "../src/model/identity.ts";
import type { NewWorkspace } from "../src/workspaces/create.ts";
import type { Command } from "./workers/authority.ts";

let folder: string;
let database: Database;
let runtime: Runtime;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "causeway-workspaces-"));
  database = await startDatabase({ dataFolder: folder, migrations: MIGRATIONS });
  const { modules } = await bundle(new URL("workers/authority.ts", import.meta.url).pathname);
  const vars = { MASTER_KEY: toBase64Url(new Uint8Array(32)), DATABASE_URL: database.url };
  runtime = await startRuntime({ workers: [{ name: "one", modules, vars, port: 0 }] });
}, 120_000);

afterAll(async () => {
  await runtime.stop();
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

async function send<T>(command: Command): Promise<T> {
  const response = await fetch(runtime.origins.get("one") ?? "", { method: "POST", body: JSON.stringify(command) });
  const answer: { value: T; error?: { message: string } } = JSON.parse(await response.text());
  if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
  return answer.value;
}

const create = (wanted: NewWorkspace, down = false) => send<{ workspace: Workspace; token: string }>({ op: "create", wanted, at: Date.now(), down });

async function enter(slug: string, token: string | null): Promise<Auth> {
  const authorization = token === null ? null : `Bearer ${token}`;
  return (await send<{ auth: Auth }>({ op: "authenticate", slug, authorization, session: null, times: 1, at: Date.now() })).auth;
}

test("a new workspace lets its owner in at once, with every right, and nobody else", async () => {
  const { workspace, token } = await create({ slug: "acme", name: "Acme" });
  expect(workspace).toMatchObject({ slug: "acme", id: expect.stringMatching(/^ws_/) });
  expect(await enter("acme", token)).toMatchObject({ ok: true, workspace, principal: { role: "owner", scopes: SCOPES, readOnly: false, expiresAt: null } });
  expect(await enter("acme", null)).toMatchObject({ ok: false, status: 401 });
});

test("a host of its own is found by KV, and belongs to one workspace", async () => {
  const { workspace } = await create({ slug: "hosted", name: "Hosted", hosts: ["mcp.hosted.example", "localhost:8787"] });
  expect(await send({ op: "kv", key: "host:mcp.hosted.example" })).toBe(workspace.id);
  expect(await send({ op: "kv", key: "host:localhost:8787" })).toBe(workspace.id);
  await expect(create({ slug: "thief", name: "Thief", hosts: ["mcp.hosted.example"] })).rejects.toMatchObject({ code: "conflict" });
  await expect(create({ slug: "strange", name: "Strange", hosts: ["a b"] })).rejects.toMatchObject({ code: "invalid", data: { problems: [{ field: "hosts" }] } });
});

test("a slug is taken once", async () => {
  const { workspace, token } = await create({ slug: "taken", name: "First" });
  await expect(create({ slug: "taken", name: "Second" })).rejects.toMatchObject({ code: "conflict" });
  expect(await enter("taken", token)).toMatchObject({ ok: true, workspace });
});

test("a creation that died half way is finished by the next try", async () => {
  await expect(create({ slug: "half", name: "Half" }, true)).rejects.toThrow();
  expect(await send({ op: "kv", key: "slug:half" })).toBeNull();
  await expect(create({ slug: "half", name: "Half" })).rejects.toMatchObject({ code: "conflict" });
  const id = await send<string>({ op: "kv", key: "slug:half" });
  const input = { name: "owner", scopes: ["mcp:read"], role: null, readOnly: false, toolset: null, expiresAt: null };
  const { token } = await send<{ token: string }>({ op: "rpc", workspace: id, method: "createToken", args: [input, { principal: "operator", name: "operator", requestId: "r" }] });
  expect(await enter("half", token)).toMatchObject({ ok: true, workspace: { id, slug: "half" } });
});

test("an anonymous workspace is open at once", async () => {
  await create({ slug: "open", name: "Open", anonymous: ["mcp:read"] });
  expect(await enter("open", null)).toMatchObject({ ok: true, principal: { kind: "anonymous", scopes: ["mcp:read"] } });
});

test.each(["", "Acme", "-a", "a-", "a_b", "a.b", "a".repeat(41), "a/b", "ä"])("the slug %j is refused, and says so", async (slug) => {
  await expect(create({ slug, name: "x" })).rejects.toMatchObject({ code: "invalid", data: { problems: [{ field: "slug", message: expect.any(String) }] } });
});

test("a name of spaces is refused", async () => {
  await expect(create({ slug: "spaces", name: "  " })).rejects.toMatchObject({ code: "invalid", data: { problems: [{ field: "name" }] } });
});
