import { Command, CommanderError } from "commander";
import { agentCommands } from "./agent.ts";
import { callCommand } from "./call.ts";
import { catalogCommands } from "./catalog.ts";
import { connectionCommands } from "./connection.ts";
import { doctorCommand } from "./doctor.ts";
import { CliError, type Io } from "./io.ts";
import { runCommands } from "./runs.ts";
import { stdioCommand } from "./stdio.ts";
import { tokenCommands } from "./token.ts";
import { toolCommands } from "./tools.ts";
import { toolsetCommands } from "./toolset.ts";
import { upstreamCommands } from "./upstream.ts";
import { workspaceCommands } from "./workspace.ts";

/**
 * Runs one command line (without `node` and the script) and returns its exit code: 0, or 1 with one clear error on
 * stderr. Never throws for what a person can mend.
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    await program(io).parseAsync(argv, { from: "user" });
    return 0;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 1;
    if (!(thrown instanceof CliError)) throw thrown;
    for (const line of thrown.message.split("\n")) io.err(`error: ${line}`);
    return 1;
  }
}

function program(io: Io): Command {
  const causeway = new Command("causeway")
    .description("Manage a Causeway gateway: workspaces, tokens, upstreams, tools, agents and runs.")
    .option("--url <url>", "the gateway, or an MCP endpoint of it (CAUSEWAY_URL; default: the one `npm start` runs here)")
    .option("--token <token>", "access token (CAUSEWAY_TOKEN)")
    .option("--workspace <slug>", "workspace by slug or id (CAUSEWAY_WORKSPACE)")
    .option("--json", "print the API's answer as JSON")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
    })
    // Subcommands inherit both only when they are made after this line.
    .exitOverride();
  workspaceCommands(causeway, io);
  tokenCommands(causeway, io);
  connectionCommands(causeway, io);
  upstreamCommands(causeway, io);
  toolCommands(causeway, io);
  toolsetCommands(causeway, io);
  callCommand(causeway, io);
  agentCommands(causeway, io);
  catalogCommands(causeway, io);
  runCommands(causeway, io);
  stdioCommand(causeway, io);
  doctorCommand(causeway, io);
  return causeway;
}
