import { Option, type Command } from "commander";
import { z } from "zod";
import { workspaceApi } from "./api.ts";
import { CliError, facts, show, table, type Io } from "./io.ts";
import { header, time, variable } from "./values.ts";

const Upstream = z.looseObject({
  slug: z.string(),
  url: z.string(),
  tools: z.number().nullish(),
  revision: z.string().nullish(),
  revisionAt: z.string().nullish(),
  syncedAt: z.string().nullish(),
});
const Published = z.looseObject({ version: z.number(), warnings: z.array(z.string()).default([]) });
const Login = z.looseObject({ url: z.string(), expiresAt: z.string() });
const Report = z.looseObject({
  upstream: Upstream,
  added: z.array(z.string()),
  changed: z.array(z.string()),
  removed: z.array(z.string()),
  quarantined: z.array(z.string()),
  invalid: z.array(z.looseObject({ name: z.string(), reason: z.string() })),
  published: Published.nullable(),
  login: Login.nullish(),
});
const Known = z.looseObject({ revision: z.string(), at: z.string() });
const Health = z.looseObject({ ok: z.boolean(), revision: z.string().nullish(), known: Known.nullish(), latencyMs: z.number().nullish(), error: z.string().nullish() });

interface OAuthOptions {
  clientId?: string;
  clientSecretEnv?: string;
  issuer?: string;
  scope?: string;
}

interface AddOptions extends OAuthOptions {
  oauth?: boolean;
  clientCredentials?: boolean;
  bearer?: string;
  bearerEnv?: string;
  header?: { name: string; value: string };
  review?: boolean;
  toolset?: boolean;
}

export function upstreamCommands(program: Command, io: Io): void {
  const upstream = program.command("upstream").alias("upstreams").description("remote MCP servers whose tools the workspace offers");

  const add = upstream
    .command("add")
    .description("add an MCP server by its URL, and publish what it offers")
    .argument("<slug>", "short name, prefix of its tools; may be left out: `upstream add https://…` takes it from the host")
    .argument("[url]", "the server's MCP endpoint")
    .addOption(new Option("--bearer <token>", "send this bearer token").conflicts(["bearerEnv", "header"]))
    .addOption(new Option("--bearer-env <variable>", "send the bearer token in this environment variable").conflicts(["bearer", "header"]))
    .addOption(new Option("--header <header>", "send this header, 'Name: value'").argParser(header).conflicts(["bearer", "bearerEnv"]))
    .addOption(new Option("--oauth", "log in to it with OAuth: prints where").conflicts(["bearer", "bearerEnv", "header"]))
    .addOption(new Option("--client-credentials", "with OAuth, as the client itself: nobody logs in").implies({ oauth: true }).conflicts(["bearer", "bearerEnv", "header"]))
    .option("--review", "hold its tools back until they are approved")
    .option("--toolset", "give it an endpoint of its own, with its own names")
    .action(async (first: string, second: string | undefined, options: AddOptions, command: Command) => {
      const { slug, url } = named(first, second);
      const credential = credentialOf(options, io);
      const body = { slug, url, ...(credential && { credential }), review: options.review ?? false, toolset: options.toolset ?? false };
      const { value, json } = await workspaceApi(io, command).post("upstreams", Report, body);
      show(io, command, json, () => (value.login ? invited(value.upstream.slug, value.login) : reported(value)));
    });

  const login = upstream
    .command("login")
    .description("log in again to an upstream that was added with --oauth: prints where")
    .argument("<slug>")
    .action(async (slug: string, options: OAuthOptions, command: Command) => {
      const { value, json } = await workspaceApi(io, command).post(`upstreams/${encodeURIComponent(slug)}/login`, z.looseObject({ login: Login.nullable() }), wishesOf(options, io));
      show(io, command, json, () => (value.login ? invited(slug, value.login) : `${slug}: the gateway has logged in`));
    });

  for (const command of [add, login]) {
    command
      .option("--client-id <id>", "with OAuth: a client registered by hand at the authorization server")
      .option("--client-secret-env <variable>", "its secret is in this environment variable")
      .option("--issuer <url>", "the authorization server it is registered at")
      .option("--scope <scopes>", "with OAuth: ask for these scopes, in place of what the upstream says");
  }

  upstream
    .command("sync")
    .description("read again what an upstream offers, and publish it")
    .argument("<slug>")
    .option("--review", "hold back what changed until it is approved")
    .action(async (slug: string, options: { review?: boolean }, command: Command) => {
      const path = `upstreams/${encodeURIComponent(slug)}/sync${options.review ? "?review=true" : ""}`;
      const { value, json } = await workspaceApi(io, command).post(path, Report);
      show(io, command, json, () => reported(value));
    });

  upstream
    .command("remove")
    .description("remove an upstream with its tools, and publish")
    .argument("<slug>")
    .action(async (slug: string, _options: unknown, command: Command) => {
      await workspaceApi(io, command).delete(`upstreams/${encodeURIComponent(slug)}`);
      show(io, command, { removed: slug }, () => `removed ${slug}`);
    });

  upstream
    .command("list")
    .description("list upstreams")
    .action(async (_options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).all("upstreams", Upstream);
      const rows = value.map((one) => [one.slug, one.url, one.tools, one.revision, time(one.revisionAt), time(one.syncedAt)]);
      show(io, command, json, () => table(["slug", "url", "tools", "revision", "found", "synced"], rows, "no upstreams"));
    });

  upstream
    .command("health")
    .description("ask an upstream now whether it answers; exit code 1 when it does not")
    .argument("<slug>")
    .action(async (slug: string, _options: unknown, command: Command) => {
      const { value, json } = await workspaceApi(io, command).get(`upstreams/${encodeURIComponent(slug)}/health`, Health);
      const latency = value.latencyMs === null || value.latencyMs === undefined ? null : `${Math.round(value.latencyMs)} ms`;
      const known = value.known && `${value.known.revision}, found ${time(value.known.at)}`;
      show(io, command, json, () => facts({ state: value.ok ? "up" : "down", revision: value.revision, known, answered: latency }));
      if (!value.ok) throw new CliError(`${slug}: ${value.error ?? "does not answer"}`);
    });
}

