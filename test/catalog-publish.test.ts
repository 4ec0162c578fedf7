import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { offerAgent } from "../src/catalog/agents.ts";
import { approveCandidate, insertUpstream, updateUpstream } from "../src/catalog/edit-store.ts";
import { planImport, type Listing } from "../src/catalog/import.ts";
import { offerBuiltins } from "../src/catalog/offers.ts";
import { publish, rollback, versions } from "../src/catalog/publish.ts";
import { listRules, replaceRules } from "../src/catalog/rules.ts";
import { flowText, loadSnapshot, toolText } from "../src/catalog/snapshot.ts";
import { readHeld, readUpstreams } from "../src/catalog/store.ts";
import { approveTool, listTools, setTool } from "../src/catalog/tools.ts";
import { addToolset, listToolsets, removeToolset } from "../src/catalog/toolsets.ts";
import { startDatabase, type Database } from "../src/dev/database.ts";
import { MIGRATIONS } from "../src/dev/migrations.ts";
import { sql, workspaceTx } from "../src/lib/sql.ts";
import type { Rule } from "../src/model/catalog.ts";
import type { Builtin, CallContext } from "../src/model/context.ts";
import { insertWorkspace } from "../src/workspaces/store.ts";
import { fakeContext, fakePlatform, NOTHING, tool, type Fake } from "./catalog-fakes.ts";

/* The management side against a real Postgres by the real driver; KV, R2 and Authority are in memory, and the second after a move is skipped. */

let folder: string;
let database: Database;
const waits: number[] = [];
vi.stubGlobal("scheduler", { wait: (ms: number) => Promise.resolve(void waits.push(ms)) });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "causeway-catalog-"));
  database = await startDatabase({ dataFolder: join(folder, "db"), migrations: MIGRATIONS });
}, 60_000);

