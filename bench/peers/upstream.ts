/** A modern MCP server on the bare platform: `small` answers at once, `large` with a 64 KiB text. */
const LARGE = JSON.stringify({ resultType: "complete", content: [{ type: "text", text: "x".repeat(64 * 1024) }] });
const SMALL = JSON.stringify({ resultType: "complete", content: [{ type: "text", text: "ok" }] });
const CACHE = { ttlMs: 0, cacheScope: "private" };

interface Message {
  id: number | string;
  method: string;
  params: { name: string };
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { id, method, params } = await request.json<Message>();
    const body = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${resultOf(method, params)}}`;
    return new Response(body, { headers: { "content-type": "application/json" } });
  },
};

function resultOf(method: string, params: Message["params"]): string {
  if (method === "tools/call") return params.name === "large" ? LARGE : SMALL;
  if (method === "server/discover") return JSON.stringify({ resultType: "complete", supportedVersions: ["2026-07-28"], capabilities: { tools: {} }, ...CACHE });
  const tools = ["small", "large"].map((name) => ({ name, description: name, inputSchema: { type: "object" } }));
  return JSON.stringify({ resultType: "complete", tools, ...CACHE });
}
