import {
  acceptedContent,
  createMcpHandler,
  createRequestStateCodec,
  completable,
  fromJsonSchema,
  inputRequired,
  McpServer,
  ResourceNotFoundError,
  ResourceTemplate,
  type McpHttpHandler,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import {
  completionsOf,
  CONSTANT_TOOLS,
  HEADER_ARGUMENT,
  INFO,
  PROMPTS,
  RESOURCES,
  SCHEMA_2020_12,
  TEMPLATE,
  templateText,
  text,
  wait,
} from "./catalogue.ts";
import { offerApp, registerHop } from "./modern-hop.ts";
import { declaredBy, registerAsking, registerRounds, roundPrompt, ROUND_STATE } from "./rounds.ts";
import { type Running, runAsProgram, serve } from "./serve.ts";

/** Answers of one text block. */
function say(value: string) {
  return { content: [text(value)] };
}

/** What tests look at, and do, from outside. */
export interface ModernFixture extends Running {
  /** Calls of `slow` that were given up. */
  cancelled(): number;
  notify: Pick<McpHttpHandler["notify"], "toolsChanged" | "resourceUpdated">;
  /** Streams of `subscriptions/listen` that are open now. */
  listening(): number;
  /** Offers one tool more from now on. */
  grow(): void;
}

/** The fixture catalogue on the official SDK v2, revision 2026-07-28 only. */
export function start(port?: number): Promise<ModernFixture> {
  const state = createRequestStateCodec<string>({ key: ROUND_STATE });
  let cancelled = 0;
  let listening = 0;
  let grown = false;
  let counted = 0;
  const handler: McpHttpHandler = createMcpHandler(
    () => {
      const server = new McpServer(INFO, {
        capabilities: { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true }, logging: {}, completions: {} },
        instructions: "Fixtures for tests.",
        requestState: { verify: state.verify },
      });
      registerContent(server);
      registerHop(server, () => ++counted);
      if (grown) server.registerTool("grown", { description: "Was not there before" }, () => say("grown"));
      registerRunning(server, () => cancelled++);
      registerDiagnostics(server, handler);
      registerAsking(server);
      registerRounds(server, (value, ctx) => state.mint(value, ctx));
      registerPrompts(server);
      registerResources(server);
      offerApp(server);
      return server;
    },
    { legacy: "reject" },
  );
  const answer = (request: Request) => {
    if (request.headers.get("mcp-method") === "subscriptions/listen") {
      listening++;
      request.signal.addEventListener("abort", () => listening--, { once: true });
    }
    return handler.fetch(request);
  };
  return serve(answer, port).then((running) => ({
    notify: handler.notify,
    listening: () => listening,
    grow: () => void (grown = true),
    url: running.url,
    cancelled: () => cancelled,
    close: async () => {
      await handler.close();
      await running.close();
    },
  }));
}

function registerContent(server: McpServer): void {
  for (const { name, description, content, isError } of CONSTANT_TOOLS) {
    server.registerTool(name, { description, annotations: { readOnlyHint: true } }, () => ({ content, ...(isError && { isError }) }));
  }
  server.registerTool("json_schema_2020_12_tool", { description: "Takes 2020-12 keywords", inputSchema: fromJsonSchema(SCHEMA_2020_12) }, (args) => say(JSON.stringify(args)));
  server.registerTool("test_x_mcp_header", { description: "An argument that travels in a header", inputSchema: fromJsonSchema<{ region?: string }>(HEADER_ARGUMENT) }, ({ region }) =>
    say(`Region: ${region ?? "none"}`),
  );
}

