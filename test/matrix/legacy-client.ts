import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { CallToolResultSchema, type ClientCapabilities, CreateMessageRequestSchema, ElicitRequestSchema, type JSONRPCMessage, ListRootsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { addressOf, type Answers, bridgeTo, type Door, objectsIn, plain, type Stranger, unprefixed } from "./stranger.ts";

const INFO = { name: "a-stranger", version: "1.0.0" };

/** The official client of SDK v1, speaking this legacy revision. */
export async function connectLegacy(revision: string, door: Door, answers: Answers): Promise<Stranger> {
  const transport = pinned(transportTo(door), revision);
  const client = new Client(INFO, { capabilities: capabilitiesOf(answers, revision) });
  answer(client, answers);
  const told: Stranger["told"] = [];
  client.fallbackNotificationHandler = async ({ method, params }) => void told.push({ method, params: plain(params) });
  await client.connect(transport.transport);
  const named = (name: string) => door.prefix + name;

  const page: Stranger["page"] = async (list, cursor) => (await pageOf(list, cursor)).items;
  const pageOf = async (list: Parameters<Stranger["page"]>[0], cursor?: string) => {
    const params = cursor === undefined ? {} : { cursor };
    const result = plain(await { tools: () => client.listTools(params), prompts: () => client.listPrompts(params), resources: () => client.listResources(params), templates: () => client.listResourceTemplates(params) }[list]());
    const items = unprefixed(objectsIn(result[list === "templates" ? "resourceTemplates" : list]), list, door.prefix);
    return { items, next: typeof result.nextCursor === "string" ? result.nextCursor : null };
  };

  return {
    revision: transport.negotiated(),
    server: plain(client.getServerVersion()),
    capabilities: plain(client.getServerCapabilities()),
    told,
    page,
    all: async (list) => {
      const found = [];
      for (let got = await pageOf(list); ; got = await pageOf(list, got.next)) {
        found.push(...got.items);
        if (got.next === null) return found;
      }
    },
    call: async (tool, args = {}, { onprogress, signal, meta } = {}) => {
      const params = { name: named(tool), arguments: args, ...(meta && { _meta: meta }) };
      const heard = onprogress && { onprogress: ({ progress }: { progress: number }) => onprogress(progress) };
      return plain(await client.callTool(params, CallToolResultSchema, { ...heard, ...(signal && { signal }) }));
    },
    read: async (uri) => plain(await client.readResource({ uri })),
    prompt: async (name, args = {}) => plain(await client.getPrompt({ name: named(name), arguments: args })),
    complete: async (of, argument, value) => {
      const ref = "prompt" in of ? { type: "ref/prompt" as const, name: named(of.prompt) } : { type: "ref/resource" as const, uri: of.template };
      return (await client.complete({ ref, argument: { name: argument, value } })).completion.values;
    },
    log: async (level) => void (await client.setLoggingLevel(level)),
    listen: async (uris) => {
      for (const uri of uris) await client.subscribeResource({ uri });
    },
    close: async () => {
      if (transport.transport instanceof StreamableHTTPClientTransport) await transport.transport.terminateSession();
      await client.close();
    },
  };
}

function transportTo(door: Door): Transport {
  const url = addressOf(door);
  const requestInit = { headers: { authorization: `Bearer ${door.token}` } };
  switch (door.transport) {
    case "streamable HTTP":
      return new StreamableHTTPClientTransport(url, { requestInit });
    case "HTTP+SSE":
      return new SSEClientTransport(url, { requestInit });
    case "WebSocket":
      // It has no place for a header: the tap adds it.
      return new WebSocketClientTransport(url);
    case "stdio":
      return new StdioClientTransport(bridgeTo(door));
  }
}

/** The client only ever proposes its newest revision, so the proposal is replaced on its way out. */
function pinned(transport: Transport, revision: string): { transport: Transport; negotiated(): string } {
  let negotiated = "";
  const send = transport.send.bind(transport);
  transport.send = (message, options) => send(proposing(message, revision), options);
  const set = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (version) => {
    negotiated = version;
    set?.(version);
  };
  return { transport, negotiated: () => negotiated };
}

function proposing(message: JSONRPCMessage, protocolVersion: string): JSONRPCMessage {
  if (!("method" in message) || message.method !== "initialize") return message;
  return { ...message, params: { ...message.params, protocolVersion } };
}

/** Elicitation came with 2025-06-18, its modes with 2025-11-25. */
function capabilitiesOf({ form, url, sampling, roots }: Answers, revision: string): ClientCapabilities {
  const modes = revision < "2025-11-25" ? {} : { ...(form && { form: {} }), ...(url && { url: {} }) };
  return { ...((form || url) && { elicitation: modes }), ...(sampling && { sampling: {} }), ...(roots && { roots: {} }) };
}

function answer(client: Client, { form, url, sampling, roots }: Answers): void {
  if (form || url) {
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      if (params.mode === "url") return { action: url?.(params.url) ?? "decline" };
      return form ? { action: "accept", content: form(params.message, plain(params.requestedSchema)) } : { action: "decline" };
    });
  }
  if (sampling) {
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
      return { role: "assistant", model: "m", content: { type: "text", text: sampling(plain(params)) } };
    });
  }
  if (roots) client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: roots.map((uri) => ({ uri })) }));
}
