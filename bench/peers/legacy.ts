/**
 * A legacy MCP server on the bare platform, without sessions. Its tool `say` answers at once; told to, it asks the client something first, and
 * answers when the client has had time to.
 */
const RESULT = JSON.stringify({ content: [{ type: "text", text: "ok" }] });
const QUESTION = JSON.stringify({ jsonrpc: "2.0", id: "q", method: "elicitation/create", params: { message: "Sure?", requestedSchema: { type: "object", properties: {} } } });
const TOOL = { name: "say", description: "say", inputSchema: { type: "object", properties: { ask: { type: "boolean" } } } };
const ANSWER_MS = 500;
const JSON_TYPE = { "content-type": "application/json" };

interface Message {
  id?: number | string;
  method?: string;
  params?: { name?: string; arguments?: { ask?: boolean } };
}

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method, params } = await request.json<Message>();
    if (id === undefined || method === undefined) return new Response(null, { status: 202 });
    const body = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${answerTo(method)}}`;
    if (!params?.arguments?.ask) return new Response(body, { headers: JSON_TYPE });
    return new Response(asking(body), { headers: { "content-type": "text/event-stream" } });
  },
};

function asking(body: string): ReadableStream<Uint8Array> {
  const frame = (message: string) => new TextEncoder().encode(`data: ${message}\n\n`);
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(frame(QUESTION));
      await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
      controller.enqueue(frame(body));
      controller.close();
    },
  });
}

function answerTo(method: string): string {
  if (method === "tools/call") return `"result":${RESULT}`;
  if (method === "tools/list") return `"result":${JSON.stringify({ tools: [TOOL] })}`;
  if (method !== "initialize") return `"error":${JSON.stringify({ code: -32601, message: "Method not found" })}`;
  return `"result":${JSON.stringify({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "legacy", version: "1" } })}`;
}
