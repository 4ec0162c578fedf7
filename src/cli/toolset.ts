import type { Command } from "commander";
import { z } from "zod";
import { workspaceApi } from "./api.ts";
import { CliError, show, table, type Io } from "./io.ts";
import { list } from "./values.ts";

const Toolset = z.looseObject({ slug: z.string(), upstream: z.string().nullish(), tools: z.union([z.number(), z.array(z.string())]).nullish() });
const Added = z.looseObject({ endpoint: z.string() });

export function toolsetCommands(program: Command, io: Io): void {
  const toolset = program.command("toolset").alias("toolsets").description("named subsets of the catalog with an endpoint of their own");

  toolset
    .command("add")
    .description("add a toolset: chosen tools, or one upstream under its own names")
    .argument("<slug>", "last part of its endpoint: /w/{workspace}/mcp/{slug}")
    .option("--tools <names>", "tools by name, comma separated", list("--tools"))
    .option("--upstream <slug>", "everything of one upstream, nothing renamed")
    .action(async (slug: string, options: { tools?: string[]; upstream?: string }, command: Command) => {
      if ((options.tools === undefined) === (options.upstream === undefined)) throw new CliError("tools: give --tools or --upstream");
      const { value, json } = await workspaceApi(io, command).post("toolsets", Added, { slug, ...options });
      show(io, command, json, () => `added ${slug}: ${value.endpoint}`);
    });

  toolset
    .command("list")
    .description("list toolsets")
    .action(async (_options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).all("toolsets", Toolset);
      const rows = value.map((one) => [one.slug, one.upstream ?? null, Array.isArray(one.tools) ? one.tools.length : one.tools]);
      show(io, command, json, () => table(["slug", "upstream", "tools"], rows, "no toolsets"));
    });

  toolset
    .command("remove")
    .description("remove a toolset; its tools stay")
    .argument("<slug>")
    .action(async (slug: string, _options: unknown, command: Command) => {
      await workspaceApi(io, command).delete(`toolsets/${encodeURIComponent(slug)}`);
      show(io, command, { removed: slug }, () => `removed ${slug}`);
    });
}
