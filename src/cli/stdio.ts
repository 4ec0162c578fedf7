import type { Command } from "commander";
import { workspaceApi } from "./api.ts";
import { Bridge } from "./bridge.ts";
import { CliError, type Io } from "./io.ts";
import { whoami } from "./whoami.ts";

/** What a client that closes stdin waits for answers that are under way. */
const DRAIN_MS = 1_500;

/** `causeway stdio`: an MCP server on stdin and stdout, for clients that start their servers; the gateway behind it. */
export function stdioCommand(program: Command, io: Io): void {
  program
    .command("stdio")
    .description("serve the workspace's MCP endpoint on stdin and stdout, for clients that start their servers as programs")
    .option("--toolset <slug>", "this toolset's endpoint")
    .action(async (options: { toolset?: string }, own: Command) => {
      const api = workspaceApi(io, own);
      if (api.place.operator) throw new CliError("token: the operator's token is not accepted on MCP endpoints: pass a token of the workspace");
      const { endpoint } = await whoami(api);
      const bridge = new Bridge({ endpoint: options.toolset === undefined ? endpoint : `${endpoint}/${encodeURIComponent(options.toolset)}`, token: api.place.token, out: io.out, err: io.err });
      const underWay = new Set<Promise<void>>();
      for await (const line of linesOf(io.input())) {
        const taken = bridge.take(line).finally(() => underWay.delete(taken));
        underWay.add(taken);
      }
      await Promise.race([Promise.all(underWay), new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref())]);
      await bridge.close();
    });
}

/** Lines end with a line feed and nothing else: U+2028 may stand in JSON (MCP, stdio). */
export async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string, void> {
  let rest = "";
  for await (const chunk of chunks) {
    const parts = chunk.split("\n");
    parts[0] = rest + (parts[0] ?? "");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}
