import type { Command } from "commander";
import { z } from "zod";
import { probe, workspaceApi, type Api } from "./api.ts";
import { CliError, show, type Io } from "./io.ts";
import { connect } from "./mcp.ts";
import { placeOf } from "./place.ts";
import { whoami, type Whoami } from "./whoami.ts";

const Upstream = z.looseObject({ slug: z.string() });
const Health = z.looseObject({ ok: z.boolean(), error: z.string().nullish() });

interface Check {
  name: string;
  ok: boolean;
  detail: string;
}

export function doctorCommand(program: Command, io: Io): void {
  program
    .command("doctor")
    .description("check the gateway, the token, the MCP endpoint and the upstreams; exit code 1 when something is wrong")
    .action(async (_options: unknown, command: Command) => {
      const checks = await examine(io, command);
      const ok = checks.every((check) => check.ok);
      show(io, command, { ok, checks }, () => checks.map((check) => `${check.ok ? "ok  " : "FAIL"}  ${check.name.padEnd(10)}  ${check.detail}`).join("\n"));
      if (!ok) throw new CliError(checks.filter((check) => !check.ok).map((check) => `${check.name}: ${check.detail}`).join("\n"));
    });
}

/** Checks in the order in which one failing makes the next pointless. */
async function examine(io: Io, command: Command): Promise<Check[]> {
  const place = placeOf(io, command);
  const alive = await probe(place.origin, "/healthz");
  if (alive === null) return [{ name: "gateway", ok: false, detail: `nothing answers at ${place.origin} (from ${place.source})` }];
  const gateway = { name: "gateway", ok: alive.status === 200, detail: `${place.origin} (from ${place.source})` };
  const ready = await probe(place.origin, "/readyz");
  const readiness = { name: "ready", ok: ready?.status === 200, detail: ready === null ? "no answer" : partsOf(ready) };

  let who: Whoami;
  const api = workspaceApi(io, command);
  try {
    who = await whoami(api);
  } catch (thrown) {
    return [gateway, readiness, { name: "token", ok: false, detail: messageOf(thrown) }];
  }
  const token = { name: "token", ok: true, detail: `${who.principal.name} in ${who.workspace.slug}${who.principal.readOnly ? ", read-only" : ""}: ${who.principal.scopes.join(" ")}` };
  return [gateway, readiness, token, await endpoint(api, who), ...(await upstreams(api, who))];
}

/** Which parts `/readyz` calls unwell. */
function partsOf(answer: { status: number; text: string }): string {
  if (answer.status === 200) return "all parts";
  const unwell = [...answer.text.matchAll(/"(\w+)":"unwell"/g)].map((match) => match[1]).filter((part) => part !== "status");
  return unwell.length > 0 ? `unwell: ${unwell.join(", ")}` : `HTTP ${answer.status}`;
}

async function endpoint(api: Api, who: Whoami): Promise<Check> {
  const name = "mcp";
  if (api.place.operator) return { name, ok: true, detail: `${who.endpoint} (not called: the operator's token is not for MCP)` };
  try {
    const client = await connect(who.endpoint, api.place.token);
    const { tools } = await client.listTools();
    await client.close();
    return { name, ok: true, detail: `${who.endpoint}: ${tools.length} tools` };
  } catch (thrown) {
    return { name, ok: false, detail: `${who.endpoint}: ${messageOf(thrown)}` };
  }
}

async function upstreams(api: Api, who: Whoami): Promise<Check[]> {
  if (!who.principal.scopes.includes("catalog:read")) return [];
  const { value } = await api.all("upstreams", Upstream);
  const checks: Check[] = [];
  for (const { slug } of value) {
    const health = (await api.get(`upstreams/${encodeURIComponent(slug)}/health`, Health)).value;
    checks.push({ name: "upstream", ok: health.ok, detail: `${slug}: ${health.ok ? "up" : (health.error ?? "does not answer")}` });
  }
  return checks;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message.replace(/^token: /, "") : "failed";
}