/** `slug url`, `url slug` or the URL alone, whose host then gives the slug. */
function named(first: string, second: string | undefined): { slug: string; url: string } {
  const isUrl = (text: string): boolean => /^https?:\/\//i.test(text);
  if (isUrl(first)) return { slug: second ?? slugOf(first), url: first };
  if (second === undefined) throw new CliError(`url: give the MCP endpoint of ${first}, like https://mcp.example.com/mcp`);
  if (!isUrl(second)) throw new CliError(`url: not an http(s) address: ${second}`);
  return { slug: first, url: second };
}

/** The telling label of a host: `https://api.githubcopilot.com/mcp` → `githubcopilot`. */
function slugOf(url: string): string {
  const labels = URL.canParse(url) ? new URL(url).hostname.split(".") : [];
  const own = labels.length > 1 ? labels.slice(0, -1) : labels;
  const slug = own.at(-1)?.replaceAll(/[^a-z0-9-]/g, "").slice(0, 20);
  if (!slug || /^\d+$/.test(slug)) throw new CliError(`slug: give a short name first: causeway upstream add <slug> ${url}`);
  return slug;
}

function credentialOf(options: AddOptions, io: Io): Record<string, unknown> | null {
  if (options.oauth) return { kind: "oauth", flow: options.clientCredentials ? "client_credentials" : "authorization_code", ...wishesOf(options, io) };
  const stray = (["clientId", "clientSecretEnv", "issuer", "scope"] as const).find((name) => options[name] !== undefined);
  if (stray) throw new CliError("oauth: client and scopes are for --oauth");
  if (options.header) return { kind: "header", ...options.header };
  if (options.bearerEnv) return { kind: "bearer", token: variable(io.env, "--bearer-env", options.bearerEnv) };
  return options.bearer ? { kind: "bearer", token: options.bearer } : null;
}

function wishesOf({ clientId, clientSecretEnv, issuer, scope }: OAuthOptions, io: Io): Record<string, unknown> {
  if (clientId === undefined && (clientSecretEnv ?? issuer) !== undefined) throw new CliError("client-id: give the client's id with its secret and issuer");
  const secret = clientSecretEnv === undefined ? undefined : variable(io.env, "--client-secret-env", clientSecretEnv);
  return { ...(clientId !== undefined && { client: { id: clientId, secret, issuer } }), ...(scope !== undefined && { scope }) };
}

function invited(slug: string, login: z.infer<typeof Login>): string {
  return `${slug}: log in at\n\n  ${login.url}\n\nuntil ${time(login.expiresAt)}; its tools are published when that is done`;
}

function reported(report: z.infer<typeof Report>): string {
  const counts = (["added", "changed", "removed", "quarantined"] as const).filter((what) => report[what].length > 0).map((what) => `${report[what].length} ${what}`);
  const lines = [`${report.upstream.slug}: ${counts.join(", ") || "nothing changed"}`];
  lines.push(...report.added.map((name) => `  + ${name}`), ...report.changed.map((name) => `  ~ ${name}`), ...report.removed.map((name) => `  - ${name}`));
  lines.push(...report.quarantined.map((name) => `  ? ${name}  (causeway tools approve ${name})`));
  lines.push(...report.invalid.map((one) => `  ! ${one.name}: ${one.reason}`));
  lines.push(report.published === null ? "not published" : report.published.changed ? `published version ${report.published.version}` : `version ${report.published.version} stands`);
  lines.push(...(report.published?.warnings ?? []).map((warning) => `warning: ${warning}`));
  return lines.join("\n");
}
