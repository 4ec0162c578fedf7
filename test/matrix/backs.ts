import { createServer } from "node:http";
import type { TestWorkspace } from "../harness/gateway.ts";
import { start as startLegacy } from "../upstreams/legacy.ts";
import { start as startOld } from "../upstreams/legacy-sse.ts";
import { start as startModern } from "../upstreams/modern.ts";
import type { Back } from "./columns.ts";

/** What stands behind the gateway, as the cells need it. */
export interface Behind {
  /** Where its server listens; null: there is no other server. */
  url: string | null;
  /** Slug of its one-to-one endpoint; null: there is none. */
  toolset: string | null;
  /** What the whole workspace's endpoint puts before its names. */
  prefix: string;
  /** Makes the workspace offer it. `url`: where the gateway is to find it. */
  install(workspace: TestWorkspace, url: string): Promise<void>;
  /** Says that a resource has changed. */
  update(uri: string): Promise<void>;
  /** Calls of `slow` that were given up, so far. */
  cancelled(): number;
  close(): Promise<void>;
}

export function startBehind(back: Back): Promise<Behind> {
  if (back === "2025-06-18" || back === "2025-03-26") return legacy(back);
  return { modern, legacy, old, own }[back]();
}

const SLUG = "up";
const UPSTREAM = {
  toolset: SLUG,
  prefix: `${SLUG}_`,
  install: async (workspace: TestWorkspace, url: string) => void (await workspace.api("POST", "/upstreams", { slug: SLUG, url, toolset: true })),
};

async function modern(): Promise<Behind> {
  const server = await startModern();
  return { ...UPSTREAM, url: server.url, update: async (uri) => server.notify.resourceUpdated(uri), cancelled: server.cancelled, close: server.close };
}

/** `revision`: the only one that it speaks. */
async function legacy(revision?: string): Promise<Behind> {
  const server = await startLegacy(undefined, revision);
  return { ...UPSTREAM, url: server.url, update: async (uri) => void (await server.update(uri)), cancelled: server.cancelled, close: server.close };
}

async function old(): Promise<Behind> {
  const server = await startOld();
  return { ...UPSTREAM, url: server.url, update: server.update, cancelled: server.cancelled, close: server.close };
}

/** The builtins of the fixture catalogue, and agents for what no builtin does. Their `http` nodes call a server that counts, or never answers. */
async function own(): Promise<Behind> {
  let [counted, cancelled] = [0, 0];
  const server = createServer((request, response) => {
    if (request.url === "/count") return void response.end(JSON.stringify(++counted));
    response.once("close", () => cancelled++);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const origin = `http://127.0.0.1:${address.port}`;
  return {
    url: null,
    toolset: null,
    prefix: "",
    install: async (workspace) => {
      await workspace.api("POST", "/builtins", { set: "conformance" });
      for (const [slug, agent] of Object.entries(AGENTS)) await workspace.api("PUT", `/agents/${slug}`, agent(origin));
    },
    update: () => Promise.reject(new Error("nothing of our own changes")),
    cancelled: () => cancelled,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

const AGENTS: Readonly<Record<string, (origin: string) => string>> = {
  structured: () => `
name: structured
description: Answers with structured content
inputSchema: { type: object, properties: { a: { type: number }, b: { type: number } } }
outputSchema: { type: object, properties: { sum: { type: number } }, required: [sum] }
flow:
  nodes: [{ id: sum, type: transform, value: { sum: "{% $input.a + $input.b %}" } }]
`,
  consent: () => `
name: consent
description: Asks a person, twice
inputSchema: { type: object }
flow:
  nodes:
    - { id: who, type: ask, message: Who?, schema: { type: object, properties: { name: { type: string } }, required: [name] } }
    - { id: sure, type: ask, needs: [who], message: "{% 'Sure, ' & $steps.who.content.name & '?' %}", schema: { type: object, properties: { sure: { type: boolean } } } }
  output: "{% $steps.who.content.name & ' is sure: ' & $string($steps.sure.content.sure) %}"
`,
  numbers: () => `
name: numbers
description: Answers with structured content that is no object
inputSchema: { type: object }
outputSchema: { type: array, items: { type: number } }
flow:
  nodes: [{ id: list, type: transform, value: [1, 2, 3] }]
`,
  slow: (origin) => `
name: slow
description: Runs until it is cancelled
inputSchema: { type: object }
flow:
  nodes:
    - { id: begun, type: emit, message: begun, progress: 0 }
    - { id: hold, type: http, needs: [begun], url: "${origin}/hold" }
`,
  count: (origin) => `
name: count
description: Counts its runs
inputSchema: { type: object }
flow:
  nodes: [{ id: count, type: http, method: POST, url: "${origin}/count" }]
  output: "{% 'call ' & $steps.count.body %}"
`,
};
