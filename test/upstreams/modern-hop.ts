import { fromJsonSchema, inputRequired, inputResponse, type McpServer } from "@modelcontextprotocol/server";
import { APP, LOGIN_URL, RESOURCES, SUM_ARGUMENTS, SUM_RESULT, text, VENDOR_KEY } from "./catalogue.ts";

/** Tools for what a hop must carry. `onCount`: how many calls of `count` there were with this one. */
export function registerHop(server: McpServer, onCount: () => number): void {
  const sum = { description: "Answers with structured content", inputSchema: fromJsonSchema<{ a: number; b: number }>(SUM_ARGUMENTS), outputSchema: fromJsonSchema<{ sum: number }>(SUM_RESULT) };
  server.registerTool("structured", sum, ({ a, b }) => ({ content: [text(String(a + b))], structuredContent: { sum: a + b } }));
  const numbers = { description: "Answers with structured content that is no object", outputSchema: fromJsonSchema<number[]>({ type: "array", items: { type: "number" } }) };
  server.registerTool("numbers", numbers, () => ({ content: [text("[1,2,3]")], structuredContent: [1, 2, 3] }));
  server.registerTool("test_meta", { description: "Says which mark came with the request, and marks its result" }, (ctx) => {
    const mark = ctx.mcpReq._meta?.[VENDOR_KEY];
    return { content: [text(`mark: ${JSON.stringify(mark ?? null)}`)], _meta: { [VENDOR_KEY]: "of the result" } };
  });
  server.registerTool("count", { description: "Counts its calls" }, () => ({ content: [text(`call ${onCount()}`)] }));
  server.registerTool("test_elicitation_url", { description: "Asks the person to open a page" }, (ctx) => {
    const answer = inputResponse(ctx.mcpReq.inputResponses, "login");
    if (answer.kind !== "elicit") return inputRequired({ inputRequests: { login: inputRequired.elicitUrl({ message: "Please sign in", url: LOGIN_URL }) } });
    return { content: [text(`Opened: ${answer.action}`)] };
  });
  server.registerTool(APP.tool, { description: "Has a user interface", _meta: { ui: { resourceUri: APP.uri } } }, () => ({ content: [text("Shown")] }));
}

/** The interface's resource is read without being listed, as hosts of MCP Apps expect it to be. */
export function offerApp(server: McpServer): void {
  server.registerResource("board", APP.uri, { mimeType: APP.mimeType }, () => ({ contents: [{ uri: APP.uri, mimeType: APP.mimeType, text: APP.html }] }));
  server.server.setRequestHandler("resources/list", () => ({ resources: RESOURCES.map(({ body: _, ...listed }) => listed) }));
}
