import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MAXIMUM_LIMITS } from "../src/model/limits.ts";
import { type Gateway, startGateway, type TestWorkspace } from "../test/harness/gateway.ts";
import { openBackstage } from "./backstage/backstage.ts";
import type { Shot } from "./load.ts";
import { type Peer, startPeer } from "./peer.ts";
import { install } from "./install.ts";
import { openSession } from "./sessions.ts";
import { answer, call, echo, legacyCall, legacyEcho, list, rows } from "./shots.ts";

/** Whom a round asks. `gateway` shots leave audit records, of which the workspace is known. */
export const SHOTS = ["bare", "sdk", "echo", "hono", "control", "rows", "honoRows", "small", "proxySmall", "large", "proxyLarge", "list", "honoList", "direct", "legacy", "agents", "inObject", "inWorker"] as const;
export type ShotName = (typeof SHOTS)[number];

export interface Stage {
  gateway: Gateway;
  proxy: Peer;
  shots: Record<ShotName, Shot>;
  /** The workspaces whose calls are counted. */
  workspaces: string[];
  stop(): Promise<void>;
}

/** Twenty rules: half look at names, half at arguments, none stops what is measured. */
const RULES = Array.from({ length: 20 }, (_, index) =>
  index % 2 === 0
    ? { id: `name-${index}`, what: { tools: [`danger_${index}_*`] }, effect: "deny" }
    : { id: `argument-${index}`, what: { tools: ["*"] }, when: [{ pointer: "/text", op: "equals", value: `forbidden ${index}` }], effect: "deny" },
);

/** The gateway with every control on, and each peer, all in processes of their own. */
export async function openStage(options: { inspect?: boolean } = {}): Promise<Stage> {
  const inspect = options.inspect ?? false;
  const backstage = await openBackstage();
  const gateway = await startGateway({ databaseUrl: backstage.databaseUrl, audit: backstage.audit, entry: fileURLToPath(new URL("worker.ts", import.meta.url)), second: {}, vars: { LIMITS: JSON.stringify(MAXIMUM_LIMITS) }, inspect });
  const [upstream, old] = [await startPeer("upstream"), await startPeer("legacy")];
  const [main, many] = [await workspace(gateway, ["bench/echo", "bench/rows"]), await workspace(gateway, { set: "many" })];
  await main.api("POST", "/upstreams", { slug: "up", url: `${upstream.origin}/` });
  await main.api("POST", "/upstreams", { slug: "old", url: `${old.origin}/` });
  const [first = "", second = ""] = gateway.runtime.origins.values();
  const [at, manyAt] = [`${first}/w/${main.slug}/mcp`, `${first}/w/${many.slug}/mcp`];
  const bytes = await answer(list(manyAt, many.token));
  const [bare, hono, sdk, proxy] = [
    await startPeer("bare"),
    await startPeer("hono", { vars: { BYTES: bytes } }),
    await startPeer("sdk"),
    await startPeer("proxy", { vars: { UPSTREAM: `${upstream.origin}/` }, inspect }),
  ];
  const agents = await startAgents();
  const { token } = main;
  const session = await openSession(at, token);
  // A tool that has asked may always ask again: without this, its calls would soon run in the Worker.
  const asking = await openSession(at, token, { name: "old_say", arguments: { ask: true } });
  return {
    gateway,
    proxy,
    workspaces: [main.id, many.id],
    shots: {
      bare: echo(`${bare.origin}/`, token),
      sdk: echo(`${sdk.origin}/`, token),
      echo: echo(at, token),
      hono: echo(`${hono.origin}/echo`, token),
      control: echo(`${second}/w/${main.slug}/mcp`, token),
      rows: rows(at, token),
      honoRows: rows(`${hono.origin}/rows`, token),
      small: call(at, token, "up_small", {}),
      proxySmall: call(`${proxy.origin}/`, token, "small", {}),
      large: call(at, token, "up_large", {}),
      proxyLarge: call(`${proxy.origin}/`, token, "large", {}),
      list: list(manyAt, many.token),
      honoList: list(`${hono.origin}/bytes`, many.token),
      legacy: legacyEcho(at, token, session),
      agents: await agentsShot(`${agents.origin}/mcp`, token),
      inObject: legacyCall(at, token, asking, "old_say", {}),
      inWorker: legacyCall(at, token, session, "old_say", {}),
      direct: call(`${upstream.origin}/`, token, "small", {}),
    },
    stop: async () => {
      await gateway.stop();
      await backstage.stop();
      for (const peer of [upstream, old, bare, hono, sdk, proxy, agents]) await peer.stop();
    },
  };
}

/** The agents SDK's server has packages of its own: what it needs is none of ours. */
async function startAgents(): Promise<Peer> {
  const folder = fileURLToPath(new URL("peers/agents", import.meta.url));
  install(folder);
  return startPeer("agents", { entry: join(folder, "worker.js"), objects: { MCP_OBJECT: "EchoAgent" }, node: true, alias: { path: join(folder, "path.js") } });
}

/** As many sessions as there are connections: its objects are not to wait for each other. */
async function agentsShot(url: string, token: string): Promise<Shot> {
  const sessions: string[] = [];
  while (sessions.length < 16) sessions.push(await openSession(url, token));
  return { ...legacyEcho(url, token, sessions[0] ?? ""), sessions };
}

async function workspace(gateway: Gateway, builtins: string[] | { set: string }): Promise<TestWorkspace> {
  const made = await gateway.createWorkspace();
  await made.api("POST", "/builtins", Array.isArray(builtins) ? { names: builtins } : builtins);
  await made.api("PUT", "/rules", { rules: RULES });
  return made;
}
