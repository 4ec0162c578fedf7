import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Elicit } from "./elicit.ts";
import { CliError } from "./io.ts";

/** An open official MCP client, newest revision first, on an endpoint of the gateway. `elicit`: how it answers questions, if it can. */
export async function connect(endpoint: string, token: string | null, elicit: Elicit = null): Promise<Client> {
  const client = new Client({ name: "causeway-cli", version: "0.1.0" }, { versionNegotiation: { mode: "auto" }, capabilities: elicit ? { elicitation: { form: {} } } : {} });
  if (elicit) client.setRequestHandler("elicitation/create", async ({ params }) => (params.mode === "url" ? { action: "cancel" } : elicit(params)));
  const headers: Record<string, string> = token === null ? {} : { Authorization: `Bearer ${token}` };
  try {
    await client.connect(new StreamableHTTPClientTransport(new URL(endpoint), { requestInit: { headers, redirect: "error" } }));
  } catch (thrown) {
    throw failure(thrown, "url");
  }
  return client;
}

/** What the MCP client threw, as one line that begins with the field it belongs to. */
export function failure(thrown: unknown, field: string): CliError {
  if (thrown instanceof CliError) return thrown;
  return new CliError(`${field}: ${thrown instanceof Error ? thrown.message : "the call failed"}`);
}
