import type { Builtin } from "../src/model/context.ts";
import { createWorker } from "../src/worker.ts";

export { Authority, Hub, Once, Run, Session, Task, UpstreamSession } from "../src/worker.ts";

/** The gateway as deployed, with the builtins that the benchmark calls. */
const echo: Builtin = {
  kind: "tool",
  definition: {
    name: "echo",
    description: "Echo",
    inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
    annotations: { readOnlyHint: true },
  },
  async *invoke(call) {
    const { text } = Object(call.params["arguments"]);
    return { type: "complete", result: `{"content":[{"type":"text","text":${JSON.stringify(text)}}]}` };
  },
};

const rows: Builtin = {
  kind: "tool",
  definition: {
    name: "rows",
    description: "Rows come back as they were sent",
    inputSchema: { type: "object", properties: { rows: { type: "array" } }, required: ["rows"] },
    annotations: { readOnlyHint: true },
  },
  async *invoke(call) {
    return { type: "complete", result: `{"content":[],"structuredContent":${call.raw.arguments ?? "{}"}}` };
  },
};

/** Tells all who listen that the tools changed; nothing did. */
const announce: Builtin = {
  kind: "tool",
  definition: { name: "announce", description: "Announces a change", inputSchema: { type: "object" } },
  async *invoke(_call, ctx) {
    await ctx.platform.hub(ctx.workspace.id).announce([{ type: "tools" }]);
    return { type: "complete", result: `{"content":[]}` };
  },
};

const many: [string, Builtin][] = Array.from({ length: 1_000 }, (_, index) => {
  const name = `tool_${String(index).padStart(4, "0")}`;
  const inputSchema = {
    type: "object",
    properties: { query: { type: "string", description: "What to look for" }, limit: { type: "integer", minimum: 1, maximum: 100 }, region: { type: "string", enum: ["eu", "us", "ap"] } },
    required: ["query"],
  };
  const definition = { name, title: `Tool ${index}`, description: `Looks up records of kind ${index} and gives the best matches first.`, inputSchema };
  return [`many/${name}`, { ...echo, definition }];
});

export default createWorker(new Map<string, Builtin>([["bench/echo", echo], ["bench/rows", rows], ["bench/announce", announce], ...many]));
