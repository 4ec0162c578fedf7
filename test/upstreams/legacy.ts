import { randomUUID } from "node:crypto";
import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  ErrorCode,
  EmptyResultSchema,
  GetPromptRequestSchema,
  JSONRPCMessageSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListRootsResultSchema,
  ListToolsRequestSchema,
  type LoggingLevel,
  LoggingLevelSchema,
  McpError,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import {
  completionsOf,
  CONSTANT_TOOLS,
  DEFAULTS_FORM,
  ENUMS_FORM,
  HEADER_ARGUMENT,
  INFO,
  NO_ARGUMENTS,
  PROMPTS,
  RESOURCES,
  SCHEMA_2020_12,
  TEMPLATE,
  templateText,
  text,
  TEXT_ARGUMENT,
  wait,
} from "./catalogue.ts";
import { APP_CONTENTS, hopTools } from "./legacy-hop.ts";
import { renderRoundPrompt, ROUND_PROMPT, roundTools } from "./legacy-rounds.ts";
import { pinned } from "./pinned.ts";
import { type Running, runAsProgram, serve } from "./serve.ts";

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

interface ToolFixture {
  name: string;
  description: string;
  inputSchema: { type: "object"; [keyword: string]: unknown };
  outputSchema?: { type: "object"; [keyword: string]: unknown };
  _meta?: Record<string, unknown>;
  run(args: Record<string, unknown>, extra: Extra, server: Server): CallToolResult | Promise<CallToolResult>;
}

/** What tests look at, and do, from outside. */
export interface LegacyFixture extends Running {
  /** Sessions opened so far, and still open. */
  opened(): number;
  open(): number;
  /** Calls of `slow` that were cancelled. */
  cancelled(): number;
  /** Forgets every session, as a restart does. */
  restart(): Promise<void>;
  /** Tells the sessions that subscribe to a resource that it changed; how many there are. */
  update(uri: string): Promise<number>;
  /** GET streams that are open now. */
  listening(): number;
}

/** The fixture catalogue on the official SDK v1: sessions, resumable streams, requests to the client. `revision`: the only one that it speaks; absent: all of the SDK's. */
export async function start(port?: number, revision?: string): Promise<LegacyFixture> {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const count = { opened: 0, cancelled: 0, listening: 0, counted: 0 };
  const servers = new Map<WebStandardStreamableHTTPServerTransport, Served>();

  const begin = async () => {
    const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      eventStore: new InMemoryEventStore(),
      retryInterval: 100,
      onsessioninitialized: (id) => {
        count.opened++;
        sessions.set(id, transport);
      },
      onsessionclosed: (id) => void sessions.delete(id),
    });
    const served = serverOf(() => count.cancelled++, () => ++count.counted);
    servers.set(transport, served);
    await served.server.connect(transport);
    return transport;
  };

  const running = await serve(async (request) => {
    const id = request.headers.get("mcp-session-id");
    const known = id === null ? undefined : sessions.get(id);
    if (known && request.method === "GET") {
      count.listening++;
      request.signal.addEventListener("abort", () => count.listening--, { once: true });
    }
    if (known) return known.handleRequest(request);
    if (id !== null) return Response.json({ jsonrpc: "2.0", error: { code: -32001, message: "Session not found" }, id: null }, { status: 404 });
    const transport = await begin();
    if (revision === undefined || request.method !== "POST") return transport.handleRequest(request);
    return transport.handleRequest(request, { parsedBody: pinned(JSONRPCMessageSchema.parse(await request.json()), revision) });
  }, port);

  return {
    ...running,
    opened: () => count.opened,
    open: () => sessions.size,
    cancelled: () => count.cancelled,
    listening: () => count.listening,
    update: async (uri) => {
      const subscribers = [...sessions.values()].flatMap((transport) => servers.get(transport) ?? []).filter(({ subscribed }) => subscribed.has(uri));
      for (const { server } of subscribers) await server.sendResourceUpdated({ uri });
      return subscribers.length;
    },
    restart: async () => {
      const gone = [...sessions.values()];
      sessions.clear();
      for (const transport of gone) await transport.close();
    },
  };
}

export interface Served {
  server: Server;
  subscribed: ReadonlySet<string>;
}

