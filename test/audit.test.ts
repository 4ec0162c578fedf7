import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ACCESS } from "../src/http/api/access.ts";
import type { JsonObject } from "../src/model/json.ts";
import { type Gateway, startGateway, type TestWorkspace } from "./harness/gateway.ts";
import { Ledger } from "./ledger.ts";
import { next, SocketClient, traceOf } from "./socket-client.ts";
import { until } from "./until.ts";
import { called, offering, toolOf } from "./upstreams/offering.ts";
import { type RawRequest, type RawUpstream, reply, startRaw } from "./upstreams/raw.ts";

/* Exactly one record of every accepted call and of every change, from the Worker through the queue into a chain in Postgres. */

const WATCHED = fileURLToPath(new URL("workers/watched.ts", import.meta.url));
const CALLS = 10_000;
const AT_ONCE = 16;

let gateway: Gateway;
let upstream: RawUpstream;
/** Calls of the upstream's tool `wait`, by their trace: called when one has arrived. */
const arrived = new Map<string, () => void>();

beforeAll(async () => {
  upstream = await startRaw(offering(["wait", "act"], (request, socket) => {
    if (toolOf(request) === "act") return reply(socket, 200, "application/json", called(request));
    arrived.get(markOf(request))?.();
  }));
  // Clients that leave are noticed a moment later: until then their calls count at the upstream.
  gateway = await startGateway({ entry: WATCHED, vars: { LIMITS: JSON.stringify({ upstreamConcurrency: 64 }) } });
});

afterAll(() => Promise.all([gateway?.stop(), upstream?.close()]));

function markOf(request: RawRequest): string {
  return String(JSON.parse(request.body).params.arguments.mark);
}

async function freshWorkspace(): Promise<TestWorkspace> {
  const workspace = await gateway.createWorkspace();
  await workspace.api("POST", "/builtins", { set: "watched" });
  await workspace.api("POST", "/builtins", { names: ["conformance/test_missing_capability", "conformance/test_tool_with_progress"] });
  await workspace.api("POST", "/upstreams", { slug: "up", url: upstream.url });
  return workspace;
}

/** One way for a call to go, and the end that its record must have. */
type Way = (client: SocketClient, trace: string) => Promise<string>;

const tool = (name: string, end: string): Way => async (client, trace) => {
  await client.modern("tools/call", { name }, { trace }).answer();
  return end;
};
const list = (method: string): Way => async (client, trace) => {
  await client.modern(method, {}, { trace }).answer();
  return "complete";
};

/** The client is gone while the upstream has the call, before anything came back. */
const leftWaiting: Way = async (client, trace) => {
  const there = new Promise<void>((resolve) => arrived.set(trace, resolve));
  const sent = client.modern("tools/call", { name: "up_wait", arguments: { mark: trace } }, { trace });
  await there;
  sent.leave();
  return "cancelled";
};

/** The client is gone after the first event of a stream. */
const leftListening: Way = async (client, trace) => {
  const sent = client.modern("tools/call", { name: "trickle" }, { trace, progressToken: 1 });
  await next(sent.messages());
  sent.leave();
  return "cancelled";
};

const WAYS: Way[] = [
  tool("echo", "complete"),
  tool("echo", "complete"),
  tool("echo", "complete"),
  tool("echo", "complete"),
  tool("fail", "error_result"),
  tool("up_act", "complete"),
  tool("no_such_tool", "failed"),
  tool("test_missing_capability", "failed"),
  list("tools/list"),
  list("prompts/list"),
  list("server/discover"),
  leftWaiting,
  leftListening,
  async (client, trace) => {
    await client.modern("tools/call", { name: "echo", arguments: { unwanted: 1 } }, { trace }).answer();
    return "error_result";
  },
  async (client, trace) => {
    await client.legacy("tools/call", { name: "echo" }, { trace }).answer();
    return "complete";
  },
  async (client, trace) => {
    await client.legacy("tools/list", {}, { trace }).answer();
    return "complete";
  },
];

