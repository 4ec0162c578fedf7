import type { Command } from "commander";
import { z } from "zod";
import { operatorApi } from "./api.ts";
import { facts, show, table, type Io } from "./io.ts";
import { list } from "./values.ts";

const Workspace = z.looseObject({ id: z.string(), slug: z.string(), name: z.string() });
const Created = z.looseObject({ workspace: Workspace, token: z.string(), endpoint: z.string() });

export function workspaceCommands(program: Command, io: Io): void {
  const workspace = program.command("workspace").alias("workspaces").description("workspaces of this gateway (needs the operator's token: CAUSEWAY_OPERATOR_TOKEN)");

  workspace
    .command("create")
    .description("create a workspace and its first owner token")
    .argument("<slug>", "its name in URLs; never changes")
    .option("--name <name>", "its name for people (default: the slug)")
    .option("--anonymous <scopes>", "scopes of callers without a token, comma separated", list("--anonymous"))
    .option("--hosts <names>", "host names of its own, comma separated", list("--hosts"))
    .action(async (slug: string, options: { name?: string; anonymous?: string[]; hosts?: string[] }, command: Command) => {
      const body = { slug, name: options.name ?? slug, ...(options.anonymous && { anonymous: options.anonymous }), ...(options.hosts && { hosts: options.hosts }) };
      const { value, json } = await operatorApi(io, command).post("workspaces", Created, body);
      show(io, command, json, () =>
        `${facts({ workspace: value.workspace.slug, id: value.workspace.id, endpoint: value.endpoint, token: value.token })}\n\nThe token is shown once: it owns the workspace.`,
      );
    });

  workspace
    .command("list")
    .description("list all workspaces")
    .action(async (_options: unknown, command: Command) => {
      const { value, json } = await operatorApi(io, command).all("workspaces", Workspace);
      show(io, command, json, () => table(["slug", "name", "id"], value.map((one) => [one.slug, one.name, one.id]), "no workspaces"));
    });
}