/** One session of it. `onCancel`: a call of `slow` was cancelled; `onCount`: calls of `count` with this one. */
export function serverOf(onCancel: () => void, onCount: () => number): Served {
  const server = new Server(INFO, {
    capabilities: { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true }, logging: {}, completions: {} },
    instructions: "Fixtures for tests.",
  });
  let least: LoggingLevel = "debug";
  const levels = LoggingLevelSchema.options;
  const tools = [...CONTENT, ...runningTools(onCancel, (level) => levels.indexOf(level) >= levels.indexOf(least)), ...ASKING, ...roundTools(server), ...hopTools(onCount)];
  server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
    least = params.level;
    return {};
  });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: tools.map(({ run: _, ...tool }) => tool) }));
  server.setRequestHandler(CallToolRequestSchema, (request, extra) => {
    const tool = tools.find(({ name }) => name === request.params.name);
    if (!tool) throw new McpError(ErrorCode.InvalidParams, `Unknown tool: ${request.params.name}`);
    return tool.run(request.params.arguments ?? {}, extra, server);
  });
  offerPrompts(server);
  return { server, subscribed: offerResources(server) };
}

function say(value: string): CallToolResult {
  return { content: [text(value)] };
}

const CONTENT: ToolFixture[] = [
  ...CONSTANT_TOOLS.map(({ name, description, content, isError }) => ({ name, description, inputSchema: NO_ARGUMENTS, run: () => ({ content, ...(isError && { isError }) }) })),
  { name: "json_schema_2020_12_tool", description: "Takes 2020-12 keywords", inputSchema: SCHEMA_2020_12, run: (args) => say(JSON.stringify(args)) },
  { name: "test_x_mcp_header", description: "An argument that travels in a header", inputSchema: HEADER_ARGUMENT, run: ({ region }) => say(`Region: ${String(region ?? "none")}`) },
];

function runningTools(onCancel: () => void, hears: (level: LoggingLevel) => boolean): ToolFixture[] {
  return [
    {
      name: "test_tool_with_progress",
      description: "Reports progress",
      inputSchema: NO_ARGUMENTS,
      run: async (_args, extra) => {
        for (const done of [0, 50, 100]) {
          await progress(extra, done);
          await wait(50);
        }
        return say("Progress is done");
      },
    },
    {
      name: "test_tool_with_logging",
      description: "Logs while it runs",
      inputSchema: NO_ARGUMENTS,
      run: async (_args, extra) => {
        for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
          // Server.sendLoggingMessage knows the level, but not which request the message belongs to.
          if (hears("info")) await extra.sendNotification({ method: "notifications/message", params: { level: "info", data } });
          await wait(50);
        }
        return say("Logging is done");
      },
    },
    {
      name: "test_reconnection",
      description: "Ends its stream in the middle of the call",
      inputSchema: NO_ARGUMENTS,
      _meta: { "causeway/resumable": true },
      run: async (_args, extra, server) => {
        await endStream(extra, server);
        await wait(200);
        return say("Reconnection test completed");
      },
    },
    {
      name: "slow",
      description: "Runs until it is cancelled, at most ten seconds",
      inputSchema: NO_ARGUMENTS,
      run: async (_args, extra) => {
        await progress(extra, 0);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 10_000);
          extra.signal.addEventListener("abort", () => {
            clearTimeout(timer);
            onCancel();
            resolve();
          });
        });
        return say("Not cancelled");
      },
    },
  ];
}

/** From 2025-11-25 on each stream begins with an event id. Before, the first is that of the first message, and the SDK leaves ending the stream to its user. */
async function endStream(extra: Extra, { transport }: Server): Promise<void> {
  if (extra.closeSSEStream) return extra.closeSSEStream();
  await extra.sendRequest({ method: "ping" }, EmptyResultSchema);
  if (transport instanceof WebStandardStreamableHTTPServerTransport) transport.closeSSEStream(extra.requestId);
}

async function progress(extra: Extra, done: number): Promise<void> {
  const progressToken = extra._meta?.progressToken;
  if (progressToken === undefined) return;
  await extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress: done, total: 100, message: `${done} of 100` } });
}

