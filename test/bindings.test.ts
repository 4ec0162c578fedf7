import { join } from "node:path";
import { expect, test } from "vitest";
import { unstable_readConfig } from "wrangler";
import { z } from "zod";
import { bundle, MAIN_MODULE, ROOT, WORKER_ENTRY } from "../src/dev/build.ts";
import { COMPATIBILITY, startRuntime } from "../src/dev/miniflare.ts";

/* What `wrangler deploy` binds is what the local default binds. */

const Config = z.object({
  account_id: z.string().optional(),
  main: z.string(),
  rules: z.array(z.object({ type: z.string(), globs: z.array(z.string()) })),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()),
  durable_objects: z.object({ bindings: z.array(z.object({ name: z.string(), class_name: z.string() })) }),
  exports: z.record(z.string(), z.object({ storage: z.literal("sqlite") })),
  kv_namespaces: z.array(z.object({ binding: z.string(), id: z.string().optional() })),
  r2_buckets: z.array(z.object({ binding: z.string() })),
  queues: z.object({ producers: z.array(z.object({ binding: z.string() })) }),
});
const config = Config.parse(unstable_readConfig({ config: "wrangler.toml" }));

test("wrangler.toml and the local runtime agree", async () => {
  const { modules } = await bundle(WORKER_ENTRY);
  const runtime = await startRuntime({ workers: [{ name: "causeway", modules, vars: {}, port: 0 }] });
  try {
    const deployed = [
      ...config.durable_objects.bindings.map(({ name }) => name),
      ...config.kv_namespaces.map(({ binding }) => binding),
      ...config.r2_buckets.map(({ binding }) => binding),
      ...config.queues.producers.map(({ binding }) => binding),
    ];
    expect(Object.keys(await runtime.miniflare.getBindings("causeway")).sort()).toEqual(deployed.sort());
    // Every class that is bound is exported.
    expect(Object.keys(config.exports).sort()).toEqual(config.durable_objects.bindings.map(({ class_name }) => class_name).sort());
  } finally {
    await runtime.stop();
  }
});

test("wrangler.toml takes every module of the build along", async () => {
  const { modules } = await bundle(WORKER_ENTRY, { minify: true });
  expect(config.main).toBe(join(ROOT, "dist/worker", MAIN_MODULE));
  expect(config.rules).toEqual([{ type: "ESModule", globs: ["*.js"] }]);
  expect(Object.keys(modules)).toContain(MAIN_MODULE);
  expect(Object.keys(modules).filter((name) => name.includes("/") || !name.endsWith(".js"))).toEqual([]);
});

test("wrangler.toml names no account and no id", () => {
  expect(config.account_id).toBeUndefined();
  expect(config.kv_namespaces.map(({ id }) => id)).toEqual(config.kv_namespaces.map(() => undefined));
  expect({ compatibilityDate: config.compatibility_date, compatibilityFlags: config.compatibility_flags }).toEqual(COMPATIBILITY);
});
