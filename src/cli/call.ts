import { type CallToolResult, ProtocolError, type Tool } from "@modelcontextprotocol/client";
import type { Command } from "commander";
import { MISSING_CAPABILITY } from "../protocol/jsonrpc.ts";
import { workspaceApi } from "./api.ts";
import { argumentsOf } from "./arguments.ts";
import { elicitor } from "./elicit.ts";
import { CliError, show, type Io } from "./io.ts";
import { connect, failure } from "./mcp.ts";
import { whoami } from "./whoami.ts";

/** Longest call the gateway can be configured to allow (`totalMs`). */
const CALL_MS = 900_000;

interface CallOptions {
  args?: string;
  toolset?: string;
  accept?: true | string[];
}

export function callCommand(program: Command, io: Io): void {
  addCall(program.command("call"), io);
}

/** `causeway call` and `causeway tools call`: one tool call as every MCP client makes it, progress on stderr. */
export function addCall(command: Command, io: Io): void {
  command
    .description("call a tool over MCP: `call orders-report top=3`; exit code 1 when the tool reports an error")
    .argument("<tool>")
    .argument("[arguments...]", "key=value, typed by the tool's schema; key:=json for JSON; or one JSON object")
    .option("--args <json>", "all arguments as a JSON object")
    .option("--toolset <slug>", "call it on this toolset's endpoint")
    .option("--accept [fields...]", "agree to what the call asks, with these fields as key=value; without it a terminal asks you")
    .action(async (name: string, words: string[], options: CallOptions, own: Command) => {
      const api = workspaceApi(io, own);
      if (api.place.operator) throw new CliError("token: the operator's token is not accepted on MCP endpoints: pass a token of the workspace");
      const { endpoint } = await whoami(api);
      const { accept } = options;
      const elicit = elicitor(io, accept === undefined ? null : accept === true ? [] : accept);
      const client = await connect(options.toolset === undefined ? endpoint : `${endpoint}/${encodeURIComponent(options.toolset)}`, api.place.token, elicit);
      try {
        const tool = await definition(client, name);
        const result = await client.callTool(
          { name, arguments: argumentsOf(words, options.args, tool?.inputSchema) },
          { onprogress: (progress) => io.err(progressLine(progress)), timeout: CALL_MS, ...(tool && { toolDefinition: tool }) },
        );
        show(io, own, result, () => text(result));
        if (result.isError) throw new CliError(`${name}: the tool reports an error`);
      } catch (thrown) {
        if (thrown instanceof ProtocolError && thrown.code === MISSING_CAPABILITY) throw new CliError(`${name}: it asks a person: call it in a terminal, or with --accept and the fields it asks for`);
        throw failure(thrown, name);
      } finally {
        await client.close();
      }
    });
}

/** Null when the list cannot be had or lacks the tool: the call itself then says what is wrong. */
async function definition(client: { listTools(): Promise<{ tools: Tool[] }> }, name: string): Promise<Tool | null> {
  try {
    return (await client.listTools()).tools.find((tool) => tool.name === name) ?? null;
  } catch {
    return null;
  }
}

function progressLine(progress: { progress: number; total?: number; message?: string }): string {
  const share = progress.total === undefined ? `${progress.progress}` : `${progress.progress}/${progress.total}`;
  return `[${share}] ${progress.message ?? ""}`.trimEnd();
}

function text(result: CallToolResult): string {
  const blocks = result.content.map((block) => {
    if (block.type === "text") return block.text;
    if (block.type === "resource_link") return `[resource ${block.uri}]`;
    if (block.type === "resource") return "text" in block.resource ? block.resource.text : `[resource ${block.resource.uri}]`;
    return `[${block.type} ${block.mimeType}]`;
  });
  if (blocks.length === 0 && result.structuredContent !== undefined) return JSON.stringify(result.structuredContent, null, 2);
  return blocks.join("\n");
}
