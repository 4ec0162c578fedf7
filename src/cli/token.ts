import type { Command } from "commander";
import { z } from "zod";
import { workspaceApi } from "./api.ts";
import { facts, show, table, type Io } from "./io.ts";
import { list, moment, time } from "./values.ts";

const Token = z.looseObject({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  readOnly: z.boolean(),
  toolset: z.string().nullable(),
  expiresAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
});
const Created = z.looseObject({ token: z.string(), info: Token });

interface CreateOptions {
  scopes: string[];
  role?: string;
  readOnly?: boolean;
  toolset?: string;
  expires?: string;
}

export function tokenCommands(program: Command, io: Io): void {
  const token = program.command("token").alias("tokens").description("access tokens of the workspace");

  token
    .command("create")
    .description("create a token; it is shown once")
    .argument("<name>", "what it is for")
    .option("--scopes <scopes>", "what it may do, comma separated", list("--scopes"), ["mcp:read", "mcp:call"])
    .option("--role <role>", "role that policy rules see: owner, admin, editor, runner, viewer")
    .option("--read-only", "only reads the API and calls only tools that say they only read")
    .option("--toolset <slug>", "the only toolset it may use")
    .option("--expires <when>", "30d, 12h or a date (default: never)", moment)
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const body = {
        name,
        scopes: options.scopes,
        readOnly: options.readOnly ?? false,
        ...(options.role && { role: options.role }),
        ...(options.toolset && { toolset: options.toolset }),
        ...(options.expires && { expiresAt: options.expires }),
      };
      const { value, json } = await workspaceApi(io, command).post("tokens", Created, body);
      show(io, command, json, () => facts({ id: value.info.id, scopes: value.info.scopes.join(" "), expires: value.info.expiresAt, token: value.token }));
    });

  token
    .command("list")
    .description("list tokens, never their secrets")
    .action(async (_options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).all("tokens", Token);
      show(io, command, json, () => table(["id", "name", "state", "expires", "scopes"], value.map(row), "no tokens"));
    });

  token
    .command("revoke")
    .description("revoke a token: refused everywhere within 5 seconds")
    .argument("<id>")
    .action(async (id: string, _options: unknown, command: Command) => {
      await workspaceApi(io, command).delete(`tokens/${encodeURIComponent(id)}`);
      show(io, command, { revoked: id }, () => `revoked ${id}`);
    });
}

function row(token: z.infer<typeof Token>): (string | null)[] {
  const limits = [token.readOnly && "(read-only)", token.toolset && `(toolset ${token.toolset})`].filter(Boolean);
  return [token.id, token.name, token.revokedAt === null ? "active" : "revoked", time(token.expiresAt), [...token.scopes, ...limits].join(" ")];
}
