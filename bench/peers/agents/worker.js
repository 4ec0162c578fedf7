import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpAgent } from "agents/mcp";
import { z } from "zod";

/** The agents SDK's server of legacy sessions, an object for each, with one tool. */
export class EchoAgent extends McpAgent {
  server = new McpServer({ name: "agents", version: "1" });

  async init() {
    this.server.registerTool("echo", { description: "Echo", inputSchema: { text: z.string() } }, ({ text }) => ({ content: [{ type: "text", text }] }));
  }
}

export default EchoAgent.serve("/mcp");
