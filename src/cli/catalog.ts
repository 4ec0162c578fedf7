import type { Command } from "commander";
import { z } from "zod";
import { workspaceApi } from "./api.ts";
import { CliError, show, table, type Io } from "./io.ts";
import { time } from "./values.ts";

const Published = z.looseObject({ version: z.number(), changed: z.boolean(), tools: z.number(), warnings: z.array(z.string()) });
const Version = z.looseObject({ number: z.number(), hash: z.string(), current: z.boolean().nullish(), publishedAt: z.string().nullish(), publishedBy: z.string().nullish() });

export function catalogCommands(program: Command, io: Io): void {
  program
    .command("publish")
    .description("publish the catalog as it is edited now")
    .action(async (_options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).post("publish", Published);
      show(io, command, json, () => published(value));
    });

  program
    .command("versions")
    .description("list published versions, newest first")
    .action(async (_options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).all("versions", Version);
      const rows = value.map((one) => [one.current ? `${one.number} *` : one.number, time(one.publishedAt), one.publishedBy, one.hash.slice(0, 12)]);
      show(io, command, json, () => table(["version", "published", "by", "hash"], rows, "nothing published yet"));
    });

  program
    .command("rollback")
    .description("publish an earlier version again")
    .argument("<version>", "its number, from `causeway versions`")
    .action(async (number: string, _options: unknown, command: Command) => {
      if (!/^\d{1,9}$/.test(number)) throw new CliError(`version: not a version number: ${number}`);
      const { value, json } = await workspaceApi(io, command).post("rollback", Published, { number: Number(number) });
      show(io, command, json, () => published(value));
    });
}

function published(report: z.infer<typeof Published>): string {
  const state = report.changed ? "published" : "nothing changed:";
  return [`${state} version ${report.version}, ${report.tools} tools`, ...report.warnings.map((warning) => `warning: ${warning}`)].join("\n");
}
