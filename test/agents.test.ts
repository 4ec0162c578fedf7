import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDatabase, type Database } from "../src/dev/database.ts";
import { sharedGateway, type TestWorkspace } from "./harness/gateway.ts";

/** The workspace's own database: the shop of the demo. */
let shop: Database;
let folder: string;
/** An HTTP service that answers when the test says so. */
const held: { request: IncomingMessage; response: ServerResponse }[] = [];
const service = createServer((request, response) => void held.push({ request, response }));
let serviceUrl: string;
let workspace: TestWorkspace;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "causeway-shop-"));
  shop = await startDatabase({ dataFolder: folder, script: "examples/demo-database.sql" });
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  const address = service.address();
  serviceUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  workspace = await (await sharedGateway()).createWorkspace();
  await workspace.api("POST", "/connections", { kind: "postgres", name: "demo", url: shop.url });
});
afterAll(async () => {
  service.closeAllConnections();
  service.close();
  await shop.stop();
  await rm(folder, { recursive: true, force: true });
});

function apply(slug: string, definition: object | string): Promise<any> {
  return workspace.api("PUT", `/agents/${slug}`, definition);
}

function agent(nodes: object[], more: object = {}): object {
  return { name: "An agent", description: "Does something.", flow: { nodes, ...more } };
}

function call(name: string, args: object, signal?: AbortSignal): Promise<Response> {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
    progressToken: "p",
  };
  return fetch(workspace.endpoint, {
    method: "POST",
    headers: {
      authorization: `Bearer ${workspace.token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": name,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args, _meta } }),
    signal: signal ?? null,
  });
}

/** Every message of the answer; the last one ends the call. */
async function messages(response: Response): Promise<any[]> {
  const text = await response.text();
  if (response.headers.get("content-type") === "application/json") return [JSON.parse(text)];
  return [...text.matchAll(/^data: (.+)$/gm)].map(([, data = ""]) => JSON.parse(data));
}

/** The trace of the agent's newest run, once it has ended. */
async function traceOf(slug: string): Promise<any> {
  for (;;) {
    const { items }: any = await workspace.api("GET", `/runs?agent=${slug}`);
    if (items[0]?.finishedAt) return workspace.api("GET", `/runs/${items[0].id}`);
  }
}

test("the orders report of the examples answers from the database, and its trace shows every node", async () => {
  const applied = await apply("orders-report", readFileSync("examples/orders-report.yaml", "utf8"));
  expect(applied).toMatchObject({ agent: { slug: "orders-report", status: "active" }, version: { number: 1 }, published: { changed: true } });
  const answer = (await messages(await call("orders-report", { top: 2, since: "2026-02-01" }))).at(-1);
  const report = answer.result.structuredContent;
  expect(report.customers).toHaveLength(2);
  expect(report.customers[0].revenue).toBeGreaterThanOrEqual(report.customers[1].revenue);
  expect(Object.keys(report.byStatus).sort()).toEqual(["open", "paid", "returned", "shipped"]);
  expect(JSON.parse(answer.result.content[0].text)).toEqual(report);
  const one = (await messages(await call("orders-report", { country: "at" }))).at(-1);
  expect(one.result.structuredContent.customers).toMatchObject([{ country: "AT" }]);
  const none = (await messages(await call("orders-report", { country: "xx" }))).at(-1);
  expect(none.result.structuredContent).toEqual({ customers: [], byStatus: {}, revenue: 0 });
  const { run, nodes } = await traceOf("orders-report");
  expect(run).toMatchObject({ status: "completed", agent: "orders-report", version: applied.version.id, input: { country: "xx" }, output: none.result.structuredContent });
  expect(nodes.map(({ node }: any) => node).sort()).toEqual(["customers", "report", "statuses"]);
  expect(nodes.find(({ node }: any) => node === "customers")).toMatchObject({ type: "sql", status: "completed", attempts: 1, input: { params: ["xx", null] }, output: { rows: [], rowCount: 0 } });
});

test("progress of the example arrives in order, each report above the last", async () => {
  await apply("progress-demo", readFileSync("examples/progress-demo.yaml", "utf8"));
  const all = await messages(await call("progress-demo", { seconds: 0 }));
  const reports = all.filter(({ method }) => method === "notifications/progress").map(({ params }) => params);
  expect(reports.map(({ message }) => message)).toEqual(["Looking for customers", "Found 8 customers", ...Array.from({ length: 8 }, () => expect.stringContaining("Checked ")), "Done"]);
  expect(reports.map(({ progress }) => progress)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  expect(all.at(-1).result.content[0].text).toBe("Checked 8 customers with 60 orders.");
});

test("a client that leaves aborts the request of the running node, and no later node runs", async () => {
  const nodes = [
    { id: "one", type: "http", url: `${serviceUrl}/one` },
    { id: "two", type: "http", needs: ["one"], url: `${serviceUrl}/two` },
  ];
  await apply("slow", agent(nodes));
  held.length = 0;
  const leave = new AbortController();
  const answer = call("slow", {}, leave.signal).catch(() => null);
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const closed = once(held[0]!.request.socket, "close");
  leave.abort();
  await Promise.all([answer, closed]);
  const { run, nodes: traced } = await traceOf("slow");
  expect(run).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
  expect(traced).toMatchObject([{ node: "one", status: "cancelled" }]);
  expect(held.map(({ request }) => request.url)).toEqual(["/one"]);
});

test("a run that fails is an error result that names the node, with a whole trace; any text can be traced", async () => {
  const nodes = [
    { id: "odd", type: "transform", value: "{% $input.text %}" },
    { id: "wrong", type: "sql", needs: ["odd"], connection: "demo", query: "select * from nowhere" },
    { id: "never", type: "transform", needs: ["wrong"], value: 1 },
  ];
  await apply("failing", agent(nodes));
  const text = 'nul \u0000, lone \ud800, {"quoted"}, \\, ü';
  const { result } = (await messages(await call("failing", { text }))).at(-1);
  expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/^node wrong: the database refused the statement: .*nowhere/) }] });
  const trace = await traceOf("failing");
  expect(result._meta["causeway/error"]).toMatchObject({ code: "upstream", node: "wrong", run: trace.run.id });
  expect(trace.run).toMatchObject({ status: "failed", error: { node: "wrong", code: "upstream" }, output: null });
  expect(trace.nodes).toMatchObject([{ node: "odd", status: "completed" }, { node: "wrong", status: "failed", error: { code: "upstream" } }]);
  expect(trace.nodes[0].output.startsWith("nul \u0000, lone ")).toBe(true);
});

test("what is read-only is read-only in the database too", async () => {
  await apply("writer", agent([{ id: "write", type: "sql", connection: "demo", query: "delete from items" }]));
  const { result } = (await messages(await call("writer", {}))).at(-1);
  expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("read-only transaction") }] });
});

test("a flow calls another tool of the workspace, and its trace names the audit record of that call", async () => {
  await apply("callee", agent([{ id: "answer", type: "transform", value: "{% { 'was': $input.n } %}" }]));
  await apply("caller", agent([{ id: "ask", type: "tool", tool: "callee", forEach: { items: [1, 2] }, arguments: { n: "{% $item %}" } }], { output: "{% $steps.ask.content.text %}" }));
  const { result } = (await messages(await call("caller", {}))).at(-1);
  expect(JSON.parse(result.content[0].text)).toEqual(['{"was":1}', '{"was":2}']);
  const { nodes } = await traceOf("caller");
  expect(nodes[0]).toMatchObject({ items: 2, calls: [expect.stringMatching(/^aud_|^call_/), expect.any(String)] });
});

test("applying the same definition again keeps its version, a change makes the next one", async () => {
  const first = await apply("same", agent([{ id: "a", type: "transform", value: 1 }]));
  const again = await apply("same", agent([{ id: "a", type: "transform", value: 1 }]));
  const changed = await apply("same", agent([{ id: "a", type: "transform", value: 2 }]));
  expect(again).toMatchObject({ version: first.version, published: { changed: false } });
  expect(changed).toMatchObject({ agent: { id: first.agent.id, version: 2 }, version: { number: 2 } });
  expect(await workspace.api("GET", "/agents/same")).toMatchObject({ version: 2, definition: { flow: { nodes: [{ value: 2 }] } } });
  // A call may run on the catalog of the last 5 seconds.
  const text = async () => (await messages(await call("same", {}))).at(-1).result.content[0].text;
  await expect.poll(text, { timeout: 10_000 }).toBe("2");
});

test("a definition that cannot be is refused with every problem, and nothing is made", async () => {
  const refused = apply("broken", agent([{ id: "a", type: "sql", connection: "nowhere", query: "select 1" }, { id: "b", type: "tool", tool: "nothing" }]));
  await expect(refused).rejects.toThrow(/400 .*"node":"a".*"field":"connection".*"node":"b".*"field":"tool"/s);
  await expect(workspace.api("GET", "/agents/broken")).rejects.toThrow(/404/);
});

test("an agent and its runs are seen in their own workspace only", async () => {
  const { run } = await traceOf("orders-report");
  const stranger = await (await sharedGateway()).createWorkspace();
  expect(await stranger.api("GET", "/agents")).toMatchObject({ items: [] });
  expect(await stranger.api("GET", "/runs")).toMatchObject({ items: [] });
  await expect(stranger.api("GET", `/runs/${run.id}`)).rejects.toThrow(/404/);
  await expect(stranger.api("GET", "/agents/orders-report")).rejects.toThrow(/404/);
});
