import type { Command } from "commander";
import { z } from "zod";
import { workspaceApi } from "./api.ts";
import { facts, show, table, type Io } from "./io.ts";
import { count, time } from "./values.ts";

const Run = z.looseObject({
  id: z.string(),
  agent: z.string().nullish(),
  status: z.string(),
  startedAt: z.string().nullish(),
  finishedAt: z.string().nullish(),
});
const Page = z.looseObject({ items: z.array(Run), after: z.string().nullish() });
const Node = z.looseObject({
  node: z.string(),
  type: z.string().nullish(),
  status: z.string(),
  startedAt: z.string().nullish(),
  finishedAt: z.string().nullish(),
  error: z.unknown().optional(),
});
const Trace = z.looseObject({ run: Run, nodes: z.array(Node) });

interface ListOptions {
  agent?: string;
  limit?: number;
  after?: string;
}

export function runCommands(program: Command, io: Io): void {
  const runs = program.command("runs").alias("run").description("what agents did");

  runs
    .command("list")
    .description("list runs, newest first")
    .option("--agent <slug>", "of one agent")
    .option("--limit <count>", "how many", count)
    .option("--after <cursor>", "go on where a page ended")
    .action(async (options: ListOptions, command: Command) => {
      const query = new URLSearchParams(Object.entries(options).map(([key, value]) => [key, String(value)]));
      const { value, json } = await workspaceApi(io, command).get(query.size === 0 ? "runs" : `runs?${query}`, Page);
      const rows = value.items.map((one) => [one.id, one.agent, one.status, time(one.startedAt), lasted(one)]);
      const more = value.after ? `\nmore: causeway runs list --after ${value.after}` : "";
      show(io, command, json, () => table(["id", "agent", "status", "started", "took"], rows, "no runs") + more);
    });

  runs
    .command("trace")
    .description("show one run node by node")
    .argument("<id>")
    .action(async (id: string, _options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).get(`runs/${encodeURIComponent(id)}`, Trace);
      const head = facts({ run: value.run.id, agent: value.run.agent, status: value.run.status, started: time(value.run.startedAt), took: lasted(value.run) });
      const rows = value.nodes.map((node) => [node.node, node.type, node.status, lasted(node), node.error ? JSON.stringify(node.error) : ""]);
      show(io, command, json, () => `${head}\n\n${table(["node", "type", "status", "took", "error"], rows, "no nodes ran")}`);
    });
}

function lasted(span: { startedAt?: string | null | undefined; finishedAt?: string | null | undefined }): string | null {
  if (!span.startedAt || !span.finishedAt) return null;
  return `${Date.parse(span.finishedAt) - Date.parse(span.startedAt)} ms`;
}
