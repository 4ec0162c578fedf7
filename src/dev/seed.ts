import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { ROOT } from "./build.ts";
import type { DataFolder } from "./folder.ts";
import { StartFailure } from "./failure.ts";

export interface SeededWorkspace {
  id: string;
  slug: string;
  token: string;
}

/** What has been seeded so far; each step is written down when it is done, so a start that was cut short goes on where it stopped. */
interface Seeds {
  demo?: SeededWorkspace;
  conformance?: SeededWorkspace;
  fixtures?: boolean;
  /** URL of the demo connection, and of the upstream: made again when it has changed. */
  database?: string;
  everything?: string;
  agents?: string[];
}

const FILE = "seeds.json";

/** Makes the workspaces `demo` and `conformance` through the management API alone. `name` of the file in the data folder keeps several databases apart. */
export async function seed(
  folder: Pick<DataFolder, "read" | "write">,
  gateway: { origin: string; operatorToken: string },
  outside: { databaseUrl: string; everythingUrl: string },
): Promise<{ demo: SeededWorkspace; conformance: SeededWorkspace }> {
  const seeds: Seeds = { ...readSeeds(folder.read(FILE)) };
  const done = (step: Seeds) => folder.write(FILE, Object.assign(seeds, step));
  const { origin, operatorToken } = gateway;

  const demo = seeds.demo ?? (await createWorkspace(origin, operatorToken, { slug: "demo", name: "Demo" }));
  done({ demo });
  const api = (method: string, path: string, body?: unknown) => call(method, `${origin}/api/v1/workspaces/${demo.id}${path}`, demo.token, body);
  if (seeds.database !== outside.databaseUrl) {
    if (seeds.database !== undefined) await api("DELETE", "/connections/demo");
    await api("POST", "/connections", { kind: "postgres", name: "demo", url: outside.databaseUrl });
    done({ database: outside.databaseUrl });
  }
  if (seeds.everything !== outside.everythingUrl) {
    if (seeds.everything !== undefined) await api("DELETE", "/upstreams/everything");
    await api("POST", "/upstreams", { slug: "everything", url: outside.everythingUrl });
    done({ everything: outside.everythingUrl });
  }
  for (const [slug, definition] of await exampleAgents()) {
    if (seeds.agents?.includes(slug)) continue;
    await api("PUT", `/agents/${slug}`, definition);
    done({ agents: [...(seeds.agents ?? []), slug] });
  }

  const conformance = seeds.conformance ?? (await createWorkspace(origin, operatorToken, { slug: "conformance", name: "Conformance", anonymous: ["mcp:read", "mcp:call"] }));
  done({ conformance });
  if (!seeds.fixtures) {
    await call("POST", `${origin}/api/v1/workspaces/${conformance.id}/builtins`, conformance.token, { set: "conformance" });
    done({ fixtures: true });
  }
  return { demo, conformance };
}

async function createWorkspace(origin: string, operatorToken: string, wanted: { slug: string; name: string; anonymous?: string[] }): Promise<SeededWorkspace> {
  const created = await call("POST", `${origin}/api/v1/operator/workspaces`, operatorToken, wanted);
  if (isObject(created) && isObject(created.workspace) && typeof created.workspace.id === "string" && typeof created.token === "string") {
    return { id: created.workspace.id, slug: wanted.slug, token: created.token };
  }
  throw new StartFailure(`The workspace ${wanted.slug} could not be made: ${JSON.stringify(created)}`);
}

/** `examples/{slug}.yaml`, each an agent's definition. */
async function exampleAgents(): Promise<[slug: string, definition: string][]> {
  const folder = join(ROOT, "examples");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".yaml")).sort();
  return Promise.all(names.map(async (name): Promise<[string, string]> => [basename(name, ".yaml"), await readFile(join(folder, name), "utf8")]));
}

async function call(method: string, url: string, token: string, body?: unknown): Promise<unknown> {
  const yaml = typeof body === "string";
  const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": yaml ? "application/yaml" : "application/json" }) };
  const response = await fetch(url, { method, headers, body: body === undefined ? null : yaml ? body : JSON.stringify(body) });
  const text = await response.text();
  const { pathname } = new URL(url);
  if (response.status === 409 && pathname.endsWith("/operator/workspaces")) {
    throw new StartFailure("The database holds a demo workspace that was made with another data folder: set CAUSEWAY_DATA to that folder, or DATABASE_URL to an empty database.");
  }
  if (!response.ok) throw new StartFailure(`The demo could not be set up: ${method} ${pathname} answered ${response.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

function readSeeds(value: unknown): Seeds {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
