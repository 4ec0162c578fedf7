import { expect } from "vitest";
import { isObject, type JsonObject, type JsonValue } from "../../src/model/json.ts";
import { endSession, Listener, openSession } from "../caller.ts";
import { until } from "../until.ts";
import { APP, LOGIN_URL, PNG, VENDOR_KEY } from "../upstreams/catalogue.ts";
import { BACKS, MODERN, REVISIONS, type Revision, SPOKEN } from "./columns.ts";
import type { Stage } from "./stage.ts";
import { objectsIn, type Stranger, textOf, type Transport } from "./stranger.ts";
import type { Blank, Feature } from "./table.ts";
import { callsIn } from "./tap.ts";

/*
 * The matrix: what every client must be able to do with everything behind the gateway, whatever revisions the two speak. Each row is run once for each
 * column (`columns.ts`) that it is not blank in, with an official SDK on both ends, and every message that leaves the gateway in it is held against the
 * official schema of its hop (`stage.ts`). `npm run coverage` writes the outcome into docs/coverage.md.
 */

const LEGACY = REVISIONS.filter((revision) => revision !== MODERN);

/** Upstreams that speak a legacy revision. */
const OLDER = BACKS.filter((back) => (SPOKEN[back] ?? MODERN) < MODERN);

function before(revision: Revision, because: string): Blank {
  return { revisions: REVISIONS.filter((other) => other < revision), because };
}

/** Neither for such a client, nor with such an upstream. */
function since(revision: Revision, because: string): Blank[] {
  return [before(revision, because), { backs: BACKS.filter((back) => (SPOKEN[back] ?? MODERN) < revision), because }];
}

const NO_HOP: Blank = { backs: ["own"], because: "nothing of ours has a hop behind it" };
const FORMS = since("2025-06-18", "elicitation came with 2025-06-18 (client features, elicitation)");
const NO_EVENT_IDS = "2026-07-28 has no event ids: a broken stream loses its request (streamable HTTP)";
const NO_RESUMPTION = "HTTP+SSE has no resumption (transports of 2024-11-05)";
const SIMPLE = [{ type: "text", text: "This is a simple text response for testing." }];
const WATCHED = "test://watched-resource";
const LOGS = ["Tool execution started", "Tool processing data", "Tool execution completed"];

