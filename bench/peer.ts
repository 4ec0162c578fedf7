import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { bundle } from "../src/dev/build.ts";
import { COMPATIBILITY, manifestOf } from "../src/dev/miniflare.ts";

/** A program to compare with, in a workerd process of its own. */
export interface Peer {
  origin: string;
  miniflare: Miniflare;
  stop(): Promise<void>;
}

export interface PeerOptions {
  /** Default: `bench/peers/{name}.ts`. */
  entry?: string;
  vars?: Readonly<Record<string, string>>;
  /** Binding → class of its objects, which are kept in SQLite. */
  objects?: Readonly<Record<string, string>>;
  /** With Node's modules, which the gateway does without. */
  node?: boolean;
  /** Import → file in its place. */
  alias?: Record<string, string>;
  inspect?: boolean;
}

/** Starts a peer on a socket of workerd's own. */
export async function startPeer(name: string, { entry = fileURLToPath(new URL(`peers/${name}.ts`, import.meta.url)), vars = {}, objects = {}, node = false, alias = {}, inspect = false }: PeerOptions = {}): Promise<Peer> {
  const { modules } = await bundle(entry, { alias });
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
          compatibilityFlags: COMPATIBILITY.compatibilityFlags.filter((flag) => !node || !flag.startsWith("no_nodejs")),
          manifest: manifestOf(modules),
          env: {
            ...Object.fromEntries(Object.entries(vars).map(([key, value]) => [key, { type: "text" as const, value }])),
            ...Object.fromEntries(Object.entries(objects).map(([key, exportName]) => [key, { type: "durable-object" as const, worker: name, exportName }])),
          },
          exports: Object.fromEntries(Object.values(objects).map((className) => [className, { type: "durable-object" as const, storage: "sqlite" as const }])),
        },
        dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] },
      },
    ],
  });
  const { origin } = await miniflare.unsafeGetDirectURL(name);
  return { origin, miniflare, stop: () => miniflare.dispose() };
}
