/** `npm test`: both type checks, then every test; ends with the outcome on a line of its own. `--types`: the type checks only. Other words go to vitest. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serverFolder } from "../../test/harness/postgres.ts";
import { ROOT } from "./build.ts";

const words = process.argv.slice(2);
const running = new Set<ReturnType<typeof spawn>>();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => running.forEach((child) => child.kill(signal)));

const types = await Promise.all(["tsconfig.json", "tsconfig.node.json"].map((project) => run("typescript/bin/tsc", ["--noEmit", "-p", project])));
const typed = types.every((code) => code === 0);
console.log(typed ? "types: fine" : "types: see above");
process.exitCode = words[0] === "--types" ? Number(!typed) : await tests(typed);

/** Runs vitest; the exit code of the whole. */
async function tests(typed: boolean): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-check-"));
  const file = join(folder, "result.json");
  const code = await run("vitest/vitest.mjs", ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`, ...words]);
  const { passed, failed, skipped } = outcomeOf(file);
  rmSync(folder, { recursive: true, force: true });
  if (serverFolder() === null) console.log("left out: what runs against a Postgres server; this machine has none (Debian: apt-get install postgresql)");
  if (skipped > 0) console.log(`left out: ${skipped} that the tests themselves skip, marked ↓ above`);
  console.log(`${passed} passed, ${failed} failed`);
  return code === 0 && typed ? 0 : 1;
}

/** Counts of vitest's JSON report. Without one the run itself broke: that is one failure. */
function outcomeOf(file: string): { passed: number; failed: number; skipped: number } {
  try {
    const report: { numPassedTests: number; numFailedTests: number; numFailedTestSuites: number; numPendingTests: number } = JSON.parse(readFileSync(file, "utf8"));
    // A file that cannot be loaded has no test that could fail.
    const failed = report.numFailedTests || report.numFailedTestSuites;
    return { passed: report.numPassedTests, failed, skipped: report.numPendingTests };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

function run(tool: string, args: string[]): Promise<number> {
  const child = spawn(process.execPath, [join(ROOT, "node_modules", tool), ...args], { cwd: ROOT, stdio: "inherit" });
  running.add(child);
  return new Promise((resolve) => child.once("exit", (code) => {
    running.delete(child);
    resolve(code ?? 1);
  }));
}
