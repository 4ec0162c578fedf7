import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { CliError, type Io } from "./io.ts";

/** Which gateway, which workspace, as whom. */
export interface Place {
  /** `https://host`, without a path. */
  origin: string;
  /** Id or slug; null when nothing says. */
  workspace: string | null;
  token: string | null;
  /** The token is the operator's: good for the API, never for an MCP endpoint. */
  operator: boolean;
  /** Where the gateway's address came from, for people. */
  source: string;
}

const Dev = z.looseObject({
  endpoint: z.string(),
  token: z.string().optional(),
  operator: z.string().optional(),
  workspaces: z.record(z.string(), z.looseObject({ token: z.string().optional() })).optional(),
});
type Dev = z.infer<typeof Dev>;

interface Flags {
  url?: string;
  token?: string;
  workspace?: string;
}

/**
 * Flags win over `CAUSEWAY_*` variables, those over the `dev.json` of the local default.
 * The tokens of `dev.json` go only to the origin that file names, so that a `--url` elsewhere never receives them.
 */
export function placeOf(io: Io, command: Command): Place {
  const { flags, dev, address } = pointed(io, command);
  const local = dev !== null && addressOf(dev.endpoint, "dev.json endpoint").origin === address.origin ? dev : null;
  const own = flags.token ?? io.env["CAUSEWAY_TOKEN"] ?? null;
  const workspace =
    flags.workspace ?? io.env["CAUSEWAY_WORKSPACE"] ?? address.workspace ?? workspaceOf(own) ?? (local && addressOf(local.endpoint, "dev.json endpoint").workspace);
  const token = own ?? (local && localToken(local, workspace));
  if (token !== null) return { origin: address.origin, workspace, token, operator: token === io.env["CAUSEWAY_OPERATOR_TOKEN"] || token === local?.operator, source: address.source };
  const operator = io.env["CAUSEWAY_OPERATOR_TOKEN"] ?? local?.operator ?? null;
  return { origin: address.origin, workspace, token: operator, operator: operator !== null, source: address.source };
}

/** The same gateway as its operator: `--token`, `CAUSEWAY_OPERATOR_TOKEN` or the operator token of `dev.json`. */
export function operatorPlace(io: Io, command: Command): Place {
  const { flags, dev, address } = pointed(io, command);
  const local = dev !== null && addressOf(dev.endpoint, "dev.json endpoint").origin === address.origin ? dev : null;
  const token = flags.token ?? io.env["CAUSEWAY_OPERATOR_TOKEN"] ?? local?.operator ?? null;
  if (token === null) throw new CliError("token: this needs the operator's token: set CAUSEWAY_OPERATOR_TOKEN or pass --token");
  return { origin: address.origin, workspace: null, token, operator: true, source: address.source };
}

interface Address {
  origin: string;
  workspace: string | null;
  source: string;
}

function pointed(io: Io, command: Command): { flags: Flags; dev: Dev | null; address: Address } {
  const flags: Flags = command.optsWithGlobals();
  const file = join(io.env["CAUSEWAY_DATA"] ?? join(io.cwd, ".causeway"), "dev.json");
  const given = flags.url ?? io.env["CAUSEWAY_URL"];
  const dev = readDev(file, given === undefined);
  if (given !== undefined) return { flags, dev, address: addressOf(given, flags.url === undefined ? "CAUSEWAY_URL" : "--url") };
  if (dev === null) throw new CliError("url: which gateway? Pass --url, set CAUSEWAY_URL, or run this where `npm start` runs");
  return { flags, dev, address: { ...addressOf(dev.endpoint, file), workspace: null } };
}

/** Takes `https://host`, the API's address or a pasted MCP endpoint `https://host/w/{workspace}/mcp`. */
function addressOf(text: string, source: string): Address {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) throw new CliError(`url: ${source} is not an http(s) address: ${text}`);
  const workspace = /^\/w\/([^/]+)(?:\/|$)/.exec(url.pathname)?.[1] ?? null;
  return { origin: url.origin, workspace, source };
}

/** A damaged file is reported only where nothing else says where to go. */
function readDev(file: string, needed: boolean): Dev | null {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return null;
  }
  try {
    return Dev.parse(JSON.parse(text));
  } catch {
    if (!needed) return null;
    throw new CliError(`url: ${file} is damaged: start the gateway again with \`npm start\`, or pass --url`);
  }
}

/** The id inside `cwy_{workspace id}_…`: a token alone says which workspace is meant. */
function workspaceOf(token: string | null): string | null {
  return /^cwy_(ws_[a-z0-9]+)_/.exec(token ?? "")?.[1] ?? null;
}

function localToken(dev: Dev, workspace: string | null): string | null {
  if (workspace === null) return dev.token ?? null;
  const known = dev.workspaces?.[workspace]?.token;
  if (known !== undefined) return known;
  return addressOf(dev.endpoint, "dev.json endpoint").workspace === workspace ? (dev.token ?? null) : null;
}