function registerRunning(server: McpServer, onCancel: () => void): void {
  server.registerTool("test_tool_with_progress", { description: "Reports progress" }, async (ctx) => {
    for (const done of [0, 50, 100]) {
      await progress(ctx, done);
      await wait(50);
    }
    return say("Progress is done");
  });
  const logging = async (ctx: ServerContext) => {
    for (const message of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
      await ctx.mcpReq.log("info", message);
      await wait(50);
    }
    return say("Logging is done");
  };
  server.registerTool("test_tool_with_logging", { description: "Logs while it runs" }, logging);
  server.registerTool("test_logging_tool", { description: "Logs while it runs" }, logging);
  server.registerTool("test_reconnection", { description: "Works for a while", _meta: { "causeway/resumable": true } }, async () => {
    await wait(200);
    return say("Reconnection test completed");
  });
  server.registerTool("slow", { description: "Runs until it is cancelled, at most ten seconds" }, async (ctx) => {
    await progress(ctx, 0);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 10_000);
      ctx.mcpReq.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        onCancel();
        resolve();
      });
    });
    return say("Not cancelled");
  });
}

async function progress(ctx: ServerContext, done: number): Promise<void> {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return;
  await ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: done, total: 100, message: `${done} of 100` } });
}

function registerDiagnostics(server: McpServer, handler: McpHttpHandler): void {
  server.registerTool("test_missing_capability", { description: "Needs a client that samples" }, (ctx) => {
    // What a handler throws becomes an error result; a question that the client cannot answer makes the SDK itself refuse with -32021.
    const question = inputRequired.createMessage({ messages: [{ role: "user", content: text("Never sent") }], maxTokens: 1 });
    if (!declaredBy(ctx).includes("sampling")) return inputRequired({ inputRequests: { question } });
    return say("The client samples");
  });
  server.registerTool("test_streaming_elicitation", { description: "Asks without a request on the stream" }, (ctx) => {
    const answer = acceptedContent<{ name: string }>(ctx.mcpReq.inputResponses, "user_name");
    if (answer) return say(`Hello, ${answer.name}!`);
    return inputRequired({ inputRequests: { user_name: inputRequired.elicit({ message: "What is your name?", requestedSchema: z.object({ name: z.string() }) }) } });
  });
  server.registerTool("test_trigger_tool_change", { description: "Announces a change of the tools" }, () => {
    handler.notify.toolsChanged();
    return say("Announced: tools");
  });
  server.registerTool("test_trigger_prompt_change", { description: "Announces a change of the prompts" }, () => {
    handler.notify.promptsChanged();
    return say("Announced: prompts");
  });
}

function registerPrompts(server: McpServer): void {
  for (const prompt of PROMPTS) {
    const render = (values: Record<string, string>) => ({ messages: prompt.render(values).map((content) => ({ role: "user" as const, content })) });
    if (prompt.arguments.length === 0) server.registerPrompt(prompt.name, { description: prompt.description }, () => render({}));
    else {
      const shape = prompt.arguments.map((name) => [name, completable(z.string().describe(`The argument ${name}`), completionsOf)]);
      server.registerPrompt(prompt.name, { description: prompt.description, argsSchema: z.object(Object.fromEntries(shape)) }, (values) => render(strings(values)));
    }
  }
  server.registerPrompt("test_input_required_result_prompt", { description: "A prompt that asks first" }, roundPrompt);
}

function strings(values: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}

function registerResources(server: McpServer): void {
  for (const { uri, name, description, mimeType, body } of RESOURCES) {
    server.registerResource(name, uri, { description, mimeType, cacheHint: { ttlMs: 60_000, cacheScope: "public" } }, () => ({ contents: [{ uri, mimeType, ...body }] }));
  }
  const template = new ResourceTemplate(TEMPLATE.uriTemplate, { list: undefined, complete: { id: (value) => ["123", "456"].filter((id) => id.startsWith(value)) } });
  server.registerResource(TEMPLATE.name, template, { description: TEMPLATE.description, mimeType: TEMPLATE.mimeType }, (uri, { id }) => {
    if (typeof id !== "string") throw new ResourceNotFoundError(uri.href);
    return { contents: [{ uri: uri.href, mimeType: TEMPLATE.mimeType, text: templateText(id) }] };
  });
}

await runAsProgram(import.meta.url, start);
