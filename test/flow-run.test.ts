import { describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { compile } from "../src/flows/compile.ts";
import { parseDefinition } from "../src/flows/definition.ts";
import type { Flow } from "../src/flows/flow.ts";
import type { Journal } from "../src/flows/journal.ts";
import { type Ended, outcomeOf } from "../src/flows/result.ts";
import { runFlow, type FlowEnd, type RunStart } from "../src/flows/run.ts";
import type { HttpAnswer, HttpRequest, Outside, Statement, ToolOptions } from "../src/flows/task.ts";
import { CLIENT_ERROR, type Notification, type Outcome } from "../src/model/call.ts";
import { GatewayError } from "../src/model/error.ts";
import type { JsonObject, JsonValue } from "../src/model/json.ts";
import { DEFAULT_LIMITS, type Limits } from "../src/model/limits.ts";
import type { NodeRecord } from "../src/runs/record.ts";

/** A statement that waits until the test answers it. */
interface Pending {
  text: string;
  statement: Statement;
  signal: AbortSignal;
  answer(rows: JsonObject[]): void;
  fail(error: GatewayError): void;
}

/** Everything outside of a run, answering only when the test says so, with a clock that the test moves. */
class World implements Outside {
  time = 1_000;
  readonly queries: Pending[] = [];
  readonly requests: HttpRequest[] = [];
  readonly tools: { name: string; args: JsonObject; options: ToolOptions }[] = [];
  readonly waits: { ms: number; pass(): void }[] = [];
  /** Answers statements at once; null: they wait. */
  database: ((statement: Statement, index: number) => JsonObject[]) | null = null;
  http: (request: HttpRequest, index: number) => Partial<HttpAnswer> = () => ({});
  tool: (args: JsonObject, index: number) => Outcome = () => ({ type: "complete", result: '{"content":[]}' });

  query(_connection: string, statement: Statement, signal: AbortSignal): Promise<{ rows: JsonObject[]; rowCount: number }> {
    return new Promise((resolve, reject) => {
      const answer = (rows: JsonObject[]) => resolve({ rows, rowCount: rows.length });
      const index = this.queries.push({ text: statement.text, statement, signal, answer, fail: reject }) - 1;
      try {
        if (this.database) answer(this.database(statement, index));
      } catch (thrown) {
        reject(thrown);
      }
    });
  }

  async request(_connection: string | null, request: HttpRequest): Promise<HttpAnswer> {
    const index = this.requests.push(request) - 1;
    return { status: 200, contentType: "application/json", retryAfter: null, text: "{}", ...this.http(request, index) };
  }

  async *callTool(name: string, args: JsonObject, options: ToolOptions): AsyncGenerator<Notification, Outcome, void> {
    const index = this.tools.push({ name, args, options }) - 1;
    options.accepted?.(`aud_${index}`);
    yield { method: "notifications/progress", params: '{"progress":5,"message":"half way"}' };
    return this.tool(args, index);
  }

  now(): number {
    return this.time;
  }

  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waits.push({ ms, pass: resolve });
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }

  started(): string[] {
    return this.queries.map(({ text }) => text);
  }

  pending(text: string): Pending {
    const found = this.queries.findLast((query) => query.text === text);
    if (!found) throw new TypeError(`${text} was not asked`);
    return found;
  }
}

function flowOf(nodes: string, more: object = {}): Flow {
  const parsed = parseDefinition({ slug: "agent", name: "Agent", description: "Test.", flow: { nodes: parse(nodes), ...more } });
  if (!parsed.ok) throw new TypeError(JSON.stringify(parsed.problems));
  return compile(parsed.definition);
}

/** A run that goes on by itself, as a client that reads everything makes it. */
class Running {
  readonly records: NodeRecord[] = [];
  readonly progress: JsonObject[] = [];
  readonly stop = new AbortController();
  readonly end: Promise<FlowEnd>;
  readonly reply: AsyncGenerator<Notification, FlowEnd, void>;

  constructor(flow: Flow, outside: Outside, more: Partial<RunStart> = {}) {
    const record = (node: NodeRecord) => this.records.push(node);
    this.reply = runFlow(flow, { id: "run_1", input: {}, ctx: {}, outside, limits: DEFAULT_LIMITS, signal: this.stop.signal, deadline: 1_000_000, progress: true, canAsk: false, resume: null, record, ...more });
    this.end = this.#read();
  }

