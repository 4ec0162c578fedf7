import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import {
  type CallToolResult,
  CreateMessageResultSchema,
  ElicitResultSchema,
  type GetPromptResult,
  ListRootsResultSchema,
  McpError,
  type ServerNotification,
  type ServerRequest,
} from "@modelcontextprotocol/sdk/types.js";
import { NO_ARGUMENTS, text } from "./catalogue.ts";

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;
type Run = (extra: Extra) => CallToolResult | Promise<CallToolResult>;

/*
 * What the suite probes a modern server with, as a server of the older revisions does it: where the modern one answers with a
 * question, this one sends a request to the client in the middle of the call.
 */

/** `server`: whose client is asked what it can, and told of changes. */
export function roundTools(server: Server) {
  const tool = (name: string, description: string, run: Run) => ({ name, description, inputSchema: NO_ARGUMENTS, run: (_args: Record<string, unknown>, extra: Extra) => run(extra) });
  const round = (name: string, description: string, run: Run) => tool(`test_input_required_result_${name}`, description, run);
  const confirm: Run = async (extra) => say(`state-ok: ${await field(extra, "Please confirm", "ok", { type: "boolean" })}`);
  return [
    round("elicitation", "Asks for a name and greets", async (extra) => say(`Hello, ${await field(extra, "What is your name?", "name")}!`)),
    round("sampling", "Asks the client's model for a capital", async (extra) => say(`LLM response: ${await sampled(extra, "What is the capital of France?", 100)}`)),
    round("list_roots", "Asks for the client's roots", async (extra) => say(`Roots: ${await roots(extra)}`)),
    round("request_state", "Asks for a confirmation", confirm),
    round("tampered_state", "Asks for a confirmation", confirm),
    round("multiple_inputs", "Asks three things at once", async (extra) => {
      const answers = [field(extra, "What is your name?", "name"), sampled(extra, "Generate a greeting", 50), roots(extra)];
      return say((await Promise.all(answers)).join(", "));
    }),
    round("multi_round", "Asks twice, one after the other", async (extra) => {
      const name = await field(extra, "Step 1: What is your name?", "name");
      return say(`${name} likes ${await field(extra, "Step 2: What is your favorite color?", "color")}`);
    }),
    round("capabilities", "Asks only what the client declared", async (extra) => {
      const declared = server.getClientCapabilities();
      const answers: Promise<string>[] = [];
      if (declared?.elicitation) answers.push(field(extra, "What is your name?", "name"));
      if (declared?.sampling) answers.push(sampled(extra, "What is the capital of France?", 100));
      if (declared?.roots) answers.push(roots(extra));
      return say((await Promise.all(answers)).join(", ") || "Nothing is left to ask");
    }),
    tool("test_missing_capability", "Needs a client that samples", () => {
      if (server.getClientCapabilities()?.sampling) return say("The client samples");
      throw new McpError(-32021, "the client does not sample", { requiredCapabilities: { sampling: {} } });
    }),
    tool("test_streaming_elicitation", "Asks in the middle of the call", async (extra) => say(`Hello, ${await field(extra, "What is your name?", "name")}!`)),
    tool("test_logging_tool", "Logs while it runs", async (extra) => {
      await extra.sendNotification({ method: "notifications/message", params: { level: "info", data: "Logged" } });
      return say("Logging is done");
    }),
    tool("test_trigger_tool_change", "Announces a change of the tools", async () => {
      await server.sendToolListChanged();
      return say("Announced: tools");
    }),
    tool("test_trigger_prompt_change", "Announces a change of the prompts", async () => {
      await server.sendPromptListChanged();
      return say("Announced: prompts");
    }),
  ];
}

export const ROUND_PROMPT = { name: "test_input_required_result_prompt", description: "A prompt that asks first", arguments: [] };

export async function renderRoundPrompt(extra: Extra): Promise<GetPromptResult> {
  const context = await field(extra, "What context should the prompt use?", "context");
  return { messages: [{ role: "user", content: text(`Use this context: ${context}`) }] };
}

function say(value: string): CallToolResult {
  return { content: [text(value)] };
}

async function field(extra: Extra, message: string, name: string, property: { type: "string" } | { type: "boolean" } = { type: "string" }): Promise<string> {
  const requestedSchema = { type: "object" as const, properties: { [name]: property }, required: [name] };
  const { action, content } = await extra.sendRequest({ method: "elicitation/create", params: { message, requestedSchema } }, ElicitResultSchema);
  return action === "accept" ? String(content?.[name]) : action;
}

async function sampled(extra: Extra, prompt: string, maxTokens: number): Promise<string> {
  const params = { messages: [{ role: "user" as const, content: text(prompt) }], maxTokens };
  const { content } = await extra.sendRequest({ method: "sampling/createMessage", params }, CreateMessageResultSchema);
  return content.type === "text" ? content.text : JSON.stringify(content);
}

async function roots(extra: Extra): Promise<string> {
  const listed = await extra.sendRequest({ method: "roots/list" }, ListRootsResultSchema);
  return listed.roots.map((root) => root.uri).join(" ");
}
