import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { bundle, LOCAL_ENTRY } from "../../src/dev/build.ts";
import { startFront } from "../../src/dev/front.ts";
import type { Front } from "../../src/dev/front.ts";
import { startRuntime } from "../../src/dev/miniflare.ts";
import type { AuditBinding, Runtime } from "../../src/dev/miniflare.ts";
import { startTestDatabase } from "./database.ts";

/** A workspace of its own for one test. */
export interface TestWorkspace {
  id: string;
  slug: string;
  /** The first owner's token. */
  token: string;
  /** MCP endpoint of the whole workspace. */
  endpoint: string;
  /**
   * One request to `/api/v1/workspaces/{id}{path}` with the owner's token; a string body goes as YAML, anything else as JSON.
   * Answers the parsed body; a status of 400 or more throws, with status and body in the message.
   */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
}

/** How to reach a gateway, wherever it runs. */
export interface GatewayAddress {
  origin: string;
  operatorToken: string;
  /** The platform's database, for the Neon driver. */
  databaseUrl: string;
  masterKey: string;
}

export interface SharedGateway extends GatewayAddress {
  /** Default slug: a random one. `on`: origin of another Worker over the same objects. */
  createWorkspace(slug?: string, options?: { anonymous?: string[]; on?: string }): Promise<TestWorkspace>;
}

export interface Gateway extends SharedGateway {
  /** Origin of the second Worker (`options.second`), else the same as `origin`. */
  secondOrigin: string;
  /** Lines that the Workers logged so far. */
  logs: readonly string[];
  runtime: Runtime;
  /** Stops the Workers at once, waits for `meanwhile`, and starts them again under the same addresses; what is not on disk (`persist`) is gone. */
  restart(meanwhile?: () => Promise<unknown>): Promise<void>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  /** File to bundle in place of the local entry. */
  entry?: string;
  /** A second Worker over the same objects, KV, bucket and queue; `entry` lets a test wrap `env` (a KV that lags). */
  second?: { entry?: string; vars?: Record<string, string> };
  /** On top of what the local default sets. */
  vars?: Record<string, string>;
  /** Default: a free one. */
  port?: number;
  /** Folder that keeps objects, KV and R2. */
  persist?: string;
  /** Opens workerd's inspector. */
  inspect?: boolean;
  /** Of a database that is there already, with all migrations. */
  databaseUrl?: string;
  /** A queue that somebody else consumes. */
  audit?: AuditBinding;
}

/** A gateway of this test's own: embedded Postgres with all migrations, the Worker in workerd behind a socket that shows disconnects. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const [database, main, second] = await Promise.all([
    options.databaseUrl === undefined ? startTestDatabase() : { url: options.databaseUrl, stop: async () => {} },
    bundle(options.entry ?? LOCAL_ENTRY),
    options.second && bundle(options.second.entry ?? options.entry ?? LOCAL_ENTRY),
  ]);
  const operatorToken = randomBytes(24).toString("base64url");
  const masterKey = randomBytes(32).toString("base64");
  const vars = { MASTER_KEY: masterKey, DATABASE_URL: database.url, OPERATOR_TOKEN: operatorToken, ALLOW_INSECURE_UPSTREAMS: "1", HOSTS: "127.0.0.1,localhost", ...options.vars };
  const logs: string[] = [];
  const audit = options.audit && { audit: options.audit };
  const run = () => startRuntime({
    workers: [
      { name: "causeway", modules: main.modules, vars, port: 0, ...audit },
      ...(second ? [{ name: "second", modules: second.modules, vars: { ...vars, ...options.second?.vars }, objectsOf: "causeway", port: 0, ...audit }] : []),
    ],
    log: ({ level, message }) => void logs.push(`${level}: ${message}`),
    ...(options.persist ? { persist: options.persist } : {}),
    ...(options.inspect ? { inspect: true } : {}),
  });
  const ports = [options.port ?? 0, 0];
  let runtime = await run();
  let fronts = await frontsOf(runtime, ports);
  const stopWorkers = async () => {
    await Promise.all(fronts.map((front) => front.close()));
    await runtime.stop();
  };
  const origin = fronts[0]?.origin ?? "";
  return {
    ...reach({ origin, operatorToken, databaseUrl: database.url, masterKey }),
    secondOrigin: fronts[1]?.origin ?? origin,
    logs,
    runtime,
    restart: async (meanwhile) => {
      const taken = fronts.map((front) => Number(new URL(front.origin).port));
      await stopWorkers();
      await meanwhile?.();
      runtime = await run();
      fronts = await frontsOf(runtime, taken);
    },
    stop: async () => {
      await stopWorkers();
      await database.stop();
    },
  };
}

async function frontsOf(runtime: Runtime, ports: readonly number[]): Promise<Front[]> {
  const fronts: Front[] = [];
  for (const origin of runtime.origins.values()) fronts.push(await startFront(ports[fronts.length] ?? 0, origin));
  return fronts;
}

/** The gateway that all test files of a run share; the first to ask starts it. */
export async function sharedGateway(): Promise<SharedGateway> {
  const response = await fetch(inject("gatewayControl"));
  const answer: unknown = await response.json();
  if (!isAddress(answer)) throw new Error(`the shared gateway did not start: ${JSON.stringify(answer)}`);
  return reach(answer);
}

function reach(address: GatewayAddress): SharedGateway {
  return {
    ...address,
    async createWorkspace(slug = `t-${randomBytes(5).toString("hex")}`, { anonymous, on = address.origin } = {}) {
      const created = await request("POST", `${on}/api/v1/operator/workspaces`, address.operatorToken, { slug, name: slug, ...(anonymous ? { anonymous } : {}) });
      const { workspace, token } = readCreated(created);
      const api = (method: string, path: string, body?: unknown) => request(method, `${on}/api/v1/workspaces/${workspace.id}${path}`, token, body);
      return { ...workspace, token, endpoint: `${on}/w/${workspace.slug}/mcp`, api };
    },
  };
}

async function request(method: string, url: string, token: string, body: unknown): Promise<unknown> {
  const yaml = typeof body === "string";
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": yaml ? "application/yaml" : "application/json" }) },
    ...(body === undefined ? {} : { body: yaml ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (response.status >= 400) throw new Error(`${method} ${new URL(url).pathname}: ${response.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

function readCreated(value: unknown): { workspace: { id: string; slug: string }; token: string } {
  if (isObject(value) && isObject(value.workspace) && typeof value.token === "string") {
    const { id, slug } = value.workspace;
    if (typeof id === "string" && typeof slug === "string") return { workspace: { id, slug }, token: value.token };
  }
  throw new Error(`not the answer to a created workspace: ${JSON.stringify(value)}`);
}

function isAddress(value: unknown): value is GatewayAddress {
  return isObject(value) && ["origin", "operatorToken", "databaseUrl", "masterKey"].every((name) => typeof value[name] === "string");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