const ASKING: ToolFixture[] = [
  {
    name: "test_sampling",
    description: "Asks the client's model",
    inputSchema: TEXT_ARGUMENT("prompt"),
    run: async ({ prompt }, extra) => {
      const params = { messages: [{ role: "user" as const, content: text(String(prompt)) }], maxTokens: 100 };
      const { content } = await extra.sendRequest({ method: "sampling/createMessage", params }, CreateMessageResultSchema);
      return say(`LLM response: ${content.type === "text" ? content.text : JSON.stringify(content)}`);
    },
  },
  {
    name: "test_elicitation",
    description: "Asks the person for a user name and an e-mail address",
    inputSchema: TEXT_ARGUMENT("message"),
    run: ({ message }, extra) =>
      elicit(extra, "User response", String(message), {
        type: "object",
        properties: { username: { type: "string", description: "User's response" }, email: { type: "string", description: "User's email address" } },
        required: ["username", "email"],
      }),
  },
  { name: "test_elicitation_sep1034_defaults", description: "Asks with a default for every type", inputSchema: NO_ARGUMENTS, run: (_args, extra) => elicit(extra, "Elicitation completed", "Please review", DEFAULTS_FORM) },
  { name: "test_elicitation_sep1330_enums", description: "Asks with every kind of choice", inputSchema: NO_ARGUMENTS, run: (_args, extra) => elicit(extra, "Elicitation completed", "Please choose", ENUMS_FORM) },
  {
    name: "test_elicitation_aside",
    description: "Asks on the session's own stream, without saying for which call",
    inputSchema: NO_ARGUMENTS,
    run: async (_args, _extra, server) => {
      const { action, content } = await server.elicitInput({ message: "Who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } });
      return say(`Aside: action=${action}, content=${JSON.stringify(content ?? {})}`);
    },
  },
  {
    name: "test_list_roots",
    description: "Asks for the client's roots",
    inputSchema: NO_ARGUMENTS,
    run: async (_args, extra) => {
      const { roots } = await extra.sendRequest({ method: "roots/list" }, ListRootsResultSchema);
      return say(`Roots: ${roots.map((root) => root.uri).join(", ")}`);
    },
  },
];

type Form = Extract<ServerRequest, { method: "elicitation/create" }>["params"] extends infer Params ? (Params extends { requestedSchema: infer Schema } ? Schema : never) : never;

async function elicit(extra: Extra, label: string, message: string, requestedSchema: Form): Promise<CallToolResult> {
  const { action, content } = await extra.sendRequest({ method: "elicitation/create", params: { message, requestedSchema } }, ElicitResultSchema);
  return say(`${label}: action=${action}, content=${JSON.stringify(content ?? {})}`);
}

function offerPrompts(server: Server): void {
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: [...PROMPTS, ROUND_PROMPT].map(({ name, description, arguments: args }) => ({ name, description, arguments: args.map((argument) => ({ name: argument, description: `The argument ${argument}`, required: true })) })),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }, extra) => {
    if (params.name === ROUND_PROMPT.name) return renderRoundPrompt(extra);
    const prompt = PROMPTS.find(({ name }) => name === params.name);
    if (!prompt) throw new McpError(ErrorCode.InvalidParams, `Unknown prompt: ${params.name}`);
    return { messages: prompt.render(params.arguments ?? {}).map((content) => ({ role: "user", content })) };
  });
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => ({ completion: { values: completionsOf(params.argument.value), hasMore: false } }));
}

function offerResources(server: Server): ReadonlySet<string> {
  const subscribed = new Set<string>();
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: RESOURCES.map(({ uri, name, description, mimeType }) => ({ uri, name, description, mimeType })) }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [TEMPLATE] }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    const known = RESOURCES.find((resource) => resource.uri === uri);
    if (known) return { contents: [{ uri, mimeType: known.mimeType, ...known.body }] };
    if (uri === APP_CONTENTS.uri) return { contents: [APP_CONTENTS] };
    const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
    if (id === undefined) throw new McpError(-32002, `Resource not found: ${uri}`, { uri });
    return { contents: [{ uri, mimeType: TEMPLATE.mimeType, text: templateText(id) }] };
  });
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri);
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  return subscribed;
}

await runAsProgram(import.meta.url, start);