afterAll(async () => {
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

const ECHO: Builtin = {
  kind: "tool",
  definition: { name: "echo", inputSchema: { type: "object" } },
  invoke: () => {
    throw new TypeError("not called in these tests");
  },
};

async function workspace(slug: string): Promise<{ fake: Fake; ctx: CallContext }> {
  const fake = fakePlatform({ databaseUrl: database.url, builtins: new Map([["demo/echo", ECHO]]) });
  await insertWorkspace(fake.platform.database, { id: `ws_${slug}`, slug, name: slug });
  return { fake, ctx: fakeContext(fake, `ws_${slug}`) };
}

async function sync(ctx: CallContext, slug: string, listing: Partial<Listing>, approve = true) {
  const probe = { revision: "2026-07-28", capabilities: { tools: {} }, instructions: null };
  const id = `up_${slug}`;
  const there = (await readUpstreams(ctx.platform.database, ctx.workspace.id)).find((upstream) => upstream.slug === slug);
  const held = await readHeld(ctx.platform.database, ctx.workspace.id, id);
  const { edit, report } = await planImport({ workspace: ctx.workspace, upstream: { id, slug }, listing: { ...NOTHING, ...listing }, held, approve, toolLimit: 10_000 });
  if (there) await updateUpstream(ctx, there, probe, edit);
  else await insertUpstream(ctx, { id, slug, url: `https://${slug}.test/mcp`, connection: null, toolset: null }, { probe, edit });
  return report;
}

async function toolNames({ fake, ctx }: { fake: Fake; ctx: CallContext }): Promise<string[]> {
  const version = await fake.platform.authority(ctx.workspace.id).version();
  return [...(await loadSnapshot(fake.platform, ctx.workspace.id, version.hash)).tools.keys()];
}

test("what an upstream wrote comes out of the tables as it went in", async () => {
  const { fake, ctx } = await workspace("bytes");
  const text = '{"name":"t","description":"\\u0000 \\ud800 é🙂 \'$1\' \\\\","inputSchema":{"type":"object","default":12345678901234567890}}';
  await sync(ctx, "up", { tools: [text], prompts: ['{"name":"p"}'], resources: ['{"uri":"x:1","name":"r"}'], templates: ['{"uriTemplate":"x:{id}","name":"t"}'] });
  const { hash } = await publish(ctx);
  const snapshot = await loadSnapshot(fake.platform, "ws_bytes", hash);
  const entry = snapshot.tools.get("up_t");
  expect(entry && (await toolText(fake.platform, snapshot, entry))).toBe(text.replace('"t"', '"up_t"'));
  expect([...snapshot.prompts.keys(), ...snapshot.resources.keys(), ...snapshot.templates.keys()]).toEqual(["up_p", "x:1", "x:{id}"]);
  expect(snapshot.upstreams.get("up_up")).toMatchObject({ era: { revision: "2026-07-28" }, capabilities: { tools: {} } });
});

test("publishing the same again moves nothing, also after a sync that found nothing new", async () => {
  const { ctx } = await workspace("same");
  await sync(ctx, "up", { tools: [tool("a")] });
  const first = await publish(ctx);
  expect(first).toMatchObject({ version: 1, changed: true, tools: 1, warnings: [] });
  await sync(ctx, "up", { tools: [tool("a")] });
  expect(await publish(ctx)).toMatchObject({ version: 1, hash: first.hash, changed: false });
});

test("R2 and KV hold everything before the move, which says what changed; a publish ends a second later", async () => {
  const { fake, ctx } = await workspace("order");
  await sync(ctx, "up", { tools: [tool("a")], prompts: ['{"name":"p"}'] });
  waits.length = 0;
  fake.meanwhile.run = () => {
    expect(fake.kv.size).toBe(2);
    expect([...fake.r2.keys()].sort()).toEqual([...fake.kv.keys()].sort());
  };
  await publish(ctx);
  expect(waits).toEqual([1_000]);
  expect(fake.announced).toEqual([[{ type: "tools" }, { type: "prompts" }]]);
  await sync(ctx, "up", { tools: [tool("a"), tool("b")], prompts: ['{"name":"p"}'] });
  await publish(ctx);
  expect(fake.announced.slice(1)).toEqual([[{ type: "tools" }]]);
});

test("a publisher that loses the race reads the rows again", async () => {
  const { fake, ctx } = await workspace("race");
  await sync(ctx, "up", { tools: [tool("a")] });
  fake.meanwhile.run = () => void fake.versions.set("ws_race", { number: 7, hash: "other" });
  expect(await publish(ctx)).toMatchObject({ version: 8, changed: true });
});

test("going back makes an earlier version current under a new number", async () => {
  const made = await workspace("rollback");
  const { ctx } = made;
  await sync(ctx, "up", { tools: [tool("a")] });
  await publish(ctx);
  await sync(ctx, "up", { tools: [tool("a"), tool("b")] });
  await publish(ctx);
  expect(await rollback(ctx, 1)).toMatchObject({ version: 3, changed: true, tools: 1 });
  expect(await toolNames(made)).toEqual(["up_a"]);
  expect((await versions(ctx)).map(({ number, current }) => [number, current])).toEqual([[3, true], [2, false], [1, false]]);
  await expect(rollback(ctx, 99)).rejects.toThrow(expect.objectContaining({ code: "not_found" }));
});

const DEAD = { principal: "tok_2", name: "who died", requestId: "req_2" };

test("a version whose publisher died after the move is among the versions, and one to go back to", async () => {
  const { fake, ctx } = await workspace("died");
  await sync(ctx, "up", { tools: [tool("a")] });
  const { hash } = await publish(ctx);
  await sync(ctx, "up", { tools: [tool("a"), tool("b")] });
  await publish(ctx);
  const die = async (from: number) => void (await fake.platform.authority("ws_died").move(from, hash, DEAD, { tools: 1, changes: [{ type: "tools" }] }));
  const died = async (number: number) => expect(await versions(ctx)).toContainEqual({ number, hash, current: false, publishedAt: new Date(fake.clock.now).toISOString(), publishedBy: "who died" });
  await die(2);
  expect(await publish(ctx)).toMatchObject({ version: 4, changed: true });
  await died(3);
  await die(4);
  expect(await rollback(ctx, 5)).toMatchObject({ version: 5, changed: false });
  expect(await rollback(ctx, 4)).toMatchObject({ version: 6, changed: true });
  await died(5);
  await die(6);
  expect((await versions(ctx))[0]).toMatchObject({ number: 7, current: true, publishedBy: "who died" });
});

test("an object of the version before says nothing of the move: the row is there all the same", async () => {
  const { fake, ctx } = await workspace("older");
  await sync(ctx, "up", { tools: [tool("a")] });
  const authority = fake.platform.authority("ws_older");
  const before = { ...authority, move: async () => ({ moved: true, version: { number: 1, hash: "h" } }) };
  await publish({ ...ctx, platform: { ...fake.platform, authority: () => before } });
  expect(await versions(ctx)).toMatchObject([{ number: 1, publishedBy: "test" }]);
});

test("a tool is disabled, renamed, described; its old name leads to it", async () => {
  const made = await workspace("edit");
  const { fake, ctx } = made;
  await sync(ctx, "up", { tools: [tool("a"), tool("b")] });
  expect(await setTool(ctx, "up_b", { enabled: false })).toMatchObject({ enabled: false, status: "disabled", upstream: "up", kind: "mcp" });
  expect(await setTool(ctx, "up_a", { rename: "better", description: "does it" })).toMatchObject({ name: "better", description: "does it" });
  expect(await setTool(ctx, "better", { rename: "best" })).toMatchObject({ name: "best" });
  expect(await toolNames(made)).toEqual(["best"]);
  const snapshot = await loadSnapshot(fake.platform, "ws_edit", (await fake.platform.authority("ws_edit").version()).hash);
  expect(Object.entries(snapshot.index.tombstones).map(([old, { name }]) => [old, name])).toEqual([["better", "best"], ["up_a", "best"]]);
  await expect(setTool(ctx, "best", { rename: "up_b" })).rejects.toThrow(expect.objectContaining({ code: "conflict" }));
  await expect(setTool(ctx, "best", { rename: "mcp_x" })).rejects.toThrow(expect.objectContaining({ code: "invalid" }));
  await expect(setTool(ctx, "none", {})).rejects.toThrow(expect.objectContaining({ code: "not_found" }));
  await setTool(ctx, "best", { rename: "up_a", description: null });
  expect(await toolNames(made)).toEqual(["up_a"]);
  expect(await sync(ctx, "up", { tools: [tool("a"), tool("b")] })).toMatchObject({ added: [], removed: [] });
});

test("a held-back change is offered only after approval", async () => {
  const made = await workspace("review");
  const { ctx } = made;
  await sync(ctx, "up", { tools: [tool("a")] });
  await sync(ctx, "up", { tools: [tool("a", { description: "new" }), tool("b")] }, false);
  await publish(ctx);
  expect(await toolNames(made)).toEqual(["up_a"]);
  expect((await listTools(ctx)).items.map(({ name, status }) => [name, status])).toEqual([["up_a", "changed"], ["up_b", "new"]]);
  expect(await approveCandidate(ctx, "up_a", "the pin of what a person saw before it changed again")).toBe(false);
  expect(await approveTool(ctx, "up_b")).toMatchObject({ status: "offered" });
  expect(await approveTool(ctx, "up_a")).toMatchObject({ description: "new" });
  expect(await toolNames(made)).toEqual(["up_a", "up_b"]);
  await expect(approveTool(ctx, "up_a")).rejects.toThrow(expect.objectContaining({ code: "conflict" }));
});

test("toolsets come and go with their upstreams and tools", async () => {
  const { ctx } = await workspace("toolsets");
  await sync(ctx, "up", { tools: [tool("a"), tool("b")] });
  expect(await addToolset(ctx, { slug: "some", tools: ["up_a"] })).toEqual({ slug: "some", upstream: null, tools: ["up_a"] });
  expect(await addToolset(ctx, { slug: "all", upstream: "up" })).toEqual({ slug: "all", upstream: "up", tools: ["up_a", "up_b"] });
  await expect(addToolset(ctx, { slug: "bad", tools: ["up_a", "nope"] })).rejects.toThrow(expect.objectContaining({ code: "not_found", message: "there is no tool nope" }));
  await expect(addToolset(ctx, { slug: "some", tools: ["up_a"] })).rejects.toThrow(expect.objectContaining({ code: "conflict" }));
  await setTool(ctx, "up_a", { rename: "renamed" });
  await removeToolset(ctx, "all");
  expect(await listToolsets(ctx)).toEqual([{ slug: "some", upstream: null, tools: ["renamed"] }]);
  await expect(removeToolset(ctx, "all")).rejects.toThrow(expect.objectContaining({ code: "not_found" }));
});

test("builtins and agents go by bare names and are brought up to date", async () => {
  const made = await workspace("own");
  const { fake, ctx } = made;
  expect(await offerBuiltins(ctx, { set: "demo" })).toEqual({ names: ["echo"] });
  expect(await offerBuiltins(ctx, ["demo/echo"])).toEqual({ names: ["echo"] });
  await expect(offerBuiltins(ctx, { set: "none" })).rejects.toThrow(expect.objectContaining({ code: "not_found" }));
  const agent = { slug: "report", agentId: "agt_1", versionId: "ver_1", flowHash: "f1", flowText: '{"nodes":[]}', tool: { name: "ignored", inputSchema: { type: "object" } } };
  await offerAgent(ctx, agent);
  await offerAgent(ctx, { ...agent, versionId: "ver_2" });
  await expect(offerAgent(ctx, { ...agent, slug: "echo" })).rejects.toThrow(expect.objectContaining({ code: "conflict" }));
  await expect(offerAgent(ctx, { ...agent, tool: { inputSchema: { type: "object", properties: { a: { pattern: "(" } } } } })).rejects.toThrow(expect.objectContaining({ code: "invalid" }));
  await publish(ctx);
  const snapshot = await loadSnapshot(fake.platform, "ws_own", (await fake.platform.authority("ws_own").version()).hash);
  expect(snapshot.tools.get("report")?.target).toEqual({ kind: "agent", agent: "agt_1", version: "ver_2", flow: "f1" });
  expect(snapshot.tools.get("echo")?.target).toEqual({ kind: "builtin", name: "demo/echo" });
  expect(await flowText(fake.platform, "ws_own", "f1")).toBe('{"nodes":[]}');
});

test("rules are replaced as a whole and published", async () => {
  const { fake, ctx } = await workspace("rules");
  const rule: Rule = { id: "r1", who: { roles: [], principals: [], scopes: [] }, what: { tools: ["x_*"], targets: [], upstreams: [], readOnly: null }, when: [{ pointer: "/a", op: "exists", value: true }], effect: "deny" };
  expect(await replaceRules(ctx, [rule, { ...rule, id: "r0" }])).toEqual([rule, { ...rule, id: "r0" }]);
  expect(await replaceRules(ctx, [rule])).toEqual([rule]);
  const snapshot = await loadSnapshot(fake.platform, "ws_rules", (await fake.platform.authority("ws_rules").version()).hash);
  expect(snapshot.index.rules).toEqual(await listRules(ctx));
});

test("rows of one workspace are out of the other's sight, and every change leaves its record", async () => {
  const [one, two] = [await workspace("mine"), await workspace("yours")];
  await sync(one.ctx, "up", { tools: [tool("a")] });
  await sync(two.ctx, "up", { tools: [tool("a"), tool("b")] });
  await publish(one.ctx);
  await publish(two.ctx);
  expect(await toolNames(one)).toEqual(["up_a"]);
  expect(await toolNames(two)).toEqual(["up_a", "up_b"]);
  const tables = ["upstream", "tool", "resource", "resource_template", "prompt", "toolset", "toolset_tool", "tombstone", "rule", "catalog_setting", "snapshot_version"];
  for (const table of tables) {
    const count = { text: `select count(*)::integer as foreign_rows from causeway.${table} where workspace <> $1`, params: ["ws_mine"] };
    const [rows] = await workspaceTx(one.fake.platform.database, "ws_mine", [count]);
    expect(rows).toEqual([{ foreign_rows: 0 }]);
  }
  const [records] = await workspaceTx(one.fake.platform.database, "ws_mine", [sql`select method, name, principal from causeway.audit where workspace = ${"ws_mine"} order by seq`]);
  expect(records).toEqual([{ method: "upstream.add", name: "up", principal: "tok_1" }]);
});

test("10,000 tools go through the tables in one publish", async () => {
  const made = await workspace("many");
  const tools = Array.from({ length: 10_000 }, (_none, at) => tool(`t${at}`, { description: "words ".repeat(30) }));
  expect((await sync(made.ctx, "up", { tools })).added.length).toBe(10_000);
  const report = await publish(made.ctx);
  expect(report.tools).toBe(10_000);
  expect(report.warnings[0]).toMatch(/10000 tools/);
  const page = await listTools(made.ctx, { after: "up_t9998", limit: 5 });
  expect(page).toMatchObject({ items: [{ name: "up_t9999" }], after: null });
}, 60_000);
