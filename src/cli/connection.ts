import { Option, type Command } from "commander";
import { z } from "zod";
import { workspaceApi } from "./api.ts";
import { CliError, show, table, type Io } from "./io.ts";
import { variable } from "./values.ts";

const Connection = z.looseObject({ id: z.string(), name: z.string(), kind: z.string(), origin: z.string().nullish() });

export function connectionCommands(program: Command, io: Io): void {
  const connection = program.command("connection").alias("connections").description("databases of the workspace, for flows");

  connection
    .command("add")
    .description("add a Postgres database; its address is stored sealed and never shown again")
    .argument("<name>", "what flows call it")
    .argument("[url]", "postgres://…")
    .addOption(new Option("--url-env <variable>", "take the address from an environment variable"))
    .action(async (name: string, url: string | undefined, options: { urlEnv?: string }, command: Command) => {
      if ((url === undefined) === (options.urlEnv === undefined)) throw new CliError("url: give the database's address, or --url-env with the variable that holds it");
      const body = { kind: "postgres", name, url: url ?? variable(io.env, "--url-env", options.urlEnv ?? "") };
      const { value, json } = await workspaceApi(io, command).post("connections", Connection, body);
      show(io, command, json, () => `added ${value.name} (${value.id})`);
    });

  connection
    .command("list")
    .description("list connections, never their secrets")
    .action(async (_options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).all("connections", Connection);
      show(io, command, json, () => table(["id", "name", "kind", "origin"], value.map((one) => [one.id, one.name, one.kind, one.origin]), "no connections"));
    });

  connection
    .command("remove")
    .description("remove a connection: calls that need it fail from now on")
    .argument("<id>")
    .action(async (id: string, _options: unknown, command: Command) => {
      await workspaceApi(io, command).delete(`connections/${encodeURIComponent(id)}`);
      show(io, command, { removed: id }, () => `removed ${id}`);
    });
}
