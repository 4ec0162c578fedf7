#!/usr/bin/env node
// Runs one of the project's commands on a clean clone, with whatever Node started it (18 or newer, so plain JavaScript):
//   setup.mjs FILE.ts [args]      setup.mjs --run tsc|wrangler|vitest [args]
// Installs what package-lock.json names when that has changed, then runs on the Node that comes as a package, or on this one if it is new enough.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");
const MINIMUM = [22, 12];
const TOOLS = { tsc: "typescript/bin/tsc", wrangler: "wrangler/bin/wrangler.js", vitest: "vitest/vitest.mjs" };

function fail(message) {
  console.error(message);
  process.exit(1);
}

function install() {
  const lock = join(root, "package-lock.json");
  const stamp = join(modules, ".causeway-lock");
  const hash = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  // npm's own record: newer than the lock file means that somebody ran npm by hand.
  const record = join(modules, ".package-lock.json");
  if (existsSync(stamp) || !existsSync(record) || statSync(record).mtimeMs < statSync(lock).mtimeMs) {
    console.error("Installing what package-lock.json names (npm ci) …");
    const npm = process.env.npm_execpath;
    const args = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"];
    const options = { cwd: root, stdio: ["ignore", 2, 2] };
    const done = npm && /\.c?js$/.test(npm) ? spawnSync(process.execPath, [npm, ...args], options) : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
    if (done.status !== 0) fail(`npm ci failed${done.error ? `: ${done.error.message}` : ""}. Nothing was started.`);
  }
  writeFileSync(stamp, hash);
}

function isNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]);
}

/** The packaged Node if it runs here (it is built for glibc), else this one. */
function pickNode() {
  const packaged = join(modules, ".bin", "node");
  if (existsSync(packaged)) {
    const asked = spawnSync(packaged, ["-p", "process.versions.node"], { encoding: "utf8" });
    if (asked.status === 0 && isNewEnough(asked.stdout)) return { path: packaged, version: asked.stdout.trim() };
  }
  if (isNewEnough(process.versions.node)) return { path: process.execPath, version: process.versions.node };
  return fail(`Causeway needs Node ${MINIMUM.join(".")} or newer on this machine; this is ${process.versions.node}.`);
}

/** From 22.18 on, types are stripped without being asked. */
function flagsFor(version) {
  const [major, minor] = version.split(".").map(Number);
  return ["--disable-warning=ExperimentalWarning", ...(major > 22 || minor >= 18 ? [] : ["--experimental-strip-types"])];
}

function run(node, args, ownGroup) {
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false" };
  // A group of its own, so that Ctrl-C reaches the command alone, which then stops its children in order; what is left afterwards is killed.
  // The channel tells the command when this process is gone without a word.
  const child = spawn(node.path, args, { cwd: process.cwd(), env, detached: ownGroup, stdio: ["inherit", "inherit", "inherit", ...(ownGroup ? ["ipc"] : [])] });
  const killAll = () => {
    try {
      if (ownGroup) process.kill(-child.pid, "SIGKILL");
      else child.kill("SIGKILL");
    } catch {
      // nothing was left
    }
  };
  let asked = 0;
  const stop = (signal) => {
    asked += 1;
    if (asked > 1 && signal === "SIGINT") killAll();
    // without a group of its own the terminal's Ctrl-C has reached it already
    else if (ownGroup || signal !== "SIGINT") child.kill(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop(signal));
  if (process.env.npm_lifecycle_event) {
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && asked === 0 && stop("SIGTERM"), 500).unref();
  }
  child.on("error", (failure) => fail(`cannot run ${node.path}: ${failure.message}`));
  child.on("exit", (code, signal) => {
    if (ownGroup) killAll();
    process.exit(code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0));
  });
}

const [first, ...rest] = process.argv.slice(2);
const tool = first === "--run" ? TOOLS[rest[0]] : undefined;
if (!first || (first === "--run" && !tool)) fail("usage: setup.mjs FILE.ts [args] | setup.mjs --run tsc|wrangler|vitest [args]");
install();
const node = pickNode();
if (tool) run(node, [join(modules, tool), ...rest.slice(1)], false);
else run(node, [...flagsFor(node.version), join(root, first), ...rest], process.platform !== "win32");
