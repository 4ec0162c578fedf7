// A small MCP server on the official SDK v2, to try as an upstream. Answers clients of every revision.
//
//   npx node examples/dice-server.mjs 3002
//   npx causeway upstream add dice http://127.0.0.1:3002/mcp
//   npx causeway call dice_roll sides=20 times=3

import { createServer } from "node:http";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "dice", version: "1.0.0" });
  server.registerTool(
    "roll",
    {
      description: "Rolls dice.",
      inputSchema: z.object({ sides: z.int().min(2).max(100), times: z.int().min(1).max(10).default(1) }),
      outputSchema: z.object({ rolls: z.array(z.int()) }),
      annotations: { readOnlyHint: true },
    },
    ({ sides, times }) => {
      const rolls = Array.from({ length: times }, () => 1 + Math.floor(Math.random() * sides));
      return { content: [{ type: "text", text: rolls.join(", ") }], structuredContent: { rolls } };
    },
  );
  return server;
});

// The SDK's handler takes a web Request; this is the least that node:http needs around it.
async function answer(incoming, outgoing) {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = chunks.length > 0 ? Buffer.concat(chunks) : null;
  const { method, headers, url } = incoming;
  const response = await handler.fetch(new Request(new URL(url, "http://127.0.0.1"), { method, headers, body, signal: gone.signal }));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  for await (const chunk of response.body ?? []) outgoing.write(chunk);
  outgoing.end();
}

const port = Number(process.argv[2] ?? 3002);
createServer((incoming, outgoing) => answer(incoming, outgoing).catch(() => outgoing.destroy())).listen(port, "127.0.0.1", () => console.log(`dice: http://127.0.0.1:${port}/mcp`));
