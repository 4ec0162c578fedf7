import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectionQuery } from "../src/lib/sql.ts";
import type { JsonObject } from "../src/model/json.ts";
import { type Answer, callTool, legacy, Listener, modern, openSession, type Place } from "./caller.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { type SharedUpstream, startShared } from "./upstreams/shared.ts";

/*
 * Twelve workspaces that have everything by the same names: tools, prompts, resources, an agent, JSON-RPC ids, the upstream itself. Each marks what is its own;
 * no byte that leaves the gateway, and no row or value that it keeps, may hold another one's mark. The secrets for the upstream may be nowhere.
 */

const WORKSPACES = 12;
const ROUNDS = 4;
const MARK = /mark-[0-9a-f]{16}/g;

interface Tenant {
  workspace: TestWorkspace;
  mark: string;
  secret: string;
  /** Its endpoint on each Worker. */
  places: [Place, Place];
  session: string;
}

let gateway: Gateway;
let upstream: SharedUpstream;
let tenants: Tenant[];

beforeAll(async () => {
  const drafts = Array.from({ length: WORKSPACES }, () => ({ mark: `mark-${randomBytes(8).toString("hex")}`, secret: `secret-${randomBytes(8).toString("hex")}` }));
  upstream = await startShared(new Map(drafts.map(({ mark, secret }) => [secret, mark])));
  gateway = await startGateway({ second: { entry: new URL("workers/stale.ts", import.meta.url).pathname, vars: { KV: "misses" } } });
  tenants = await Promise.all(drafts.map(async ({ mark, secret }) => settle(mark, secret)));
}, 120_000);

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

async function settle(mark: string, secret: string): Promise<Tenant> {
  const workspace = await gateway.createWorkspace();
  const credential = { kind: "bearer", token: secret };
  await workspace.api("POST", "/upstreams", { slug: "shared", url: `${upstream.origin}/modern`, credential, toolset: true });
  await workspace.api("POST", "/upstreams", { slug: "old", url: `${upstream.origin}/legacy`, credential });
  const nodes = [
    { id: "ask", type: "tool", tool: "shared_echo", arguments: { text: "{% $input.text %}" } },
    { id: "say", type: "transform", needs: ["ask"], value: { agent: `agent of ${mark}`, heard: "{% $steps.ask.content[0].text %}" } },
  ];
  await workspace.api("PUT", "/agents/relay", { name: "Relay", description: `Relays for ${mark}`, flow: { nodes, output: "{% $steps.say %}" } });
  const places = [gateway.origin, gateway.secondOrigin].map((origin): Place => ({ endpoint: `${origin}/w/${workspace.slug}/mcp`, token: workspace.token })) as [Place, Place];
  return { workspace, mark, secret, places, session: await openSession(places[0]) };
}

function marksIn(text: string): string[] {
  return [...new Set(text.match(MARK))];
}

function holdsSecret(text: string): boolean {
  return tenants.some(({ secret }) => text.includes(secret));
}

/** All bytes of an answer: nothing of another tenant, no secret; `marked`: it shows whose it is. */
function expectOwn({ mark }: Tenant, answer: Pick<Answer, "text"> & Partial<Answer>, marked = true): void {
  const all = `${JSON.stringify([...(answer.headers ?? [])])} ${answer.text}`;
  expect(marksIn(all), all).toEqual(marked ? [mark] : marksIn(all).filter((found) => found === mark));
  expect(holdsSecret(all), all).toBe(false);
}

/** Everything a client of one era can ask, at once, under the ids that all tenants use. */
function everything(tenant: Tenant, place: Place): Promise<Answer>[] {
  const { mark, session } = tenant;
  const said = { text: `from ${mark}` };
  const asked: [string, JsonObject][] = [
    ["tools/list", {}],
    ["tools/call", { name: "shared_echo", arguments: said, _meta: { progressToken: "p" } }],
    ["tools/call", { name: "old_echo", arguments: said, _meta: { progressToken: "p" } }],
    ["tools/call", { name: "relay", arguments: said }],
    ["tools/call", { name: `no_${mark}`, arguments: said }],
    ["prompts/list", {}],
    ["prompts/get", { name: "shared_greet" }],
    ["resources/list", {}],
    ["resources/read", { uri: "shared://notes" }],
  ];
  const oneToOne = { ...place, endpoint: `${place.endpoint}/shared` };
  return [
    ...asked.map(([method, params], id) => modern(place, method, params, id)),
    ...asked.map(([method, params], id) => legacy(place, method, params, session, id)),
    modern(oneToOne, "tools/list", {}, 1),
    callTool(oneToOne, "echo", said, 1),
  ];
}