export const FEATURES: readonly Feature[] = [
  {
    name: "handshake",
    run: async (stage) => {
      const client = await stage.connect();
      expect(client.revision).toBe(stage.column.revision);
      expect(client.server).toMatchObject({ name: "causeway" });
      expect(client.capabilities).toMatchObject({ tools: {}, prompts: {}, resources: {}, completions: {} });
      const spoken = SPOKEN[stage.column.back];
      if (spoken === null) return;
      const opening = stage.sent(true).find(({ message }) => message.method === (spoken === MODERN ? "server/discover" : "notifications/initialized"));
      // The header came with 2025-06-18 (transports, protocol version header).
      expect(opening).toBeDefined();
      expect(opening?.headers["mcp-protocol-version"]).toBe(spoken < "2025-06-18" ? undefined : spoken);
    },
  },
  {
    name: "tools: list, schemas as written",
    run: async (stage) => {
      const tools = await (await stage.connect()).all("tools");
      expect(tools.find(({ name }) => name === "json_schema_2020_12_tool")?.inputSchema).toMatchObject({ $defs: { address: {} }, properties: { address: { $ref: "#/$defs/address" } }, allOf: [{}], if: {}, additionalProperties: false });
    },
  },
  {
    name: "tools: call",
    run: async (stage) => {
      const client = await stage.connect();
      expect((await client.call("test_simple_text")).content).toEqual(SIMPLE);
      expect(textOf(await client.call("test_x_mcp_header", { region: "eu" }))).toBe("Region: eu");
    },
  },
  {
    name: "arguments in headers, `Mcp-Param-*`",
    blanks: [{ revisions: LEGACY, backs: BACKS.filter((back) => back !== "modern"), because: "`Mcp-Param-*` came with 2026-07-28 (streamable HTTP, custom headers)" }],
    run: async (stage) => {
      const client = await stage.connect();
      await client.all("tools");
      expect(textOf(await client.call("test_x_mcp_header", { region: "zürich" }))).toBe("Region: zürich");
      const header = "=?base64?esO8cmljaA==?=";
      const [said] = callsIn(stage.said());
      if (stage.column.revision === MODERN) expect(said?.headers["mcp-param-region"]).toBe(header);
      const [sent] = callsIn(stage.sent());
      expect(sent?.headers["mcp-param-region"]).toBe(stage.column.back === "modern" ? header : undefined);
    },
  },
  {
    name: "structured content",
    blanks: since("2025-06-18", "structured content came with 2025-06-18 (tools, structured content)"),
    run: async (stage) => {
      const client = await stage.connect();
      const listed = (await client.all("tools")).find(({ name }) => name === "structured");
      expect(listed?.outputSchema).toMatchObject({ type: "object", properties: { sum: { type: "number" } } });
      expect((await client.call("structured", { a: 2, b: 3 })).structuredContent).toEqual({ sum: 5 });
    },
  },
  {
    name: "structured content that is no object",
    blanks: [
      { backs: OLDER, because: "before 2026-07-28 structured content is an object (tools, structured content)" },
      before("2025-06-18", "structured content came with 2025-06-18 (tools, structured content)"),
    ],
    run: async (stage) => {
      const client = await stage.connect();
      await client.all("tools");
      const { structuredContent } = await client.call("numbers");
      expect(structuredContent).toEqual(stage.column.revision === MODERN ? [1, 2, 3] : { result: [1, 2, 3] });
    },
  },
  {
    name: "content: text, image, audio, link, embedded resource",
    run: async (stage) => {
      const client = await stage.connect();
      const { revision } = stage.column;
      const first = async (tool: string) => objectsIn((await client.call(tool)).content)[0];
      expect(await first("test_image_content")).toMatchObject({ type: "image", data: PNG, mimeType: "image/png" });
      expect(await first("test_embedded_resource")).toMatchObject({ type: "resource", resource: { uri: "test://embedded-resource", text: "This is an embedded resource content." } });
      // What a revision does not know comes as text.
      expect((await first("test_audio_content"))?.type).toBe(revision < "2025-03-26" ? "text" : "audio");
      expect((await first("test_resource_link"))?.type).toBe(revision < "2025-06-18" ? "text" : "resource_link");
      expect(objectsIn((await client.call("test_multiple_content_types")).content).map(({ type }) => type)).toEqual(["text", "image", "resource"]);
    },
  },
  {
    name: "errors of tools, unknown tools",
    run: async (stage) => {
      const client = await stage.connect();
      expect(await client.call("test_error_handling")).toMatchObject({ isError: true, content: [{ text: "This tool intentionally returns an error for testing" }] });
      await expect(client.call("no_such_tool")).rejects.toMatchObject({ code: -32602 });
    },
  },
  {
    name: "resources: list, read, not found",
    run: async (stage) => {
      const client = await stage.connect();
      expect((await client.all("resources")).map(({ uri }) => uri)).toEqual(expect.arrayContaining(["test://static-text", "test://static-binary", WATCHED]));
      expect(await client.read("test://static-text")).toMatchObject({ contents: [{ uri: "test://static-text", text: "This is the content of the static text resource." }] });
      expect(await client.read("test://static-binary")).toMatchObject({ contents: [{ blob: PNG }] });
      // The code moved with 2026-07-28 (resources, error handling).
      await expect(client.read("test://nowhere")).rejects.toMatchObject({ code: stage.column.revision === MODERN ? -32602 : -32002 });
    },
  },
  {
    name: "resources: templates",
    run: async (stage) => {
      const client = await stage.connect();
      expect((await client.all("templates")).map(({ uriTemplate }) => uriTemplate)).toContain("test://template/{id}/data");
      const [content] = objectsIn((await client.read("test://template/7/data")).contents);
      expect(JSON.parse(String(content?.text))).toMatchObject({ id: "7", templateTest: true });
    },
  },
  {
    name: "resources: subscribe, updated",
    blanks: [{ backs: ["own"], because: "no resource of our own changes yet" }],
    run: async (stage) => {
      const client = await stage.connect();
      await client.listen([WATCHED]);
      await repeated(() => stage.behind.update(WATCHED), () => client.told.some(({ method, params }) => method === "notifications/resources/updated" && params.uri === WATCHED));
    },
  },
  {
    name: "list changes",
    run: async (stage) => {
      const client = await stage.connect();
      await toldOfChanges(stage, client);
    },
  },
  {
    name: "prompts: list, get",
    run: async (stage) => {
      const client = await stage.connect();
      expect((await client.all("prompts")).find(({ name }) => name === "test_prompt_with_arguments")?.arguments).toMatchObject([{ name: "arg1", required: true }, { name: "arg2" }]);
      const { messages } = await client.prompt("test_prompt_with_arguments", { arg1: "a", arg2: "b" });
      expect(messages).toEqual([{ role: "user", content: { type: "text", text: "Prompt with arguments: arg1='a', arg2='b'" } }]);
      expect((await client.prompt("test_prompt_with_image")).messages).toMatchObject([{ content: { type: "image" } }, { content: { type: "text" } }]);
      await expect(client.prompt("no_such_prompt")).rejects.toMatchObject({ code: -32602 });
    },
  },
  {
    name: "completion",
    run: async (stage) => {
      const client = await stage.connect();
      expect(await client.complete({ prompt: "test_prompt_with_arguments" }, "arg1", "par")).toEqual(["paris", "park", "party"]);
    },
  },
  {
    name: "pages",
    run: async (stage) => {
      const client = await stage.connect();
      const names = (await client.all("tools")).map(({ name }) => name);
      const cursors = stage.said().filter(({ message }) => message.method === "tools/list").map(({ message }) => Object(message.params).cursor);
      expect(cursors.length).toBeGreaterThan(2);
      expect(cursors.slice(1).every((cursor) => typeof cursor === "string")).toBe(true);
      expect([names.length > 20, new Set(names).size]).toEqual([true, names.length]);
      await expect(client.page("tools", "no such cursor")).rejects.toMatchObject({ code: -32602 });
    },
  },
  {
    name: "progress",
    run: async (stage) => {
      const client = await stage.connect();
      const heard: number[] = [];
      await client.call("test_tool_with_progress", {}, { onprogress: (progress) => void heard.push(progress) });
      // The SDK drops what comes in one piece with the result.
      expect(heard.slice(0, 2)).toEqual([0, 50]);
      const kinds = stage.heard().map(({ method, params }) => (method === "notifications/progress" ? Object(params).progress : "response"));
      expect(kinds.slice(-4)).toEqual([0, 50, 100, "response"]);
    },
  },
  {
    name: "log messages",
    run: async (stage) => {
      const client = await stage.connect();
      await client.log("warning");
      await client.call("test_tool_with_logging");
      await client.log("info");
      await client.call("test_tool_with_logging");
      const logged = stage.heard().filter(({ method }) => method === "notifications/message");
      expect(logged.map(({ params }) => Object(params).data)).toEqual(LOGS);
    },
  },
  {
    name: "cancelling",
    run: async (stage) => {
      const client = await stage.connect();
      const before = stage.behind.cancelled();
      const stop = new AbortController();
      const call = client.call("slow", {}, { signal: stop.signal, onprogress: () => stop.abort() });
      await expect(call).rejects.toThrow();
      await until(() => stage.behind.cancelled() > before);
    },
  },
  {
    name: "elicitation: form",
    blanks: FORMS,
    run: async (stage) => {
      const asked: string[] = [];
      const client = await stage.connect({ form: (message) => (asked.push(message), { username: "ada", email: "ada@example.com" }) });
      expect(textOf(await client.call("test_elicitation", { message: "Who are you?" }))).toMatch(/action=accept, content=.*ada@example\.com/);
      expect(asked).toEqual(["Who are you?"]);
    },
  },
  {
    name: "elicitation: url",
    blanks: since("2025-11-25", "url mode came with 2025-11-25 (client features, elicitation)"),
    run: async (stage) => {
      const opened: string[] = [];
      const client = await stage.connect({ url: (url) => (opened.push(url), "accept") });
      expect(textOf(await client.call("test_elicitation_url"))).toBe("Opened: accept");
      expect(opened).toEqual([LOGIN_URL]);
    },
  },
  {
    name: "sampling",
    run: async (stage) => {
      const client = await stage.connect({ sampling: ({ messages }) => `Paris, as to ${JSON.stringify(messages)}` });
      expect(textOf(await client.call("test_sampling", { prompt: "Which capital?" }))).toMatch(/LLM response: .*Paris, as to .*Which capital\?/);
    },
  },
  {
    name: "roots",
    run: async (stage) => {
      const client = await stage.connect({ roots: ["file:///work", "file:///home"] });
      expect(textOf(await client.call("test_input_required_result_list_roots"))).toMatch(/file:\/\/\/work.*file:\/\/\/home/);
    },
  },
  {
    name: "several rounds of questions, several at once",
    blanks: FORMS,
    run: async (stage) => {
      const form = (message: string): Record<string, string> => (message.includes("color") ? { color: "green" } : { name: "Ada" });
      const client = await stage.connect({ form, sampling: () => "Welcome", roots: ["file:///work"] });
      expect(textOf(await client.call("test_input_required_result_multi_round"))).toBe("Ada likes green");
      const answered = textOf(await client.call("test_input_required_result_multiple_inputs"));
      expect([answered.includes("Ada"), answered.includes("Welcome")]).toEqual([true, true]);
    },
  },
  {
    name: "a prompt that asks",
    blanks: FORMS,
    run: async (stage) => {
      const client = await stage.connect({ form: () => ({ context: "the sea" }) });
      expect(await client.prompt("test_input_required_result_prompt")).toMatchObject({ messages: [{ content: { text: "Use this context: the sea" } }] });
    },
  },
  {
    name: "a flow that asks",
    blanks: [{ backs: BACKS.filter((back) => back !== "own"), because: "flows are ours" }, ...FORMS],
    run: async (stage) => {
      const client = await stage.connect({ form: (message): Record<string, string | boolean> => (message === "Who?" ? { name: "Ada" } : { sure: message === "Sure, Ada?" }) });
      expect(textOf(await client.call("consent"))).toBe("Ada is sure: true");
    },
  },
  {
    name: "tasks: a long call is looked at, and cancelled",
    blanks: [before(MODERN, "the tasks of 2025-11-25 were an experiment: those of upstreams are driven (`test/tasks.test.ts`), clients are offered none")],
    run: async (stage) => {
      const cancelled = stage.behind.cancelled();
      const _meta = { ...stage.envelope(), "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } } };
      const ask = async (method: string, params: JsonObject) => Object(Object(await stage.post({ jsonrpc: "2.0", id: method, method, params: { ...params, _meta } })).result);
      const { resultType, taskId } = await ask("tools/call", { name: "slow" });
      expect(resultType).toBe("task");
      expect(await ask("tasks/get", { taskId })).toMatchObject({ taskId, status: "working" });
      // What has not reached the upstream yet is cancelled without it.
      if (stage.behind.url !== null) await until(() => stage.sent().some(({ message }) => message.method === "tools/call"));
      expect(await ask("tasks/cancel", { taskId })).toMatchObject({ resultType: "complete" });
      await until(() => stage.behind.cancelled() === cancelled + 1);
      expect(await ask("tasks/get", { taskId })).toMatchObject({ taskId, status: "cancelled" });
    },
  },
  {
    name: "an upstream's stream is resumed",
    blanks: [{ backs: ["modern"], because: NO_EVENT_IDS }, { backs: ["old"], because: NO_RESUMPTION }, NO_HOP],
    run: async (stage) => {
      const client = await stage.connect();
      expect(textOf(await client.call("test_reconnection"))).toBe("Reconnection test completed");
      const answer = stage.returned().find(({ asked }) => asked === "tools/call");
      expect(answer?.headers).toHaveProperty("last-event-id");
    },
  },
  {
    name: "a client resumes a stream of ours, `Last-Event-ID`",
    blanks: [{ revisions: [MODERN], because: NO_EVENT_IDS }, before("2025-03-26", NO_RESUMPTION)],
    run: async (stage) => {
      const session = await openSession(stage.place, stage.column.revision);
      const change = changing(stage);
      const isTold = (stream: Listener) => () => stream.messages.some(({ method }) => method === "notifications/tools/list_changed");
      const broken = await Listener.get(stage.place, session);
      await repeated(change, isTold(broken));
      broken.close();
      await change();
      const again = await Listener.get(stage.place, session, broken.lastEventId);
      await until(isTold(again));
      again.close();
      await endSession(stage.place, session);
    },
  },
  {
    name: "MCP Apps: `ui://` that no list names",
    blanks: [{ backs: ["own"], because: "no tool of our own has a user interface yet" }],
    run: async (stage) => {
      const client = await stage.connect();
      const app = (await client.all("tools")).find(({ name }) => name === APP.tool);
      expect(app?._meta).toMatchObject({ ui: { resourceUri: APP.uri } });
      expect((await client.all("resources")).map(({ uri }) => uri)).not.toContain(APP.uri);
      expect(await client.read(APP.uri)).toMatchObject({ contents: [{ uri: APP.uri, mimeType: APP.mimeType, text: APP.html }] });
    },
  },
  {
    name: "`_meta` that nobody here knows",
    blanks: [NO_HOP],
    run: async (stage) => {
      const client = await stage.connect();
      const result = await client.call("test_meta", {}, { meta: { [VENDOR_KEY]: { deep: [1] } } });
      expect(textOf(result)).toBe('mark: {"deep":[1]}');
      expect(result._meta).toMatchObject({ [VENDOR_KEY]: "of the result" });
    },
  },
  {
    name: "trace context",
    blanks: [NO_HOP],
    run: async (stage) => {
      const [trace, span] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
      await (await stage.connect()).call("test_simple_text", {}, { meta: { traceparent: `00-${trace}-${span}-01` } });
      const [sent] = callsIn(stage.sent());
      const inside = Object(Object(sent?.message.params)._meta).traceparent;
      expect([sent?.headers.traceparent, inside?.split("-")[1], inside?.includes(span)]).toEqual([inside, trace, false]);
    },
  },
  {
    name: "ids: zero, texts, large ones; each its answer",
    run: async (stage) => {
      const ids: JsonValue[] = [0, "", "0", "a b", -7, Number.MAX_SAFE_INTEGER];
      const call = (id: JsonValue, nth: number) => stage.post({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "structured", arguments: { a: 100, b: nth }, _meta: stage.envelope() } });
      const answers = await Promise.all(ids.map(call));
      const said = answers.map((answer) => (isObject(answer) ? [answer.id, /\d+/.exec(textOf(Object(answer.result)))?.[0]] : []));
      expect(said).toEqual(ids.map((id, nth) => [id, String(100 + nth)]));
      const sent = callsIn(stage.sent()).map(({ message }) => message.id);
      expect(new Set(sent).size).toBe(stage.column.back === "own" ? 0 : ids.length);
      expect(sent.filter((id) => ids.includes(id ?? null))).toEqual([]);
    },
  },
  {
    name: "batches",
    blanks: [{ revisions: REVISIONS.filter((revision) => revision !== "2025-03-26"), because: "batches are 2025-03-26 only (basic protocol, batching)" }],
    run: async (stage) => {
      const answers = await stage.post([
        { jsonrpc: "2.0", id: "a", method: "ping" },
        { jsonrpc: "2.0", id: 0, method: "tools/call", params: { name: "test_simple_text" } },
      ]);
      expect(answers).toHaveLength(2);
      expect(answers).toEqual(expect.arrayContaining([{ jsonrpc: "2.0", id: "a", result: {} }, { jsonrpc: "2.0", id: 0, result: { content: SIMPLE } }]));
    },
  },
  {
    name: "idempotency keys",
    run: async (stage) => {
      const client = await stage.connect();
      const once = async (key: string) => textOf(await client.call("count", {}, { meta: { "causeway/idempotencyKey": key } }));
      const key = crypto.randomUUID();
      const first = await once(key);
      expect(await once(key)).toBe(first);
      expect(await once(crypto.randomUUID())).not.toBe(first);
    },
  },
  transport("streamable HTTP"),
  transport("HTTP+SSE", [{ revisions: REVISIONS.filter((revision) => revision !== "2024-11-05"), because: "HTTP+SSE is the transport of 2024-11-05; later ones deprecate it (transports)" }]),
  transport("WebSocket", [{ revisions: [MODERN], because: "2026-07-28 names no WebSocket (transports); `test/ws.test.ts` has its requests over one" }]),
  transport("stdio"),
];

