import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { bundle } from "../src/dev/build.ts";
import { COMPATIBILITY } from "../src/dev/miniflare.ts";

/** A program to compare with, in a workerd process of its own. */
export interface Peer {
  origin: string;
  miniflare: Miniflare;
  stop(): Promise<void>;
}

/** Starts `bench/peers/{name}.ts` with these variables, on a socket of workerd's own. */
export async function startPeer(name: string, vars: Readonly<Record<string, string>> = {}, inspect = false): Promise<Peer> {
  const { code } = await bundle(fileURLToPath(new URL(`peers/${name}.ts`, import.meta.url)));
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    enableDevRegistry: false,
    telemetry: { enabled: false },
    ...(inspect ? { inspectorPort: 0 } : {}),
    workers: [
      {
        config: {
          name,
          ...COMPATIBILITY,
          manifest: { mainModule: "worker.js", modules: { "worker.js": { type: "esm", contents: code } } },
          env: Object.fromEntries(Object.entries(vars).map(([key, value]) => [key, { type: "text" as const, value }])),
        },
        dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] },
      },
    ],
  });
  const { origin } = await miniflare.unsafeGetDirectURL(name);
  return { origin, miniflare, stop: () => miniflare.dispose() };
}
