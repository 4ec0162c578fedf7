import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../src/dev/build.ts";
import { isObject, type JsonValue } from "../../src/model/json.ts";
import { BACKS } from "./columns.ts";
import { FEATURES } from "./features.ts";
import { DOCUMENT, rendered, replaced } from "./table.ts";
import { objectsIn } from "./stranger.ts";

/* `npm run coverage`: runs the matrix, and writes what came of each cell into docs/coverage.md. */

const folder = mkdtempSync(join(tmpdir(), "causeway-coverage-"));
try {
  const report = join(folder, "result.json");
  const code = await vitest(["run", ...BACKS.map((back) => `test/matrix/${back}.test.ts`), "--reporter=default", "--reporter=json", `--outputFile.json=${report}`]);
  const passed = passedIn(JSON.parse(readFileSync(report, "utf8")));
  writeFileSync(DOCUMENT, replaced(readFileSync(DOCUMENT, "utf8"), rendered(FEATURES, (cell) => passed.has(cell))));
  process.exitCode = code;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function vitest(args: string[]): Promise<number> {
  const child = spawn(process.execPath, [join(ROOT, "node_modules/vitest/vitest.mjs"), ...args], { cwd: ROOT, stdio: "inherit" });
  return new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}

/** Titles of the tests that passed, of vitest's JSON report. */
function passedIn(report: JsonValue): ReadonlySet<string> {
  const files = isObject(report) ? objectsIn(report.testResults) : [];
  const tests = files.flatMap(({ assertionResults }) => objectsIn(assertionResults));
  return new Set(tests.filter(({ status }) => status === "passed").map(({ title }) => String(title)));
}
