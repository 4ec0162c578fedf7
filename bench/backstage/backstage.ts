import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { AuditBinding } from "../../src/dev/miniflare.ts";
import { nodeFlags } from "../../src/dev/node.ts";

/** How to reach the database, and the queue that somebody else consumes. */
export interface Opened {
  databaseUrl: string;
  audit: AuditBinding;
}

export interface Backstage extends Opened {
  stop(): Promise<void>;
}

/** Starts the database, the audit queue and its consumer, in processes of their own at the lowest priority. */
export async function openBackstage(): Promise<Backstage> {
  const child = fork(fileURLToPath(new URL("program.ts", import.meta.url)), { execArgv: nodeFlags() });
  const ended = once(child, "exit");
  const opened = await new Promise<Opened>((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`the database and the queue did not start (${code})`)));
  });
  return {
    ...opened,
    stop: async () => {
      child.disconnect();
      await ended;
    },
  };
}
