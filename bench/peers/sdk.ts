import { createMcpHandler, fromJsonSchema, McpServer } from "@modelcontextprotocol/server";

/** The official SDK's stateless handler with one tool. */
const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "sdk", version: "1" }, { capabilities: { tools: {} } });
  const inputSchema = fromJsonSchema<{ text: string }>({ type: "object", properties: { text: { type: "string" } }, required: ["text"] });
  server.registerTool("echo", { description: "Echo", inputSchema }, ({ text }) => ({ content: [{ type: "text", text }] }));
  return server;
});

export default { fetch: (request: Request) => handler.fetch(request) };
