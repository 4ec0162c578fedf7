import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { parseDocument } from "yaml";
import { z } from "zod";
import { workspaceApi } from "./api.ts";
import { CliError, facts, short, show, table, type Io } from "./io.ts";

const Agent = z.looseObject({ slug: z.string(), name: z.string().nullish(), status: z.string().nullish(), description: z.string().nullish(), version: z.number().nullish() });
const Applied = z.looseObject({
  agent: z.looseObject({ slug: z.string() }),
  version: z.looseObject({ number: z.number().nullish() }),
  published: z.looseObject({ version: z.number() }).nullable(),
});

export function agentCommands(program: Command, io: Io): void {
  const agent = program.command("agent").alias("agents").description("automations that are offered as tools");

  agent
    .command("apply")
    .description("create or change an agent from its definition, and publish it")
    .requiredOption("-f, --file <file>", "the definition, YAML or JSON; - reads standard input")
    .action(async (options: { file: string }, command: Command) => {
      const text = options.file === "-" ? await io.stdin() : read(resolve(io.cwd, options.file), options.file);
      const slug = slugOf(text, options.file);
      const body = { type: "application/yaml", text } as const;
      const { value, json } = await workspaceApi(io, command).put(`agents/${encodeURIComponent(slug)}`, Applied, body);
      const number = value.version.number ?? null;
      show(io, command, json, () => facts({ agent: slug, version: number, published: value.published === null ? "no" : `version ${value.published.version} of the catalog` }));
    });

  agent
    .command("show")
    .description("show an agent with its definition")
    .argument("<slug>")
    .action(async (slug: string, _options: unknown, command: Command) => {
      const { json } = await workspaceApi(io, command).get(`agents/${encodeURIComponent(slug)}`, z.unknown());
      show(io, command, json, () => JSON.stringify(json, null, 2));
    });

  agent
    .command("list")
    .description("list agents")
    .action(async (_options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).all("agents", Agent);
      show(io, command, json, () =>
        table(["slug", "status", "version", "description"], value.map((one) => [one.slug, one.status, one.version, short(one.description ?? one.name, 60)]), "no agents"),
      );
    });
}

function read(path: string, shown: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw new CliError(`--file: cannot read ${shown}`);
  }
}

/** JSON is YAML, so one parser reads both; the server checks all the rest. */
function slugOf(text: string, file: string): string {
  const document = parseDocument(text);
  const broken = document.errors[0];
  if (broken) throw new CliError(`--file: ${file}: ${broken.message.split("\n")[0]}`);
  const slug: unknown = document.get("slug");
  if (typeof slug === "string" && slug !== "") return slug;
  throw new CliError(`slug: ${file} has no slug`);
}
