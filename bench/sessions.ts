import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

/**
 * A legacy session at `url`, by the official SDK's handshake; answers its id. `first`: a call to make in it once, by a client that declares
 * elicitation and is asked something by it.
 */
export async function openSession(url: string, token: string, first?: { name: string; arguments: Record<string, unknown> }): Promise<string> {
  const client = new Client({ name: "bench", version: "1.0.0" }, { capabilities: first ? { elicitation: {} } : {} });
  let asked = 0;
  if (first) {
    client.setRequestHandler(ElicitRequestSchema, () => {
      asked += 1;
      return { action: "accept" as const, content: {} };
    });
  }
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${token}` } } });
  await client.connect(transport);
  const { sessionId } = transport;
  if (first) await client.callTool(first);
  await client.close();
  if (first && asked === 0) throw new Error(`${first.name} at ${url} asked nothing`);
  if (sessionId === undefined) throw new Error(`${url} opened no session`);
  return sessionId;
}