  async #read(): Promise<FlowEnd> {
    for (;;) {
      const step = await this.reply.next();
      if (step.done) return step.value;
      this.progress.push(JSON.parse(step.value.params));
    }
  }

  status(): Record<string, string> {
    return Object.fromEntries(this.records.map(({ node, status }) => [node, status]));
  }
}

/** The end of a run that asks nothing. */
function over(end: FlowEnd): Ended {
  if (end.status === "waiting") throw new TypeError("the run waits");
  return end;
}

/** Lets everything go on that needs nobody but itself. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const sql = (id: string, more = "") => `{id: ${id}, type: sql, connection: demo, query: ${id}${more && `, ${more}`}}`;

test("nodes start when what they need has ended, and those that need nothing of each other run at the same time", async () => {
  const world = new World();
  const run = new Running(flowOf(`[${sql("last", "needs: [left, right]")}, ${sql("left", "needs: [first]")}, ${sql("right", "needs: [first]")}, ${sql("first")}]`, { output: "{% $keys($steps) %}" }), world);
  await settle();
  expect(world.started()).toEqual(["first"]);
  world.pending("first").answer([]);
  await settle();
  expect(world.started()).toEqual(["first", "left", "right"]);
  world.pending("right").answer([]);
  await settle();
  expect(world.started()).toHaveLength(3);
  world.pending("left").answer([]);
  await settle();
  expect(world.started().at(-1)).toBe("last");
  world.pending("last").answer([]);
  expect(await run.end).toEqual({ status: "completed", output: ["first", "right", "left", "last"] });
  expect(run.records.map(({ node }) => node)).toEqual(["first", "right", "left", "last"]);
});

test("values flow from node to node, and the last node's output is the result", async () => {
  const world = new World();
  world.database = ({ params }) => [{ name: "Ada", asked: String(params[0]) }];
  const flow = flowOf(`[${sql("people", 'params: ["{% $input.country %}", "{% $input.nothing %}"]')}, {id: greeting, type: transform, needs: [people], value: {text: "{% 'Hello ' & $steps.people.rows[0].name %}", count: "{% $steps.people.rowCount %}"}}]`);
  const run = new Running(flow, world, { input: { country: "GB" } });
  expect(await run.end).toEqual({ status: "completed", output: { text: "Hello Ada", count: 1 } });
  expect(world.queries[0]?.statement).toMatchObject({ text: "people", params: ["GB", null], readOnly: true, maxRows: 10_000, timeoutMs: 30_000 });
});

test("a node whose condition does not hold is skipped, and what needs it still runs", async () => {
  const flow = flowOf(
    `[{id: a, type: transform, when: "{% $input.yes %}", value: 1}, {id: b, type: transform, when: "{% $input.no %}", value: 2}, {id: c, type: transform, needs: [a, b], value: "{% [$steps.a, $exists($steps.b)] %}"}]`,
  );
  const run = new Running(flow, new World(), { input: { yes: true, no: false } });
  expect(await run.end).toEqual({ status: "completed", output: [1, false] });
  expect(run.status()).toEqual({ a: "completed", b: "skipped", c: "completed" });
});

test("a condition that is neither true nor false fails the node", async () => {
  const run = new Running(flowOf(`[{id: a, type: transform, when: "{% 'false' %}", value: 1}]`), new World());
  expect(await run.end).toMatchObject({ status: "failed", node: "a", error: { code: "invalid" } });
});

test("forEach keeps the order of its items whatever order they end in, and runs no more at once than allowed", async () => {
  const world = new World();
  const run = new Running(flowOf(`[{id: a, type: sql, connection: demo, query: q, forEach: {items: [x, y, z], concurrency: 2}, params: ["{% $item %}"]}]`), world);
  await settle();
  expect(world.queries.map(({ statement }) => statement.params)).toEqual([["x"], ["y"]]);
  world.queries[1]?.answer([{ is: "second" }]);
  await settle();
  expect(world.queries).toHaveLength(3);
  world.queries[2]?.answer([{ is: "third" }]);
  world.queries[0]?.answer([{ is: "first" }]);
  const end = await run.end;
  expect(end.status === "completed" && end.output).toMatchObject([{ rows: [{ is: "first" }] }, { rows: [{ is: "second" }] }, { rows: [{ is: "third" }] }]);
  expect(run.records[0]).toMatchObject({ items: 3, attempts: 3 });
});

test("a failing item ends the others of its node", async () => {
  const world = new World();
  const run = new Running(flowOf(`[{id: a, type: sql, connection: demo, query: q, forEach: {items: [1, 2, 3, 4], concurrency: 2}}]`), world);
  await settle();
  world.queries[0]?.fail(new GatewayError("upstream", "broken"));
  expect(await run.end).toMatchObject({ status: "failed", node: "a", error: { message: "broken" } });
  await settle();
  expect(world.queries).toHaveLength(2);
  expect(world.queries[1]?.signal.aborted).toBe(true);
});

test("more items than allowed, and items that are no list, fail the node", async () => {
  const many = new Running(flowOf(`[{id: a, type: emit, forEach: {items: "{% [1..1001] %}"}}]`), new World());
  expect(await many.end).toMatchObject({ status: "failed", error: { code: "too_large", data: { limit: "forEachItems" } } });
  const none = new Running(flowOf(`[{id: a, type: emit, forEach: {items: "{% $input.list %}"}}]`), new World(), { input: { list: "x" } });
  expect(await none.end).toMatchObject({ status: "failed", error: { code: "invalid", message: "forEach.items must give a list" } });
});

test("retry waits longer each time, tries only what may pass, and hands on the same key", async () => {
  const world = new World();
  world.http = (_, index) => ({ status: index < 2 ? 503 : 200, retryAfter: index === 1 ? 9 : null, text: '{"ok":true}' });
  const run = new Running(flowOf(`[{id: a, type: http, method: POST, url: "https://example.com/", retry: {attempts: 4, delay: 100ms, backoff: 3}}]`), world);
  await settle();
  expect(world.waits.map(({ ms }) => ms)).toEqual([100]);
  world.waits[0]?.pass();
  await settle();
  expect(world.waits.map(({ ms }) => ms)).toEqual([100, 9_000]);
  world.waits[1]?.pass();
  expect(await run.end).toMatchObject({ status: "completed", output: { status: 200, body: { ok: true } } });
  expect(world.requests.map(({ headers }) => headers["idempotency-key"])).toEqual(["run_1/a/0", "run_1/a/0", "run_1/a/0"]);
  expect(run.records[0]).toMatchObject({ attempts: 3, status: "completed" });
});

test.each<[string, GatewayError, number]>([
  ["a lost connection", new GatewayError("upstream", "gone"), 2],
  ["a deadlock", new GatewayError("upstream", "deadlock", { data: { sqlstate: "40P01" } }), 2],
  ["a wrong statement", new GatewayError("upstream", "syntax", { data: { sqlstate: "42601" } }), 1],
  ["wrong parameters", new GatewayError("invalid", "no"), 1],
  ["a refusal", new GatewayError("forbidden", "no"), 1],
])("%s is tried %#", async (_, error, tries) => {
  const world = new World();
  world.database = () => {
    throw error;
  };
  const run = new Running(flowOf(`[${sql("a", "retry: {attempts: 2}")}]`), world);
  await settle();
  world.waits[0]?.pass();
  expect(await run.end).toMatchObject({ status: "failed", node: "a" });
  expect(world.queries).toHaveLength(tries);
});

test("a node that takes longer than its timeout is ended and may be tried again", async () => {
  const world = new World();
  const run = new Running(flowOf(`[${sql("a", "timeout: 2s, retry: {attempts: 2, delay: 10ms}")}]`), world);
  await settle();
  expect(world.waits[0]?.ms).toBe(2_000);
  expect(world.queries[0]?.statement.timeoutMs).toBe(2_000);
  world.waits[0]?.pass();
  await settle();
  expect(world.queries[0]?.signal.aborted).toBe(true);
  world.waits[1]?.pass();
  await settle();
  world.waits[2]?.pass();
  expect(await run.end).toMatchObject({ status: "failed", node: "a", error: { code: "timeout", message: "it took longer than 2000 ms" } });
  expect(run.records[0]).toMatchObject({ attempts: 2, status: "failed", error: { code: "timeout" } });
});

test("after an abort the running node's request is aborted, no later node runs, and the trace says so", async () => {
  const world = new World();
  const run = new Running(flowOf(`[${sql("first")}, ${sql("second", "needs: [first]")}, ${sql("third", "needs: [second]")}]`), world);
  await settle();
  world.pending("first").answer([{ n: 1 }]);
  await settle();
  run.stop.abort(new GatewayError("cancelled", "the client disconnected"));
  // The database never answers: the run does not wait for it.
  expect(await run.end).toMatchObject({ status: "cancelled", error: { message: "the client disconnected" } });
  expect(world.pending("second").signal.aborted).toBe(true);
  world.pending("second").answer([]);
  await settle();
  expect(world.started()).toEqual(["first", "second"]);
  expect(run.status()).toEqual({ first: "completed", second: "cancelled" });
  expect(run.records[1]).toMatchObject({ error: { code: "cancelled" }, input: "{}", output: null });
});

test("a run aborted before it starts runs nothing", async () => {
  const world = new World();
  const run = new Running(flowOf(`[${sql("a")}]`), world, { signal: AbortSignal.abort(new GatewayError("timeout", "the call reached its deadline")) });
  expect(await run.end).toMatchObject({ status: "failed", node: null, error: { code: "timeout" } });
  expect(world.queries).toEqual([]);
});

test("a reader that leaves between two notifications stops the run, which is still recorded", async () => {
  const world = new World();
  const records: NodeRecord[] = [];
  const flow = flowOf(`[{id: say, type: emit, message: hello}, ${sql("work")}, ${sql("later", "needs: [work]")}]`);
  const signal = new AbortController().signal;
  const reply = runFlow(flow, { id: "run_1", input: {}, ctx: {}, outside: world, limits: DEFAULT_LIMITS, signal, deadline: 9e9, progress: true, canAsk: false, resume: null, record: (node) => records.push(node) });
  expect(await reply.next()).toMatchObject({ done: false });
  await settle();
  await reply.return({ status: "cancelled", error: new GatewayError("cancelled", "") });
  expect(world.pending("work").signal.aborted).toBe(true);
  expect(records.map(({ node, status }) => [node, status])).toEqual([["say", "completed"], ["work", "cancelled"]]);
});

test("the first failure names its node, stops the others, and leaves a whole trace", async () => {
  const world = new World();
  const flow = flowOf(`[${sql("good")}, ${sql("bad")}, ${sql("slow")}, ${sql("later", "needs: [good, bad]")}]`);
  const run = new Running(flow, world);
  await settle();
  world.pending("good").answer([{ n: 1 }]);
  await settle();
  world.pending("bad").fail(new GatewayError("upstream", "the database refused the statement"));
  const end = over(await run.end);
  expect(run.status()).toEqual({ good: "completed", bad: "failed", slow: "cancelled" });
  expect(run.records[0]).toMatchObject({ type: "sql", attempts: 1, startedAt: 1_000, finishedAt: 1_000, input: "{}", output: '{"rows":[{"n":1}],"rowCount":1}', error: null });
  expect(run.records[1]).toMatchObject({ error: { code: "upstream", message: "the database refused the statement" } });
  expect(() => outcomeOf(flow, end, "run_1")).toThrow(expect.objectContaining({ code: "upstream", message: "node bad: the database refused the statement", data: { run: "run_1", node: "bad" } }));
});

test("what is redacted for sending is not sent, what is redacted for the trace is not traced", async () => {
  const world = new World();
  world.http = () => ({ text: '{"people":[{"name":"Ada","email":"ada@example.com"},{"name":"Bob"}]}' });
  const flow = flowOf(`[{id: a, type: http, method: PUT, url: "https://example.com/{id}", path: {id: a/b}, headers: {x-key: s3cret}, body: {keep: 1, "n/m": 2, list: [1, 2]}, redact: {send: [/body/n~1m, /body/list/0], trace: [/input/headers/x-key, /output/body/people/*/email]}}]`);
  const run = new Running(flow, world);
  expect(await run.end).toMatchObject({ output: { body: { people: [{ email: "ada@example.com" }, {}] } } });
  expect(world.requests[0]).toMatchObject({ url: "https://example.com/a%2Fb", body: '{"keep":1,"list":[null,2]}', headers: { "x-key": "s3cret" } });
  expect(JSON.parse(run.records[0]?.input ?? "")).toEqual({ path: { id: "a/b" }, headers: { "x-key": "[redacted]" }, body: { keep: 1, list: [null, 2] } });
  expect(run.records[0]?.output).toContain('{"name":"Ada","email":"[redacted]"},{"name":"Bob"}');
});

test("a traced value beyond its limit is cut, with a note of its size", async () => {
  const run = new Running(flowOf(`[{id: a, type: transform, value: "{% $pad('ä', 50000, 'ä') %}"}]`), new World());
  expect(await run.end).toMatchObject({ status: "completed" });
  const output = JSON.parse(run.records[0]?.output ?? "");
  expect(output).toMatchObject({ truncated: true, bytes: 100_002 });
  expect(output.beginning.startsWith('"äää')).toBe(true);
  expect(run.records[0]?.output?.length).toBeLessThan(17_000);
});

test.each<[string, string, Partial<Limits>, string]>([
  ["one output", `[{id: a, type: transform, value: "{% $pad('x', 3000) %}"}]`, { nodeOutputBytes: 2_000 }, "nodeOutputBytes"],
  ["rows of a database", `[${sql("a")}]`, { nodeOutputBytes: 2_000 }, "nodeOutputBytes"],
  ["all outputs together", `[{id: a, type: transform, value: "{% $pad('x', 1500) %}"}, {id: b, type: transform, value: "{% $pad('x', 1500) %}"}]`, { runOutputBytes: 2_000 }, "runOutputBytes"],
])("%s larger than the limit fails the run and names the limit", async (_, nodes, limits, limit) => {
  const world = new World();
  world.database = () => [{ text: "x".repeat(3_000) }];
  const run = new Running(flowOf(nodes), world, { limits: { ...DEFAULT_LIMITS, ...limits } });
  expect(await run.end).toMatchObject({ status: "failed", error: { code: "too_large", data: { limit } } });
});

test("emit nodes report progress that only rises; without a client that asked, nothing is yielded", async () => {
  const flow = flowOf(
    `[{id: a, type: emit, message: begin, progress: 10, total: 100}, {id: b, type: emit, needs: [a], forEach: {items: [30, 20, 40]}, message: "{% 'at ' & $item %}", progress: "{% $item %}", total: 100}, {id: c, type: emit, needs: [b], message: end}]`,
  );
  const run = new Running(flow, new World());
  await run.end;
  expect(run.progress.map(({ message }) => message)).toEqual(["begin", "at 30", "at 20", "at 40", "end"]);
  const values = run.progress.map(({ progress }) => Number(progress));
  expect(values).toEqual([...values].sort((a, b) => a - b));
  expect(new Set(values).size).toBe(5);
  const quiet = new Running(flow, new World(), { progress: false });
  await quiet.end;
  expect(quiet.progress).toEqual([]);
});

test("a flow without emit nodes reports one step per node", async () => {
  const run = new Running(flowOf(`[{id: a, type: transform, value: 1}, {id: b, type: transform, needs: [a], value: 1}]`), new World());
  await run.end;
  expect(run.progress).toEqual([{ progress: 1, total: 2, message: "a: completed" }, { progress: 2, total: 2, message: "b: completed" }]);
});

test("a tool node hands on arguments, signal and key, notes the audit id, and gives the tool's result", async () => {
  const world = new World();
  world.tool = (args) => ({ type: "complete", result: JSON.stringify({ content: [{ type: "text", text: `Echo: ${String(args["message"])}` }], structuredContent: { n: 1 } }) });
  const flow = flowOf(`[{id: a, type: tool, tool: everything_echo, forEach: {items: [x, y]}, arguments: {message: "{% $item %}"}}]`, { output: "{% $steps.a.content.text %}" });
  const run = new Running(flow, world);
  expect(await run.end).toEqual({ status: "completed", output: ["Echo: x", "Echo: y"] });
  expect(world.tools.map(({ name, args, options }) => [name, args, options.idempotencyKey])).toEqual([
    ["everything_echo", { message: "x" }, "run_1/a/0"],
    ["everything_echo", { message: "y" }, "run_1/a/1"],
  ]);
  expect(run.records[0]?.calls).toEqual(["aud_0", "aud_1"]);
  expect(run.progress.some(({ message }) => message === "half way")).toBe(true);
});

test.each<[string, Outcome, object]>([
  ["an error result", { type: "complete", isError: true, result: '{"content":[{"type":"text","text":"no such city"}],"isError":true}' }, { code: "upstream", message: "no such city" }],
  ["an error result of the gateway", { type: "complete", isError: true, result: '{"content":[{"type":"text","text":"denied"}],"_meta":{"causeway/error":{"code":"forbidden"}}}' }, { code: "forbidden", message: "denied" }],
  ["an upstream's protocol error", { type: "failed", code: -32602, error: '{"code":-32602,"message":"bad city"}' }, { code: "upstream", message: "bad city" }],
  ["a question that nobody can pass on", { type: "input_required", inputRequests: { q: { method: "roots/list" } } }, { code: "unsupported" }],
])("%s fails a tool node", async (_, outcome, error) => {
  const world = new World();
  world.tool = () => outcome;
  const run = new Running(flowOf("[{id: a, type: tool, tool: t, forEach: {items: [1]}}]"), world);
  expect(await run.end).toMatchObject({ status: "failed", node: "a", error });
});

test.each<[string, string, JsonObject, string]>([
  ["a slash stays inside its segment", "https://example.com/users/{id}/x", { id: "../admin?x=1#y" }, "https://example.com/users/..%2Fadmin%3Fx%3D1%23y/x"],
  ["a number", "https://example.com/{id}", { id: 7 }, "https://example.com/7"],
])("%s in a path", async (_, url, path, sent) => {
  const world = new World();
  await new Running(flowOf(`[{id: a, type: http, url: "${url}", path: ${JSON.stringify(path)}, query: {q: "a&b=c", tags: [x, "y z"], none: null}}]`), world).end;
  expect(world.requests[0]?.url).toBe(`${sent}?q=a%26b%3Dc&tags=x&tags=y+z`);
  expect(world.requests[0]?.headers["idempotency-key"]).toBeUndefined();
});

test.each<[string, string, string]>([
  ["a step up in the path", '{path: {id: ".."}}', "path.id cannot be part of a path"],
  ["nothing in the path", '{path: {id: ""}}', "path.id cannot be part of a path"],
  ["an object in the query", "{path: {id: x}, query: {q: {a: 1}}}", "query.q must give a text"],
])("%s is refused before anything is sent", async (_, more, message) => {
  const world = new World();
  const node = { id: "a", type: "http", url: "https://example.com/{id}/x", ...parse(more) };
  const run = new Running(flowOf(JSON.stringify([node])), world);
  expect(await run.end).toMatchObject({ status: "failed", error: { code: "invalid", message: expect.stringContaining(message) } });
  expect(world.requests).toEqual([]);
});

test.each<[string, Partial<HttpAnswer>, object]>([
  ["an answer outside 2xx", { status: 404 }, { code: "upstream", message: "the request was answered with HTTP 404" }],
  ["JSON that is none", { text: "<html>" }, { code: "upstream_invalid" }],
])("%s fails an http node", async (_, answer, error) => {
  const world = new World();
  world.http = () => answer;
  const run = new Running(flowOf(`[{id: a, type: http, url: "https://example.com/"}]`), world);
  expect(await run.end).toMatchObject({ status: "failed", node: "a", error });
});

test.each<[JsonValue, boolean, object]>([
  ["plain words", false, { content: [{ type: "text", text: "plain words" }] }],
  [{ a: 1 }, false, { content: [{ type: "text", text: '{"a":1}' }] }],
  [[1, 2], true, { content: [{ type: "text", text: "[1,2]" }], structuredContent: [1, 2] }],
  [null, false, { content: [{ type: "text", text: "null" }] }],
])("the output %j as a tool's result", (output, structured, result) => {
  const flow = { ...flowOf("[{id: a, type: emit}]"), structured };
  const outcome = outcomeOf(flow, { status: "completed", output }, "run_1");
  expect(outcome.type === "complete" && JSON.parse(outcome.result)).toEqual({ ...result, _meta: { "causeway/run": "run_1" } });
});

describe("a flow that asks", () => {
  const ASKS = `[${sql("before")}, {id: consent, type: ask, needs: [before], message: "{% 'Change ' & $steps.before.rows[0].n & '?' %}"}, ${sql("beside")}, ${sql("after", "needs: [consent]")}]`;
  const world = () => Object.assign(new World(), { database: () => [{ n: 1 }] });

  async function asked(flow: Flow, outside: World): Promise<Journal> {
    const end = await new Running(flow, outside, { canAsk: true }).end;
    if (end.status !== "waiting") throw new TypeError(`the run does not wait: ${JSON.stringify(end)}`);
    return end.journal;
  }

  test("does all that needs no answer, then waits; taken up again, it goes on from there and runs nothing twice", async () => {
    const outside = world();
    const first = new Running(flowOf(ASKS), outside, { canAsk: true });
    const end = await first.end;
    expect(end).toMatchObject({ status: "waiting", journal: { asked: { consent: { question: { method: "elicitation/create", params: { mode: "form", message: "Change 1?" } } } } } });
    expect(first.status()).toEqual({ before: "completed", beside: "completed", consent: "waiting" });
    expect(first.records.at(-1)).toMatchObject({ node: "consent", finishedAt: null });
    const kept: Journal = end.status === "waiting" ? JSON.parse(JSON.stringify(end.journal)) : {};
    outside.time = 9_000;
    const second = new Running(flowOf(ASKS), outside, { canAsk: true, resume: { journal: kept, responses: {}, answers: { consent: { action: "accept", content: {} } } } });
    expect(await second.end).toMatchObject({ status: "completed", output: { rows: [{ n: 1 }] } });
    expect(second.records.map(({ node, status, startedAt }) => [node, status, startedAt])).toEqual([["consent", "completed", 1_000], ["after", "completed", 9_000]]);
    expect(outside.started()).toEqual(["before", "beside", "after"].map((id) => expect.stringContaining(id)));
  });

  test.each(["decline", "cancel"] as const)("ends when the person does not agree (%s), and nothing behind the question runs", async (action) => {
    const outside = world();
    const journal = await asked(flowOf(ASKS), outside);
    const before = outside.queries.length;
    const run = new Running(flowOf(ASKS), outside, { canAsk: true, resume: { journal, responses: {}, answers: { consent: { action, content: null } } } });
    expect(await run.end).toMatchObject({ status: "failed", node: "consent", error: { code: "forbidden", data: { action } } });
    expect(outside.queries).toHaveLength(before);
  });

  test("goes on after a refusal where its author wants that, and sees it", async () => {
    const flow = flowOf(`[{id: q, type: ask, message: "Sure?", onDecline: continue}, {id: out, type: transform, needs: [q], value: "{% $steps.q.action %}"}]`);
    const journal = await asked(flow, world());
    expect(await new Running(flow, world(), { canAsk: true, resume: { journal, responses: {}, answers: { q: { action: "decline", content: null } } } }).end).toMatchObject({ status: "completed", output: "decline" });
  });

  test("asks all there is to ask at once, and keeps asking what was not answered, without looking again at whether to", async () => {
    const flow = flowOf(`[{id: a, type: ask, message: "{% $now() %}", when: "{% true %}"}, {id: b, type: ask, message: B}, {id: c, type: ask, needs: [b], message: C}]`);
    const journal = await asked(flow, world());
    expect(Object.keys(journal.asked)).toEqual(["a", "b"]);
    const later = Object.assign(world(), { time: 500_000 });
    const second = await new Running(flow, later, { canAsk: true, resume: { journal, responses: {}, answers: { b: { action: "accept", content: {} } } } }).end;
    expect(second).toMatchObject({ status: "waiting", journal: { asked: { a: journal.asked.a, c: {} } } });
  });

  test("may call its nodes as every object's members are called", async () => {
    const flow = flowOf("[{id: constructor, type: ask, message: M}, {id: valueOf, type: ask, message: M}]");
    expect(Object.keys((await asked(flow, world())).asked)).toEqual(["constructor", "valueOf"]);
  });

  test("fails where nobody can be asked, and where what it asks cannot be shown", async () => {
    const run = new Running(flowOf(ASKS), world());
    expect(await run.end).toMatchObject({ status: "failed", node: "consent", error: { code: "unsupported" } });
    const nested = flowOf(`[{id: q, type: ask, message: M, schema: "{% {'type': 'object', 'properties': {'a': {'type': 'object'}}} %}"}]`);
    expect(await new Running(nested, world(), { canAsk: true }).end).toMatchObject({ status: "failed", node: "q", error: { code: "invalid", message: expect.stringContaining("schema: properties.a") } });
  });

  const calls = (outcome: Outcome) => Object.assign(new World(), { tool: (): Outcome => outcome });
  const WHO = { who: { method: "elicitation/create" as const, params: { message: "Who?" } } };
  const TOOL = "[{id: t, type: tool, tool: up_ask, arguments: {at: \"{% $now() %}\"}}]";

  test("for a tool that it calls: the same call goes on with its state, and with what was answered", async () => {
    const outside = calls({ type: "input_required", inputRequests: WHO, requestState: "s1" });
    const journal = await asked(flowOf(TOOL), outside);
    expect(journal.calls?.["t"]).toMatchObject({ questions: WHO, state: "s1", takesErrors: false });
    outside.time = 500_000;
    outside.tool = () => ({ type: "complete", result: '{"content":[]}' });
    const answered = { action: "accept", content: {} };
    const second = new Running(flowOf(TOOL), outside, { resume: { journal: JSON.parse(JSON.stringify(journal)), answers: {}, responses: { "t/who": answered, "t/else": {} } } });
    expect(await second.end).toMatchObject({ status: "completed", output: { content: [] } });
    expect(outside.tools.map(({ options }) => [options.requestState, options.inputResponses])).toEqual([[null, null], ["s1", { who: answered }]]);
    expect(outside.tools[1]?.args).toEqual(outside.tools[0]?.args);
    expect(second.records).toMatchObject([{ node: "t", startedAt: 1_000, attempts: 2, calls: ["aud_0", "aud_1"] }]);
  });

  test.each([true, false])("for a tool, which hears the client's error if it can (%s)", async (hears) => {
    const outside = calls({ type: "input_required", inputRequests: WHO, requestState: "s1", ...(hears && { abandon: () => undefined }) });
    const journal = await asked(flowOf(TOOL), outside);
    const error = { [CLIENT_ERROR]: { code: -1, message: "no" } };
    await new Running(flowOf(TOOL), outside, { resume: { journal, answers: {}, responses: { "t/who": error } } }).end;
    expect(outside.tools[1]?.options.inputResponses).toEqual({ who: hears ? error : { action: "cancel" } });
  });

  test("waits for a tool that asks for time, and calls it again with its state", async () => {
    const outside = calls({ type: "input_required", inputRequests: {}, requestState: "later" });
    const run = new Running(flowOf(TOOL), outside);
    await settle();
    expect(outside.waits.map(({ ms }) => ms)).toEqual([250]);
    outside.tool = () => ({ type: "complete", result: '{"content":[]}' });
    outside.waits[0]?.pass();
    expect(await run.end).toMatchObject({ status: "completed" });
    expect(outside.tools[1]?.options).toMatchObject({ requestState: "later", inputResponses: null });
  });

  test("tells the tools that wait when nobody will answer: another node failed, or the client gave up", async () => {
    const abandon = vi.fn();
    const outside = calls({ type: "input_required", inputRequests: WHO, requestState: "s1", abandon });
    const run = new Running(flowOf(`[{id: t, type: tool, tool: up_ask}, ${sql("bad")}]`), outside);
    await settle();
    outside.pending("bad").fail(new GatewayError("upstream", "no"));
    expect(await run.end).toMatchObject({ status: "failed", node: "bad" });
    expect(abandon).toHaveBeenCalledTimes(1);
    const end = await new Running(flowOf(TOOL), outside).end;
    if (end.status === "waiting") end.abandon();
    expect(abandon).toHaveBeenCalledTimes(2);
  });

  test("does not try again what was answered: the tool may have used the answer up", async () => {
    const outside = calls({ type: "input_required", inputRequests: WHO, requestState: "s1" });
    const flow = flowOf("[{id: t, type: tool, tool: up_ask, retry: {attempts: 3}}]");
    const journal = await asked(flow, outside);
    outside.tool = () => {
      throw new GatewayError("unavailable", "gone");
    };
    expect(await new Running(flow, outside, { resume: { journal, answers: {}, responses: { "t/who": {} } } }).end).toMatchObject({ status: "failed", node: "t" });
    expect(outside.tools).toHaveLength(2);
  });

  test("has a trace in which the question is cancelled when something else fails", async () => {
    const outside = new World();
    const run = new Running(flowOf(`[{id: q, type: ask, message: M}, ${sql("bad")}]`), outside, { canAsk: true });
    await settle();
    outside.pending("bad").fail(new GatewayError("upstream", "no"));
    expect(await run.end).toMatchObject({ status: "failed", node: "bad" });
    expect(run.status()).toEqual({ q: "cancelled", bad: "failed" });
  });
});
