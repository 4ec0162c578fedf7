import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

/** The official SDK's stateless handler with one tool, its schema written in zod as the SDK's users write theirs. */
const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "sdk", version: "1" });
  server.registerTool("echo", { description: "Echo", inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({ content: [{ type: "text", text }] }));
  return server;
});

export default { fetch: (request: Request) => handler.fetch(request) };