test("10,000 calls of every kind, with messages delivered twice: each has its record, once, in a chain that holds", async () => {
  const workspace = await freshWorkspace();
  const client = new SocketClient(workspace, AT_ONCE);
  const ledger = new Ledger(gateway, workspace);
  const ends = new Map<string, string>();
  const numbers = Array.from({ length: CALLS }, (_, number) => number).values();
  const worker = async () => {
    for (const number of numbers) {
      const way = WAYS[number % WAYS.length];
      const trace = traceOf(number);
      if (way) ends.set(trace, await way(client, trace));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await ledger.drained();
  const records = (await ledger.records()).filter(({ type }) => type === "call");
  expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
  expect(records).toHaveLength(CALLS);
  const misfits = records.filter(({ trace, end }) => ends.get(String(trace)) !== end);
  expect(misfits).toEqual([]);
  expect(new Set(records.map(({ trace }) => trace))).toEqual(new Set(ends.keys()));
  const { redelivered } = Object(await (await fetch(`${gateway.origin}/watched/-`)).json());
  expect(redelivered).toBeGreaterThan(0);
  expect(await ledger.broken()).toEqual([]);
  client.close();
}, 60_000);

test("one bit that is not as it was is found, and so is a row that is missing", async () => {
  const workspace = await freshWorkspace();
  const client = new SocketClient(workspace);
  const ledger = new Ledger(gateway, workspace);
  for (let number = 0; number < 10; number++) await client.modern("tools/call", { name: "echo" }, { trace: traceOf(number) }).answer();
  client.close();
  const count = await ledger.drained();
  expect(await ledger.broken()).toEqual([]);
  const flip = `update causeway.audit set record = jsonb_set(record, '{requestId}', to_jsonb(reverse(record ->> 'requestId'))) where workspace = $1 and seq = $2`;
  await ledger.sql(flip, [workspace.id, count - 5], false);
  expect(await ledger.broken()).toEqual([count - 5]);
  await ledger.sql(flip, [workspace.id, count - 5], false);
  expect(await ledger.broken()).toEqual([]);
  await ledger.sql("delete from causeway.audit where workspace = $1 and seq = $2", [workspace.id, count - 3], false);
  expect(await ledger.broken()).not.toEqual([]);
});

test("what a caller names may hold anything: it is recorded, and so is what came with it", async () => {
  const workspace = await freshWorkspace();
  const client = new SocketClient(workspace);
  const ledger = new Ledger(gateway, workspace);
  const names = ["nul \u0000 inside", "half \ud83d", "\udc00", `${"x".repeat(2_047)}😀`, "' or 1=1; --", "😀"];
  const sent = names.map((name, number) => client.legacy("tools/call", { name }, { trace: traceOf(number) }).answer());
  const clientInfo = { name: `${"c".repeat(99)}😀`, version: "1" };
  sent.push(client.modern("tools/list", { _meta: { "io.modelcontextprotocol/clientInfo": clientInfo } }, { trace: traceOf(98) }).answer());
  sent.push(client.modern("tools/call", { name: "echo" }, { trace: traceOf(99) }).answer());
  await Promise.all(sent);
  await ledger.of(traceOf(99));
  await ledger.drained();
  const records = (await ledger.records()).filter(({ type }) => type === "call");
  expect(records.map(({ trace }) => trace).sort()).toEqual([...names.keys(), 98, 99].map(traceOf).sort());
  expect(records.find(({ trace }) => trace === traceOf(5))).toMatchObject({ name: "😀" });
  expect(await ledger.broken()).toEqual([]);
  client.close();
});

test("a call that a flow makes has a record of its own, that names the call it was made for", async () => {
  const workspace = await freshWorkspace();
  const client = new SocketClient(workspace);
  const ledger = new Ledger(gateway, workspace);
  await workspace.api("PUT", "/agents/relay", { name: "Relay", description: "Calls two tools", inputSchema: { type: "object" }, flow: { nodes: [{ id: "a", type: "tool", tool: "echo" }, { id: "b", type: "tool", tool: "up_act", needs: ["a"] }] } });
  await client.modern("tools/call", { name: "relay" }, { trace: traceOf(1) }).answer();
  const outer = await until(async () => (await ledger.of(traceOf(1))).find(({ parent }) => parent === null) ?? false);
  expect(outer).toMatchObject({ name: "relay", end: "complete" });
  const inner = await until(async () => {
    const found = (await ledger.records()).filter(({ parent }) => parent !== null && parent !== undefined);
    return found.length >= 2 && found;
  });
  expect(inner.map(({ name, parent, end, method, trace }) => ({ name, parent, end, method, trace })).sort((a, b) => String(a.name).localeCompare(String(b.name)))).toEqual([
    { name: "echo", parent: outer.id, end: "complete", method: "tools/call", trace: traceOf(1) },
    { name: "up_act", parent: outer.id, end: "complete", method: "tools/call", trace: traceOf(1) },
  ]);
  client.close();
});

// --- changes ----------------------------------------------------------------------------------------------------------

const SECRETS = { bearer: "upstream-bearer-0c2f", header: "upstream-header-9a1b", password: "database-password-77e3" };
const AGENT = { name: "Relay", description: "Calls a tool", inputSchema: { type: "object" }, flow: { nodes: [{ id: "a", type: "tool", tool: "echo" }] } };

interface Step {
  /** As in the table of routes, within the workspace. */
  route: string;
  body?: unknown;
  /** Actions of the records that it leaves, and their subject where it is a name. */
  leaves: [action: string, subject?: string][];
}

/** Every route that changes a workspace, once; each edit but those of access publishes by itself. */
const STEPS: Step[] = [
  { route: "POST /tokens", body: { name: "t", scopes: ["mcp:read"] }, leaves: [["token.create"]] },
  { route: "DELETE /tokens/{token}", leaves: [["token.revoke"]] },
  { route: "PUT /settings", body: { anonymous: ["mcp:read"] }, leaves: [["workspace.configure"]] },
  { route: "POST /builtins", body: { set: "watched" }, leaves: [["builtins.offer"]] },
  { route: "PUT /rules", body: { rules: [{ id: "r", what: { tools: ["fail"] }, effect: "deny" }] }, leaves: [["rules.replace"]] },
  { route: "POST /connections", body: { kind: "postgres", name: "db", url: `postgresql://u:${SECRETS.password}@127.0.0.1:1/db` }, leaves: [["connection.put"]] },
  { route: "DELETE /connections/{connection}", leaves: [["connection.remove"]] },
  { route: "POST /upstreams", body: { slug: "up", review: true, credential: { kind: "bearer", token: SECRETS.bearer } }, leaves: [["connection.put"], ["upstream.add", "up"]] },
  { route: "POST /tools/{tool}/approve", leaves: [["tool.approve", "up_act"]] },
  { route: "POST /upstreams/{upstream}/sync", leaves: [["upstream.sync", "up"]] },
  { route: "PATCH /tools/{tool}", body: { description: "Acts" }, leaves: [["tool.edit", "up_act"]] },
  { route: "POST /toolsets", body: { slug: "few", tools: ["echo"] }, leaves: [["toolset.add", "few"]] },
  { route: "DELETE /toolsets/{toolset}", leaves: [["toolset.remove", "few"]] },
  { route: "PUT /agents/{agent}", body: AGENT, leaves: [["agent.apply", "relay"], ["agent.offer", "relay"]] },
  { route: "POST /rollback", body: { number: 1 }, leaves: [] },
  { route: "POST /publish", leaves: [] },
  { route: "DELETE /upstreams/{upstream}", leaves: [["upstream.remove", "up"], ["connection.remove"]] },
];

/** Changes nothing until a person has logged in elsewhere; `test/oauth-upstream.test.ts` has the record of that. */
const BEGINS = "POST /upstreams/{upstream}/login";

test("every route that changes a workspace is tried here", () => {
  const routes = Object.keys(ACCESS).map((route) => route.replace("/api/v1/workspaces/{workspace}", ""));
  const changing = routes.filter((route) => !route.startsWith("GET ") && !route.includes("/api/") && route !== BEGINS);
  expect(STEPS.map(({ route }) => route).sort()).toEqual(changing.sort());
});

test("every change leaves a record that names who did what, and no record holds a secret", async () => {
  const workspace = await gateway.createWorkspace();
  const ledger = new Ledger(gateway, workspace);
  const tokens: string[] = [workspace.token];
  const path = { token: "", connection: "db", upstream: "up", tool: "up_act", toolset: "few", agent: "relay" };
  for (const { route, body } of STEPS) {
    const [method = "", pattern = ""] = route.split(" ");
    const filled = Object.entries(path).reduce((text, [name, value]) => text.replace(`{${name}}`, value), pattern);
    const answer = Object(await workspace.api(method, filled, route === "POST /upstreams" ? { ...Object(body), url: upstream.url } : body));
    if (route === "POST /tokens") path.token = answer.info.id;
    if (route === "POST /tokens") tokens.push(answer.token);
  }
  const client = new SocketClient(workspace);
  await client.modern("tools/call", { name: "echo" }).answer();
  client.close();
  await ledger.drained();
  const records = await ledger.records();

  const wanted: [string, string?][] = [["workspace.create", workspace.slug], ["token.create"], ...STEPS.flatMap(({ leaves }) => leaves)];
  const changes = records.filter(({ type, action }) => type === "change" && action !== "catalog.publish");
  const named = new Set(wanted.filter(([, subject]) => subject !== undefined).map(([action]) => action));
  const found = changes.map(({ action, subject }) => (named.has(String(action)) ? [action, subject] : [action]));
  expect(found.map(String).sort()).toEqual(wanted.map(String).sort());
  const { items } = Object(await workspace.api("GET", "/versions"));
  expect(records.filter(({ action }) => action === "catalog.publish")).toHaveLength(items.length);

  const [owner] = Object(await workspace.api("GET", "/tokens")).items.filter(({ revokedAt }: JsonObject) => revokedAt === null);
  const byOwner = changes.filter(({ action, requestId }) => action !== "workspace.create" && String(requestId).startsWith("req_"));
  expect(new Set(byOwner.map(({ principal }) => principal))).toEqual(new Set(["operator", owner.id]));
  expect(changes.filter(({ principalName, at, id }) => !principalName || !at || !String(id).startsWith("aud_"))).toEqual([]);

  const text = JSON.stringify(records);
  for (const secret of [...Object.values(SECRETS), ...tokens, ...tokens.map((token) => token.split("_").at(-1) ?? ""), gateway.operatorToken, gateway.masterKey]) {
    expect(text).not.toContain(secret);
  }
  expect(await ledger.broken()).toEqual([]);
}, 60_000);
