import { fileURLToPath } from "node:url";
import { bundle } from "../../src/dev/build.ts";
import { type AuditBinding, startRuntime } from "../../src/dev/miniflare.ts";

export interface AuditQueue {
  /** Of a Worker whose records go there. */
  binding: AuditBinding;
  stop(): Promise<void>;
}

/**
 * The audit queue and its consumer in a process of their own. On the platform neither shares a thread with the requests; in one workerd all do, and what is
 * measured would be the local runtime's queue, which writes each message as JSON in base64 and back.
 */
export async function startQueue(databaseUrl: string): Promise<AuditQueue> {
  const { modules } = await bundle(fileURLToPath(new URL("worker.ts", import.meta.url)));
  const vars = { MASTER_KEY: "not used here", DATABASE_URL: databaseUrl, ALLOW_INSECURE_UPSTREAMS: "1" };
  const runtime = await startRuntime({ workers: [{ name: "queue", modules, vars, port: 0 }] });
  const address = new URL(runtime.origins.get("queue") ?? "").host;
  const plugin = fileURLToPath(new URL("plugin.ts", import.meta.url));
  return { binding: { type: "unsafe:queue", address, dev: { plugin: { package: plugin, name: "queue" } } }, stop: runtime.stop };
}
