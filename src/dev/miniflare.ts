import { Miniflare } from "miniflare";
import type { MiniflareOptions, WorkerdStructuredLog } from "miniflare";
import { type Bundle, MAIN_MODULE } from "./build.ts";

type WorkerOptions = NonNullable<MiniflareOptions["workers"]>[number];
export type AuditBinding = NonNullable<WorkerOptions["config"]["env"]>[string];

/** One Worker of the local runtime. */
export interface LocalWorker {
  name: string;
  /** As `bundle` made them. */
  modules: Bundle["modules"];
  /** Secrets and variables. */
  vars: Readonly<Record<string, string>>;
  /** The Worker whose objects, KV, bucket and queue this one shares; absent: its own. */
  objectsOf?: string;
  /** 0: a free one. */
  port: number;
  /** A queue that somebody else consumes; absent: one of its own. */
  audit?: AuditBinding;
}

export interface Runtime {
  /** `http://127.0.0.1:port` of each Worker, by name: its own socket, on which it sees clients leave. */
  origins: ReadonlyMap<string, string>;
  miniflare: Miniflare;
  stop(): Promise<void>;
}

/** What the platform is asked to be, as in wrangler.toml. */
export const COMPATIBILITY = { compatibilityDate: "2026-10-23", compatibilityFlags: ["enable_request_signal", "global_fetch_strictly_public", "no_nodejs_compat", "no_nodejs_compat_v2", "no_nodejs_global_timers"] };
/** Binding → class, as in wrangler.toml; a test holds the two together. */
export const OBJECTS = { AUTHORITY: "Authority", HUB: "Hub", SESSION: "Session", UPSTREAM_SESSION: "UpstreamSession", ONCE: "Once", TASK: "Task", RUN: "Run" };
export const AUDIT_QUEUE = { maxBatchSize: 20, maxBatchTimeout: 1, maxRetries: 10 };

/**
 * Starts workerd with every binding local; without the dev server's proxy, which hides disconnects.
 * `persist`: folder that keeps objects, KV and R2; absent: nothing outlives the process. A queue's messages never do.
 */
export async function startRuntime(options: {
  workers: readonly [LocalWorker, ...LocalWorker[]];
  persist?: string;
  /** Opens workerd's inspector, for a profile. */
  inspect?: boolean;
  log?: (line: { level: string; message: string }) => void;
}): Promise<Runtime> {
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    enableDevRegistry: false,
    telemetry: { enabled: false },
    ...(options.persist ? { resourcePersistencePath: options.persist } : {}),
    ...(options.inspect ? { inspectorPort: 0 } : {}),
    ...(options.log ? { handleStructuredLogs: ({ level, message }: WorkerdStructuredLog) => options.log?.({ level, message }) } : {}),
    workers: options.workers.map(workerOptions),
  });
  await miniflare.ready;
  const origins = new Map<string, string>();
  for (const { name } of options.workers) origins.set(name, (await miniflare.unsafeGetDirectURL(name)).origin);
  return { origins, miniflare, stop: () => miniflare.dispose() };
}

/** What Miniflare takes the modules of a Worker as. */
export function manifestOf(modules: Bundle["modules"]): WorkerOptions["config"]["manifest"] {
  return { mainModule: MAIN_MODULE, modules: Object.fromEntries(Object.entries(modules).map(([name, contents]) => [name, { type: "esm" as const, contents }])) };
}

function workerOptions(worker: LocalWorker): WorkerOptions {
  const home = worker.objectsOf ?? worker.name;
  const own = home === worker.name;
  return {
    config: {
      name: worker.name,
      ...COMPATIBILITY,
      manifest: manifestOf(worker.modules),
      env: {
        ...Object.fromEntries(Object.entries(worker.vars).map(([name, value]) => [name, { type: "text" as const, value }])),
        ...Object.fromEntries(Object.entries(OBJECTS).map(([name, exportName]) => [name, { type: "durable-object" as const, worker: home, exportName }])),
        CATALOG: { type: "kv", id: `${home}-catalog` },
        STORE: { type: "r2", name: `${home}-store` },
        AUDIT: worker.audit ?? { type: "queue", name: `${home}-audit` },
      },
      ...(own
        ? {
            exports: Object.fromEntries(Object.values(OBJECTS).map((name) => [name, { type: "durable-object" as const, storage: "sqlite" as const }])),
            triggers: worker.audit ? [] : [{ type: "queue", name: `${home}-audit`, ...AUDIT_QUEUE }],
          }
        : {}),
    },
    dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: worker.port }] },
  };
}
