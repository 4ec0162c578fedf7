/** Bundles the Worker. `npm run build` writes `dist/`: the deployed entry, the local one, their metafiles. */
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, stop } from "esbuild";
import type { Metafile, Plugin } from "esbuild";

export interface Bundle {
  code: string;
  map: string;
  metafile: Metafile;
}

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What `wrangler deploy` deploys, and what the local default runs: the same with the conformance fixtures as builtins. */
export const WORKER_ENTRY = fileURLToPath(new URL("../worker.ts", import.meta.url));
export const LOCAL_ENTRY = fileURLToPath(new URL("worker/entry.ts", import.meta.url));

/** zod's error texts in fifty languages: a sixth of the bundle, which is parsed at every cold start. English is imported by itself. */
const oneLanguage: Plugin = {
  name: "one language",
  setup({ onLoad }) {
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({ contents: "export {};" }));
  },
};

/**
 * One ES module; what is imported dynamically is in it, but evaluated on first use only. Nothing is written. `alias`: import → file in its place.
 * Errors: those of esbuild, file and line in the message.
 */
export async function bundle(entry: string, options: { minify?: boolean; alias?: Record<string, string> } = {}): Promise<Bundle> {
  const result = await build({
    entryPoints: [entry],
    outfile: "worker.js",
    absWorkingDir: ROOT,
    bundle: true,
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
  const textOf = (suffix: string) => result.outputFiles.find((file) => file.path.endsWith(suffix))?.text ?? "";
  return { code: textOf(".js"), map: textOf(".js.map"), metafile: result.metafile };
}

/** Ends esbuild's process, which waits for more builds otherwise. */
export const endBuilds = stop;

async function writeAll(): Promise<void> {
  const folder = `${ROOT}/dist`;
  await mkdir(folder, { recursive: true });
  for (const [name, entry] of [["worker", WORKER_ENTRY], ["local", LOCAL_ENTRY]] as const) {
    const { code, map, metafile } = await bundle(entry, { minify: true });
    await writeFile(`${folder}/${name}.js`, `${code}//# sourceMappingURL=${name}.js.map\n`);
    await writeFile(`${folder}/${name}.js.map`, map);
    await writeFile(`${folder}/${name}.meta.json`, JSON.stringify(metafile));
    console.log(`dist/${name}.js ${Math.round(code.length / 1024)} KiB`);
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await writeAll();
