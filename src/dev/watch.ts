/**
 * `npm run dev`: wrangler's dev server, which reloads on every change, on the data folder's database. Its proxy hides clients that leave, it keeps objects
 * and KV of its own, and nothing is seeded: `npm start` is the product, this is for editing.
 */
import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { LOCAL_ENTRY, ROOT } from "./build.ts";
import { StartFailure } from "./failure.ts";
import { openFolder } from "./folder.ts";
import { openPlatformDatabase } from "./platform.ts";

try {
  const folder = openFolder(resolve(process.env.CAUSEWAY_DATA ?? join(ROOT, ".causeway-dev")));
  const database = await openPlatformDatabase(folder.path, process.env.DATABASE_URL);
  const { masterKey, operatorToken } = folder.secrets;
  const vars = { MASTER_KEY: masterKey, DATABASE_URL: database.url, OPERATOR_TOKEN: operatorToken, ALLOW_INSECURE_UPSTREAMS: "1" };
  const options = ["--port", process.env.PORT ?? "8787", "--persist-to", join(folder.path, "wrangler"), "--show-interactive-dev-session=false"];
  const wrangler = spawn(
    process.execPath,
    [join(ROOT, "node_modules/wrangler/bin/wrangler.js"), "dev", LOCAL_ENTRY, ...options, ...Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`])],
    { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] },
  );
  console.log(`operator token: ${operatorToken}`);
  const leave = () => void wrangler.kill("SIGINT");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, leave);
  process.on("disconnect", leave);
  wrangler.once("exit", async (code) => {
    await database.stop();
    folder.unlock();
    process.exit(code ?? 0);
  });
} catch (failure) {
  console.error(failure instanceof StartFailure ? failure.message : failure);
  process.exit(1);
}
