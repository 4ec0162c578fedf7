import { Argument, type Command } from "commander";
import { z } from "zod";
import { workspaceApi } from "./api.ts";
import { addCall } from "./call.ts";
import { CliError, short, show, table, type Io } from "./io.ts";

const Tool = z.looseObject({
  name: z.string(),
  status: z.string(),
  kind: z.string(),
  upstream: z.string().nullish(),
  description: z.string().nullish(),
  asks: z.string().nullish(),
});
type Tool = z.infer<typeof Tool>;

export function toolCommands(program: Command, io: Io): void {
  const tools = program.command("tools").alias("tool").description("the tools of the catalog");
  const change = async (command: Command, name: string, body: Record<string, unknown>, done: string): Promise<void> => {
    const { json } = await workspaceApi(io, command).patch(`tools/${encodeURIComponent(name)}`, z.unknown(), body);
    show(io, command, json, () => done);
  };

  tools
    .command("list")
    .description("list all tools")
    .action(async (_options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).all("tools", Tool);
      show(io, command, json, () => table(["name", "state", "from", "asks", "description"], value.map(row), "no tools"));
    });

  tools
    .command("enable")
    .description("offer a tool again, and publish")
    .argument("<name>")
    .action((name: string, _options: unknown, command: Command) => change(command, name, { enabled: true }, `enabled ${name}`));

  tools
    .command("disable")
    .description("stop offering a tool, and publish")
    .argument("<name>")
    .action((name: string, _options: unknown, command: Command) => change(command, name, { enabled: false }, `disabled ${name}`));

  tools
    .command("rename")
    .description("rename a tool; calls by the old name still arrive for 90 days")
    .argument("<name>")
    .argument("<new-name>")
    .action((name: string, rename: string, _options: unknown, command: Command) => change(command, name, { rename }, `renamed ${name} to ${rename}`));

  tools
    .command("describe")
    .description("give a tool a description of your own")
    .argument("<name>")
    .argument("[description]")
    .option("--reset", "go back to the upstream's own description")
    .action((name: string, description: string | undefined, options: { reset?: boolean }, command: Command) => {
      if ((description === undefined) !== (options.reset ?? false)) throw new CliError("description: give a description, or --reset");
      return change(command, name, { description: description ?? null }, `described ${name}`);
    });

  tools
    .command("asks")
    .description("say whether a tool may ask its client in the middle of a call; calls of one that never does need no object")
    .argument("<name>")
    .addArgument(new Argument("<asks>").choices(["may", "never"]))
    .action((name: string, asks: string, _options: unknown, command: Command) => change(command, name, { asks }, `${name} ${asks === "may" ? "may ask" : "never asks"}`));

  tools
    .command("approve")
    .description("approve what changed in a quarantined tool, and publish")
    .argument("<name>")
    .action(async (name: string, _options: unknown, command: Command) => {
      const { json } = await workspaceApi(io, command).post(`tools/${encodeURIComponent(name)}/approve`, z.unknown());
      show(io, command, json, () => `approved ${name}`);
    });

  addCall(tools.command("call"), io);
}

function row(tool: Tool): (string | null | undefined)[] {
  return [tool.name, tool.status, tool.upstream ?? tool.kind, tool.asks === "never" ? "never" : null, short(tool.description, 60)];
}
