import { randomUUID } from "node:crypto";
import { InMemoryTaskMessageQueue, InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { ElicitResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { isObject, type JsonObject, type JsonValue } from "../../src/model/json.ts";
import { until } from "../until.ts";
import { type Running, serve } from "./serve.ts";

/* Upstreams that run a call as a task, of either era. */

/** A task of the modern upstream, as a test moves it. */
export interface Job {
  id: string;
  status: string;
  statusMessage?: string;
  inputRequests?: JsonObject;
  result?: JsonObject;
  error?: JsonObject;
}

export interface ModernTasked extends Running {
  /** Tasks so far, in their order. */
  jobs: Job[];
  /** Every request about tasks: method, params. */
  asked: { method: string; params: JsonObject }[];
  /** Client capabilities of every call. */
  declared: JsonValue[];
  job(at: number): Promise<Job>;
}

const REVISION = "2026-07-28";
const TASKS = "io.modelcontextprotocol/tasks";

/** Revision 2026-07-28, by hand: the official server has no tasks. Its tool `job` runs as a task only. */
export async function startModernTasked(): Promise<ModernTasked> {
  const jobs: Job[] = [];
  const asked: ModernTasked["asked"] = [];
  const declared: JsonValue[] = [];
  const find = (params: JsonObject) => jobs.find(({ id }) => id === params.taskId);
  const run = (method: string, params: JsonObject): JsonObject => {
    const capabilities = capabilitiesIn(params);
    if (method === "server/discover") return complete({ supportedVersions: [REVISION], capabilities: { tools: {}, extensions: { [TASKS]: {} } }, ttlMs: 0, cacheScope: "private" });
    if (method === "tools/list") return complete({ tools: [{ name: "job", description: "Runs as a task", inputSchema: { type: "object" } }], ttlMs: 0, cacheScope: "private" });
    if (method === "tools/call") {
      declared.push(capabilities);
      if (!isObject(capabilities.extensions) || !capabilities.extensions[TASKS]) return { error: { code: -32021, message: "tasks only", data: { requiredCapabilities: { extensions: { [TASKS]: {} } } } } };
      const job = { id: `upstream-${randomUUID()}`, status: "working" };
      jobs.push(job);
      return { result: { resultType: "task", ...taskOf(job), vendor: 12345678901234567890n.toString() } };
    }
    asked.push({ method, params });
    const job = find(params);
    if (!job) return { error: { code: -32602, message: "unknown task" } };
    if (method === "tasks/get") return complete({ ...taskOf(job), ...(job.inputRequests && { inputRequests: job.inputRequests }), ...(job.result && { result: job.result }), ...(job.error && { error: job.error }) });
    if (method === "tasks/cancel") job.status = "cancelled";
    if (method === "tasks/update") {
      job.status = "working";
      delete job.inputRequests;
    }
    return complete({});
  };
  const running = await serve(async (request) => {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const message: JsonValue = JSON.parse(await request.text());
    const { id, method, params } = isObject(message) ? message : {};
    const answer = run(String(method), isObject(params) ? params : {});
    return Response.json({ jsonrpc: "2.0", id, ...answer }, { status: isObject(answer.error) && answer.error.code === -32021 ? 400 : 200 });
  });
  const job = async (at: number) => {
    await until(() => jobs.length > at);
    const found = jobs[at];
    if (!found) throw new Error("no such job");
    return found;
  };
  return { ...running, jobs, asked, declared, job };
}

function complete(result: JsonObject): JsonObject {
  return { result: { resultType: "complete", ...result } };
}

function taskOf({ id, status, statusMessage }: Job): JsonObject {
  const at = "2026-11-21T00:00:00.000Z";
  return { taskId: id, status, createdAt: at, lastUpdatedAt: at, ttlMs: 60_000, pollIntervalMs: 200, ...(statusMessage !== undefined && { statusMessage }) };
}

function capabilitiesIn({ _meta }: JsonObject): JsonObject {
  const capabilities = isObject(_meta) ? _meta["io.modelcontextprotocol/clientCapabilities"] : null;
  return isObject(capabilities) ? capabilities : {};
}

export interface LegacyTasked extends Running {
  /** Ends the task that began as the nth. */
  finish(at: number, text: string): Promise<void>;
  status(at: number): Promise<string>;
  /** Tasks so far. */
  count(): number;
  /** Requests for a result so far: who waits for one knows its task. */
  awaited(): number;
}

/** Revision 2025-11-25 on the official SDK v1: `job` runs as a task only; with `ask` it wants to know a name, after a while. */
export async function startLegacyTasked(): Promise<LegacyTasked> {
  const transports = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const store = new InMemoryTaskStore();
  const queue = new InMemoryTaskMessageQueue();
  const begun: { id: string; finish(text: string): Promise<void> }[] = [];
  const begin = async () => {
    const server = new McpServer(
      { name: "tasked", version: "1" },
      { capabilities: { tasks: { cancel: {}, requests: { tools: { call: {} } } } }, taskStore: store, taskMessageQueue: queue },
    );
    server.experimental.tasks.registerToolTask(
      "job",
      { description: "Runs as a task", inputSchema: { ask: z.boolean().default(false), afterMs: z.number().default(0) }, execution: { taskSupport: "required" } },
      {
        createTask: async ({ ask, afterMs }, { taskStore }) => {
          const task = await taskStore.createTask({ ttl: 60_000, pollInterval: 100 });
          let name = "nobody";
          const question = async () => {
            await new Promise((resolve) => setTimeout(resolve, afterMs));
            const params = { message: "Who?", requestedSchema: { type: "object" as const, properties: { name: { type: "string" as const } } } };
            await taskStore.updateTaskStatus(task.taskId, "input_required");
            const { content } = await server.server.request({ method: "elicitation/create", params }, ElicitResultSchema, { relatedTask: { taskId: task.taskId } });
            name = String(content?.name);
            await taskStore.updateTaskStatus(task.taskId, "working");
          };
          const asked = ask ? question() : Promise.resolve();
          asked.catch(() => undefined);
          const finish = async (text: string) => {
            await asked;
            await taskStore.storeTaskResult(task.taskId, "completed", { content: [{ type: "text", text: `${text}, ${name}` }] });
          };
          begun.push({ id: task.taskId, finish });
          return { task };
        },
        getTask: async (_args, { taskId, taskStore }) => taskStore.getTask(taskId),
        getTaskResult: async (_args, { taskId, taskStore }) => z.object({ content: z.array(z.object({ type: z.literal("text"), text: z.string() })) }).parse(await taskStore.getTaskResult(taskId)),
      },
    );
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => randomUUID(), onsessioninitialized: (id) => void transports.set(id, transport) });
    await server.connect(transport);
    return transport;
  };
  let awaited = 0;
  const running = await serve(async (request) => {
    if (/"method":"tasks\/result"/.test(await request.clone().text())) awaited++;
    const id = request.headers.get("mcp-session-id");
    const transport = id === null ? await begin() : transports.get(id);
    return transport ? transport.handleRequest(request) : new Response(null, { status: 404 });
  });
  const at = async (nth: number) => {
    await until(() => begun.length > nth);
    const found = begun[nth];
    if (!found) throw new Error("no such task");
    return found;
  };
  return {
    ...running,
    finish: async (nth, text) => (await at(nth)).finish(text),
    status: async (nth) => (await store.getTask((await at(nth)).id))?.status ?? "gone",
    count: () => begun.length,
    awaited: () => awaited,
    close: async () => {
      store.cleanup();
      await running.close();
    },
  };
}
