import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import { type CallToolResult, ElicitResultSchema, type ServerNotification, type ServerRequest } from "@modelcontextprotocol/sdk/types.js";
import { APP, LOGIN_URL, NO_ARGUMENTS, SUM_ARGUMENTS, SUM_RESULT, text, VENDOR_KEY } from "./catalogue.ts";

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

export const APP_CONTENTS = { uri: APP.uri, mimeType: APP.mimeType, text: APP.html };

/** Tools for what a hop must carry. `onCount`: how many calls of `count` there were with this one. */
export function hopTools(onCount: () => number) {
  const say = (value: string): CallToolResult => ({ content: [text(value)] });
  return [
    {
      name: "structured",
      description: "Answers with structured content",
      inputSchema: SUM_ARGUMENTS,
      outputSchema: SUM_RESULT,
      run: ({ a, b }: Record<string, unknown>): CallToolResult => {
        const sum = Number(a) + Number(b);
        return { ...say(String(sum)), structuredContent: { sum } };
      },
    },
    {
      name: "test_meta",
      description: "Says which mark came with the request, and marks its result",
      inputSchema: NO_ARGUMENTS,
      run: (_: Record<string, unknown>, extra: Extra): CallToolResult => ({ ...say(`mark: ${JSON.stringify(extra._meta?.[VENDOR_KEY] ?? null)}`), _meta: { [VENDOR_KEY]: "of the result" } }),
    },
    { name: "count", description: "Counts its calls", inputSchema: NO_ARGUMENTS, run: () => say(`call ${onCount()}`) },
    {
      name: "test_elicitation_url",
      description: "Asks the person to open a page",
      inputSchema: NO_ARGUMENTS,
      run: async (_: Record<string, unknown>, extra: Extra) => {
        const params = { mode: "url" as const, message: "Please sign in", url: LOGIN_URL, elicitationId: crypto.randomUUID() };
        const { action } = await extra.sendRequest({ method: "elicitation/create", params }, ElicitResultSchema);
        return say(`Opened: ${action}`);
      },
    },
    { name: APP.tool, description: "Has a user interface", inputSchema: NO_ARGUMENTS, _meta: { ui: { resourceUri: APP.uri } }, run: () => say("Shown") },
  ];
}
