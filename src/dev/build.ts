/** Bundles the Worker. `npm run build` writes `dist/worker/`, what is deployed, and `dist/local/`, each with its source maps and its metafile. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, stop } from "esbuild";
import type { Metafile, Plugin } from "esbuild";

export interface Bundle {
  /** Name → text of each ES module. {@link MAIN_MODULE} is evaluated at start, with all that it imports; what is imported dynamically is loaded when it is first asked for. */
  modules: Readonly<Record<string, string>>;
  /** Name of a module → its source map. */
  maps: Readonly<Record<string, string>>;
  metafile: Metafile;
}

export const MAIN_MODULE = "worker.js";
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What `wrangler deploy` deploys, and what the local default runs: the same with the conformance fixtures as builtins. */
export const WORKER_ENTRY = fileURLToPath(new URL("../worker.ts", import.meta.url));
export const LOCAL_ENTRY = fileURLToPath(new URL("worker/entry.ts", import.meta.url));

/** zod's error texts in fifty languages: a sixth of the bundle. English is imported by itself. */
const oneLanguage: Plugin = {
  name: "one language",
  setup({ onLoad }) {
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({ contents: "export {};" }));
  },
};

/**
 * ES modules: what is imported dynamically is in modules of its own, what several of them need in others. Nothing is written. `alias`: import → file in its place.
 * Errors: those of esbuild, file and line in the message.
 */
export async function bundle(entry: string, options: { minify?: boolean; alias?: Record<string, string> } = {}): Promise<Bundle> {
  const result = await build({
    entryPoints: { worker: entry },
    outdir: ".",
    absWorkingDir: ROOT,
    bundle: true,
    splitting: true,
    write: false,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    mainFields: ["browser", "module", "main"],
    external: ["cloudflare:*", "node:*"],
    minify: options.minify ?? false,
    alias: options.alias ?? {},
    plugins: [oneLanguage],
    sourcemap: "external",
    metafile: true,
    logLevel: "silent",
  });
  const written = result.outputFiles.map(({ path, text }) => [basename(path), text] as const);
  const modules = written.filter(([name]) => name.endsWith(".js"));
  const maps = written.filter(([name]) => name.endsWith(".js.map")).map(([name, text]) => [basename(name, ".map"), text] as const);
  return { modules: Object.fromEntries(modules), maps: Object.fromEntries(maps), metafile: result.metafile };
}

/** Ends esbuild's process, which waits for more builds otherwise. */
export const endBuilds = stop;

async function writeAll(): Promise<void> {
  await rm(`${ROOT}/dist`, { recursive: true, force: true });
  for (const [name, entry] of [["worker", WORKER_ENTRY], ["local", LOCAL_ENTRY]] as const) {
    const folder = `${ROOT}/dist/${name}`;
    const { modules, maps, metafile } = await bundle(entry, { minify: true });
    await mkdir(folder, { recursive: true });
    for (const [file, code] of Object.entries(modules)) await writeFile(`${folder}/${file}`, `${code}//# sourceMappingURL=${file}.map\n`);
    for (const [file, map] of Object.entries(maps)) await writeFile(`${folder}/${file}.map`, map);
    await writeFile(`${folder}/meta.json`, JSON.stringify(metafile));
    const sizes = Object.values(modules).map((code) => code.length);
    console.log(`dist/${name}: ${sizes.length} modules, ${Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1024)} KiB`);
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await writeAll();