/** The row of one transport of our face: a client connects by it, is answered, hears progress, and is told of changes. */
function transport(name: Transport, blanks: readonly Blank[] = []): Feature {
  const run = async (stage: Stage) => {
    const client = await stage.connect({}, name);
    expect((await client.all("tools")).map((tool) => tool.name)).toContain("test_simple_text");
    expect((await client.call("test_simple_text")).content).toEqual(SIMPLE);
    const heard: number[] = [];
    await client.call("test_tool_with_progress", {}, { onprogress: (progress) => void heard.push(progress) });
    // On the wire; SDK v1 drops progress that it reads in the same moment as the answer.
    const sent = stage.heard().filter(({ method }) => method === "notifications/progress").map(({ params }) => Object(params).progress);
    expect(sent).toEqual([0, 50, 100]);
    expect(heard).toEqual(sent.slice(0, heard.length));
    await expect(client.call("no_such_tool")).rejects.toMatchObject({ code: -32602 });
    await toldOfChanges(stage, client);
  };
  return { name, blanks, run };
}

async function toldOfChanges(stage: Stage, client: Stranger): Promise<void> {
  await client.listen([]);
  await repeated(changing(stage), () => client.told.some(({ method }) => method === "notifications/tools/list_changed"));
}

/** Changes the list of tools, each time it is called. */
function changing(stage: Stage): () => Promise<unknown> {
  const tool = stage.behind.prefix + "test_image_content";
  return () => stage.workspace.api("PATCH", `/tools/${tool}`, { description: `Changed, ${crypto.randomUUID()}` });
}

/** Does it until it has shown: a stream may not be open yet when the first change happens. */
async function repeated(change: () => Promise<unknown>, shows: () => boolean): Promise<void> {
  await until(async () => (await change(), until(shows, 1_000).catch(() => false)));
}