test("no answer holds a byte of another workspace, whatever runs at the same time", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const running = tenants.flatMap((tenant) => tenant.places.flatMap((place) => everything(tenant, place).map(async (answer) => expectOwn(tenant, await answer))));
    await Promise.all(running);
  }
  expect(upstream.breaches).toEqual([]);
}, 60_000);

test("a change in one workspace is told to its own listeners alone", async () => {
  const listeners = await Promise.all(tenants.map(({ places: [, two] }) => Listener.open(two, { toolsListChanged: true, resourceSubscriptions: ["shared://notes"] })));
  for (const [first, other] of [[0, 1], [1, 0]] as const) {
    await tenants[first]?.workspace.api("PATCH", "/tools/shared_echo", { enabled: other !== 1 });
    await tenants[first]?.workspace.api("PATCH", "/tools/old_echo", { description: `Told by ${tenants[first]?.mark}` });
  }
  await Promise.all([listeners[0]?.heard(3), listeners[1]?.heard(2)]);
  await tenants[0]?.workspace.api("PATCH", "/tools/shared_echo", { enabled: true });
  await listeners[0]?.heard(4);
  expect(listeners.map(({ messages }) => messages.length)).toEqual([4, 2, ...Array.from({ length: WORKSPACES - 2 }, () => 1)]);
  for (const listener of listeners) listener.close();
}, 60_000);

const ROUTES = [
  ["GET", ""],
  ["GET", "/tools"],
  ["GET", "/upstreams"],
  ["GET", "/agents/relay"],
  ["GET", "/runs"],
  ["GET", "/tokens"],
  ["PATCH", "/tools/shared_echo", { enabled: false }],
  ["POST", "/publish"],
  ["DELETE", "/upstreams/shared"],
  ["PUT", "/settings", { anonymous: ["mcp:read"] }],
] as const;

