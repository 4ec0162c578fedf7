import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Installs what the lock file of a peer names, into the peer's own folder, unless that has been done since the file changed. Not by `npm ci`, which refuses a
 * lock file without the optional packages of other platforms.
 */
export function install(folder: string): void {
  const record = join(folder, "node_modules/.package-lock.json");
  if (existsSync(record) && statSync(record).mtimeMs >= statSync(join(folder, "package-lock.json")).mtimeMs) return;
  const { status, error } = spawnSync("npm", ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (status !== 0) throw new Error(`npm install failed in ${folder}`, { cause: error });
}
