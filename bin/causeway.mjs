#!/usr/bin/env node
// The `causeway` command. Plain JavaScript, for whatever Node the machine has: the command line itself is TypeScript,
// which Node 22.12 and later run by stripping the types. The clone brings such a Node as a package on Linux.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const LEAST = [22, 12];
const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const packaged = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));

if (!existsSync(fileURLToPath(new URL("../node_modules/commander", import.meta.url)))) {
  fail("the packages are not installed yet: run `npm install` (or `npm start`) in the clone first");
}
const own = recent(process.versions.node) ? process.execPath : null;
const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
run(existsSync(packaged) ? packaged : own);

function run(node) {
  if (node === null) fail(`Node ${LEAST.join(".")} or newer is needed; this is ${process.versions.node}`);
  // The first flag is needed before 22.18 and harmless later; the warning would stand in front of every answer.
  const child = spawn(node, ["--experimental-strip-types", "--disable-warning=ExperimentalWarning", main, ...process.argv.slice(2)], { stdio: "inherit" });
  // Ctrl-C reaches the child by the terminal; here it must only not end the parent before the child has.
  const pass = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, pass);
  child.on("exit", (code) => process.exit(code ?? 1));
  // The packaged Node is built for glibc: elsewhere it cannot be started.
  child.on("error", () => {
    for (const signal of signals) process.off(signal, pass);
    if (node === own) fail(`${node} cannot be started`);
    run(own);
  });
}

function recent(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
}

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}
