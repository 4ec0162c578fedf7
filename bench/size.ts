import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "esbuild";
import { bundle, WORKER_ENTRY } from "../src/dev/build.ts";

const run = promisify(execFile);

/** Kilobytes, gzipped, of the whole bundle and of what an MCP request evaluates: all that is not imported lazily. */
export async function bundleSizes(): Promise<{ whole: number; request: number }> {
  const whole = await bundle(WORKER_ENTRY, { minify: true });
  return { whole: kilobytes(whole.code), request: kilobytes(await eagerPart()) };
}

function kilobytes(code: string): number {
  return gzipSync(code).length / 1000;
}

const lazyImportsOutside: Plugin = {
  name: "lazy imports stay outside",
  setup({ onResolve }) {
    onResolve({ filter: /.*/ }, ({ kind, path }) => (kind === "dynamic-import" ? { path, external: true } : undefined));
  },
};

async function eagerPart(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [WORKER_ENTRY],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    minify: true,
    plugins: [lazyImportsOutside],
  });
  return outputFiles[0]?.text ?? "";
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
 * Milliseconds of CPU that evaluating the deployed module takes, one value for each of nine fresh processes. Measured in Node, which has the
 * same engine; the platform's own classes are empty stubs.
 */
export async function coldStart(): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), "causeway-bench-"));
  try {
    const { code } = await bundle(WORKER_ENTRY, { minify: true });
    await writeFile(join(folder, "worker.mjs"), code);
    await writeFile(join(folder, "probe.mjs"), PROBE);
    const times: number[] = [];
    for (let round = 0; round < 9; round++) {
      const { stdout } = await run(process.execPath, [join(folder, "probe.mjs"), join(folder, "worker.mjs")]);
      times.push(Number(stdout));
    }
    return times;
  } finally {
    await rm(folder, { recursive: true });
  }
}
