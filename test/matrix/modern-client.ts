import { Client, type ClientCapabilities, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { addressOf, type Answers, bridgeTo, type Door, objectsIn, plain, type Stranger, unprefixed } from "./stranger.ts";

const INFO = { name: "a-stranger", version: "2.0.0" };
const LOG_LEVEL = "io.modelcontextprotocol/logLevel";

/** The official client of SDK v2, speaking this modern revision and nothing else. */
export async function connectModern(revision: string, door: Door, answers: Answers): Promise<Stranger> {
  const client = new Client(INFO, { capabilities: capabilitiesOf(answers), versionNegotiation: { mode: { pin: revision } } });
  answer(client, answers);
  const told: Stranger["told"] = [];
  client.fallbackNotificationHandler = async ({ method, params }) => void told.push({ method, params: plain(params) });
  const authorization = { authorization: `Bearer ${door.token}` };
  await client.connect(door.transport === "stdio" ? new StdioClientTransport(bridgeTo(door)) : new StreamableHTTPClientTransport(addressOf(door), { requestInit: { headers: authorization } }));
  const named = (name: string) => door.prefix + name;
  const closing: (() => Promise<void>)[] = [];
  let level: string | null = null;

  const entries = async (list: Parameters<Stranger["all"]>[0], params?: { cursor: string }) => {
    const result = plain(await { tools: () => client.listTools(params), prompts: () => client.listPrompts(params), resources: () => client.listResources(params), templates: () => client.listResourceTemplates(params) }[list]());
    return unprefixed(objectsIn(result[list === "templates" ? "resourceTemplates" : list]), list, door.prefix);
  };

  return {
    revision: client.getNegotiatedProtocolVersion() ?? "",
    server: plain(client.getServerVersion()),
    capabilities: plain(client.getServerCapabilities()),
    told,
    // Without a cursor the SDK goes through all pages itself.
    all: (list) => entries(list),
    page: (list, cursor) => entries(list, { cursor }),
    call: async (tool, args = {}, { onprogress, signal, meta } = {}) => {
      const _meta = { ...meta, ...(level !== null && { [LOG_LEVEL]: level }) };
      const heard = onprogress && { onprogress: ({ progress }: { progress: number }) => onprogress(progress) };
      return plain(await client.callTool({ name: named(tool), arguments: args, _meta }, { ...heard, ...(signal && { signal }) }));
    },
    read: async (uri) => plain(await client.readResource({ uri })),
    prompt: async (name, args = {}) => plain(await client.getPrompt({ name: named(name), arguments: args })),
    complete: async (of, argument, value) => {
      const ref = "prompt" in of ? { type: "ref/prompt" as const, name: named(of.prompt) } : { type: "ref/resource" as const, uri: of.template };
      return (await client.complete({ ref, argument: { name: argument, value } })).completion.values;
    },
    log: async (wanted) => void (level = wanted),
    listen: async (uris) => {
      const subscription = await client.listen({ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, ...(uris.length > 0 && { resourceSubscriptions: uris }) });
      closing.push(() => subscription.close());
    },
    close: async () => {
      for (const close of closing) await close();
      await client.close();
    },
  };
}

function capabilitiesOf({ form, url, sampling, roots }: Answers): ClientCapabilities {
  return { ...((form || url) && { elicitation: { ...(form && { form: {} }), ...(url && { url: {} }) } }), ...(sampling && { sampling: {} }), ...(roots && { roots: {} }) };
}

function answer(client: Client, { form, url, sampling, roots }: Answers): void {
  if (form || url) {
    client.setRequestHandler("elicitation/create", ({ params }) => {
      if (params.mode === "url") return { action: url?.(params.url) ?? "decline" };
      return form ? { action: "accept", content: form(params.message, plain(params.requestedSchema)) } : { action: "decline" };
    });
  }
  if (sampling) {
    client.setRequestHandler("sampling/createMessage", ({ params }) => {
      return { role: "assistant", model: "m", content: { type: "text", text: sampling(plain(params)) } };
    });
  }
  if (roots) client.setRequestHandler("roots/list", () => ({ roots: roots.map((uri) => ({ uri })) }));
}
