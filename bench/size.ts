import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { Metafile } from "esbuild";
import { bundle, type Bundle, MAIN_MODULE, WORKER_ENTRY } from "../src/dev/build.ts";
import { OBJECTS, startRuntime } from "../src/dev/miniflare.ts";
import { cpuMs } from "./workerd.ts";

const run = promisify(execFile);

/** Kilobytes, gzipped together, of all modules and of those that an MCP request evaluates: the main one and what it imports, but not dynamically. */
export async function bundleSizes(): Promise<{ whole: number; request: number }> {
  const { modules, metafile } = await bundle(WORKER_ENTRY, { minify: true });
  return { whole: kilobytes(Object.values(modules)), request: kilobytes([...evaluated(metafile.outputs)].map((name) => modules[name] ?? "")) };
}

function kilobytes(codes: readonly string[]): number {
  return gzipSync(codes.join("")).length / 1000;
}

function evaluated(outputs: Metafile["outputs"], name = MAIN_MODULE, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  for (const { path, kind, external } of outputs[name]?.imports ?? []) if (kind === "import-statement" && !external) evaluated(outputs, path, found);
  return found;
}

const PROBE = `
import { registerHooks } from "node:module";
const stub = "export class DurableObject {} export const env = {};";
registerHooks({
  resolve: (specifier, context, next) => specifier === "cloudflare:workers" ? { url: "data:text/javascript," + encodeURIComponent(stub), shortCircuit: true } : next(specifier, context),
});
const before = process.cpuUsage();
await import(process.argv[2]);
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1000);
`;

/**
 * Milliseconds of CPU that evaluating the main module takes, with all that it imports, one value for each of nine fresh processes. Measured in Node, which has the
 * same engine; the platform's own classes are empty stubs. Modules that are only imported dynamically are not loaded here; workerd parses them too: {@link workerdStart}.
 */
export async function coldStart(): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), "causeway-bench-"));
  try {
    const { modules } = await bundle(WORKER_ENTRY, { minify: true });
    for (const [name, code] of Object.entries(modules)) await writeFile(join(folder, name), code);
    await writeFile(join(folder, "package.json"), `{"type":"module"}`);
    await writeFile(join(folder, "probe.mjs"), PROBE);
    const times: number[] = [];
    for (let round = 0; round < 9; round++) {
      const { stdout } = await run(process.execPath, [join(folder, "probe.mjs"), join(folder, MAIN_MODULE)]);
      times.push(Number(stdout));
    }
    return times;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const STARTS = 21;
const EMPTY: Bundle["modules"] = { [MAIN_MODULE]: Object.values(OBJECTS).map((name) => `export class ${name} {}`).join("\n") + "\nexport default {};" };

/** Milliseconds of CPU that workerd takes to start with our modules, over its start with an empty Worker that has the same bindings; one value for each pair of starts. */
export async function workerdStart(): Promise<number[]> {
  const { modules } = await bundle(WORKER_ENTRY, { minify: true });
  const started = async (what: Bundle["modules"]) => {
    const runtime = await startRuntime({ workers: [{ name: "causeway", modules: what, vars: {}, port: 0 }] });
    const taken = cpuMs();
    await runtime.stop();
    return taken;
  };
  const times: number[] = [];
  for (let round = 0; round < STARTS; round++) {
    const empty = await started(EMPTY);
    times.push((await started(modules)) - empty);
  }
  return times;
}