async function manage(origin: string, token: string, method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(`${origin}/api/v1/workspaces/${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  return { status: response.status, text: nameless(await response.text()) };
}

/** Without what differs from request to request. */
function nameless(text: string): string {
  return text.replaceAll(/req_[0-9a-z]+/g, "req");
}

test("a token of one workspace opens nothing of another, neither by slug nor by id", async () => {
  const [mine, other] = tenants as [Tenant, Tenant];
  for (const [nth, place] of other.places.entries()) {
    const stolen = { ...place, token: mine.workspace.token };
    const forged = { ...place, token: `${other.workspace.token.slice(0, -6)}AAAAAA` };
    for (const at of [stolen, { ...stolen, endpoint: `${stolen.endpoint}/shared` }]) {
      const answer = await modern(at, "tools/list");
      expect(answer.status).toBe(401);
      expectOwn(mine, answer, false);
      // whoever holds a token of elsewhere learns no more than whoever made one up
      expect(answer.text).toBe((await modern({ ...forged, endpoint: at.endpoint }, "tools/list")).text);
    }
    const origin = nth === 0 ? gateway.origin : gateway.secondOrigin;
    for (const named of [other.workspace.slug, other.workspace.id]) {
      for (const [method, path, body] of ROUTES) {
        const answer = await manage(origin, mine.workspace.token, method, `${named}${path}`, body);
        expect([method, path, answer.status]).toEqual([method, path, 401]);
        expectOwn(mine, answer, false);
      }
    }
  }
  for (const place of other.places) expect((await callTool(place, "shared_echo")).text).toContain(other.mark);
});

test("what another workspace has is as absent as what nobody has", async () => {
  const [mine, other] = tenants as [Tenant, Tenant];
  const own = `${mine.workspace.id}`;
  const [run] = Object(await other.workspace.api("GET", "/runs")).items;
  const [token] = Object(await other.workspace.api("GET", "/tokens")).items;
  await other.workspace.api("POST", "/toolsets", { slug: "theirs", tools: ["relay"] });
  await other.workspace.api("PUT", "/agents/theirs", { name: "Theirs", description: "Is theirs.", flow: { nodes: [{ id: "a", type: "transform", value: 1 }], output: "{% $steps.a %}" } });
  const pairs = [
    ["GET", `runs/${run.id}`, `runs/${String(run.id).slice(0, -6)}000000`],
    ["DELETE", `tokens/${token.id}`, `tokens/${String(token.id).slice(0, -6)}000000`],
    ["GET", "agents/theirs", "agents/nobody"],
    ["DELETE", "toolsets/theirs", "toolsets/nobody"],
  ] as const;
  for (const [method, theirs, nobodys] of pairs) {
    const [found, missing] = [await manage(gateway.origin, mine.workspace.token, method, `${own}/${theirs}`), await manage(gateway.origin, mine.workspace.token, method, `${own}/${nobodys}`)];
    expect(found.status).toBe(404);
    expect(found.text.replaceAll(theirs.slice(theirs.indexOf("/") + 1), "X")).toBe(missing.text.replaceAll(nobodys.slice(nobodys.indexOf("/") + 1), "X"));
  }
  for (const place of mine.places) {
    const at = (toolset: string) => modern({ ...place, endpoint: `${place.endpoint}/${toolset}` }, "tools/list");
    expect((await at("theirs")).text).toBe((await at("nobody")).text);
    expect((await at("theirs")).status).toBe(404);
    const call = async (name: string) => nameless((await callTool(place, name)).text).replaceAll(name, "X");
    expect(await call("theirs")).toBe(await call("nobody"));
    const within = (session: string) => legacy(place, "tools/list", {}, session);
    const foreign = await within(other.session);
    expect(foreign.status).toBe(404);
    expect(foreign.text).toBe((await within(`${mine.session.slice(0, -4)}AAAA`)).text);
  }
  // the run is still theirs, and so is the token
  expect(await other.workspace.api("GET", `/runs/${run.id}`)).toMatchObject({ run: { id: run.id } });
}, 30_000);

test("a workspace that does not exist answers the same, whoever asks with whatever", async () => {
  const [mine] = tenants as [Tenant];
  const slug = `none-${randomBytes(5).toString("hex")}`;
  for (const origin of [gateway.origin, gateway.secondOrigin]) {
    const endpoint = `${origin}/w/${slug}/mcp`;
    const answers = await Promise.all([mine.workspace.token, null, "nonsense"].map((token) => modern({ endpoint, token }, "tools/list")));
    for (const { status, text } of answers) expect([status, text]).toEqual([404, answers[0]?.text]);
  }
});

test("no row in Postgres holds the mark of another workspace, nor any secret", async () => {
  const [mine] = tenants as [Tenant];
  const owners = new Map(tenants.map(({ workspace, mark }) => [workspace.id, mark]));
  const query = async (text: string): Promise<JsonObject[]> => {
    const options = { readOnly: true, timeoutMs: 20_000, signal: AbortSignal.timeout(30_000), maxRows: 100_000 };
    return (await connectionQuery(gateway.databaseUrl, text, [], options)).rows;
  };
  // the audit of the last calls is on its way for a second
  const calls = `select count(*)::int as calls from causeway.audit where workspace = '${mine.workspace.id}' and method = 'tools/call'`;
  await expect.poll(async () => (await query(calls))[0]?.calls, { timeout: 20_000 }).toBeGreaterThanOrEqual(ROUNDS * 2 * 2 * 4);
  const tables = await query("select table_name from information_schema.columns where table_schema = 'causeway' and column_name = 'workspace'");
  expect(tables.length).toBeGreaterThan(10);
  const seen = new Map<string, number>();
  for (const { table_name: table } of tables) {
    for (const row of await query(`select workspace, t::text as content from causeway.${String(table)} t`)) {
      const [owner, content] = [String(row.workspace), String(row.content)];
      expect(marksIn(content).filter((mark) => mark !== owners.get(owner))).toEqual([]);
      expect(holdsSecret(content)).toBe(false);
      if (marksIn(content).length > 0) seen.set(String(table), (seen.get(String(table)) ?? 0) + 1);
    }
  }
  // the scan had something to find where content is kept
  expect([...seen.keys()]).toEqual(expect.arrayContaining(["tool", "prompt", "resource", "agent_version", "run", "run_node"]));
}, 60_000);

test("no value in KV and R2 holds the mark of another workspace, nor any secret", async () => {
  const { miniflare } = gateway.runtime;
  const [kv, bucket] = [await miniflare.getKVNamespace("CATALOG", "causeway"), await miniflare.getR2Bucket("STORE", "causeway")];
  const values: [string, string][] = [];
  for (const { name } of (await kv.list()).keys) values.push([name, (await kv.get(name)) ?? ""]);
  for (const { key } of (await bucket.list()).objects) values.push([key, (await (await bucket.get(key))?.text()) ?? ""]);
  let marked = 0;
  for (const [key, value] of values) {
    const owner = tenants.find(({ workspace }) => key.includes(workspace.id) || key === `slug:${workspace.slug}`);
    expect([key, owner === undefined]).toEqual([key, false]);
    expect(marksIn(value).filter((mark) => mark !== owner?.mark)).toEqual([]);
    expect(holdsSecret(key + value)).toBe(false);
    marked += marksIn(value).length;
  }
  expect(marked).toBeGreaterThanOrEqual(WORKSPACES * 4);
  expect(gateway.logs.filter((line) => holdsSecret(line) || marksIn(line).length > 0)).toEqual([]);
}, 60_000);
