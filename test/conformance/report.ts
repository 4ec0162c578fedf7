import { type Expected, judge, unknownEntries, type Verdict } from "./expected.ts";
import type { ScenarioResult } from "./suite.ts";

/** Results by run; a run is `{target} {revision}`. */
export type Runs = ReadonlyMap<string, ScenarioResult[]>;

const CELLS: Readonly<Record<Verdict, (result: ScenarioResult) => string>> = {
  passed: () => "pass",
  failed: () => "FAIL",
  allowed: () => "allowed",
  outdated: () => "UNLIST",
  extension: (result) => (result.passed ? "(pass)" : "(fail)"),
};

export interface Report {
  text: string;
  ok: boolean;
}

/** The table scenario × run, what must be mended, and the closing line. Not ok: a failure that is not listed, or a listed one that passes. */
export function report(runs: Runs, expected: Expected): Report {
  const notes: string[] = [];
  const count: Record<Verdict, number> = { passed: 0, failed: 0, allowed: 0, outdated: 0, extension: 0 };
  for (const [run, results] of runs) {
    for (const result of results) {
      const verdict = judge(expected, run, result);
      count[verdict]++;
      if (verdict === "failed") notes.push(`${run} ${result.scenario} fails:`, ...indented(result.findings));
      if (verdict === "outdated") notes.push(`${run} ${result.scenario} passes: take it out of the expected failures`);
      if (verdict === "passed" && result.findings.length > 0) notes.push(`${run} ${result.scenario} passes, but:`, ...indented(result.findings));
    }
  }
  const unknown = unknownEntries(expected, runs);
  notes.push(...unknown.map((entry) => `${entry}: listed as an expected failure, but the suite does not run it`));
  const failed = count.failed + count.outdated + unknown.length;
  const closing = [`${count.allowed} allowed to fail`, `${count.passed} passed, ${failed} failed`];
  return { text: [table(runs, expected), "", ...notes, ...closing].join("\n"), ok: failed === 0 };
}

function indented(findings: string[]): string[] {
  return findings.map((finding) => `  ${finding}`);
}

function table(runs: Runs, expected: Expected): string {
  const scenarios = [...new Set([...runs.values()].flat().map((result) => result.scenario))];
  const columns = [...runs].map(([run, results]) => {
    const cells = scenarios.map((scenario) => {
      const result = results.find((candidate) => candidate.scenario === scenario);
      return result ? CELLS[judge(expected, run, result)](result) : "";
    });
    return padded([...run.split(" "), ...cells]);
  });
  const names = padded(["", "", ...scenarios]);
  return names.map((name, row) => [name, ...columns.map((column) => column[row] ?? "")].join("  ").trimEnd()).join("\n");
}

function padded(cells: string[]): string[] {
  const width = Math.max(...cells.map((cell) => cell.length));
  return cells.map((cell) => cell.padEnd(width));
}
