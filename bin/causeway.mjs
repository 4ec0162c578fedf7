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
const node = existsSync(packaged) ? packaged : recent(process.versions.node) ? process.execPath : null;
if (node === null) fail(`Node ${LEAST.join(".")} or newer is needed; this is ${process.versions.node}`);

// Needed before 22.18, harmless later; the warning would stand in front of every answer.
const child = spawn(node, ["--experimental-strip-types", "--disable-warning=ExperimentalWarning", main, ...process.argv.slice(2)], { stdio: "inherit" });
// Ctrl-C reaches the child by the terminal; here it must only not end the parent before the child has.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => fail(error.message));
child.on("exit", (code) => process.exit(code ?? 1));

function recent(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
}

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}
