import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { isRecord, type ScenarioResult } from "./suite.ts";

/** Reasons of allowed failures, by `{target} {revision} {scenario}`. */
export type Expected = ReadonlyMap<string, string>;

/**
 * - `passed`, `failed`: as the suite says.
 * - `allowed`: failed, as expected.yaml says it may.
 * - `outdated`: passed, though expected.yaml lists it.
 * - `extension`: optional, and not offered by this target; counted nowhere.
 */
export type Verdict = "passed" | "failed" | "allowed" | "outdated" | "extension";

export function judge(expected: Expected, run: string, result: ScenarioResult): Verdict {
  if (result.extension && !isOffered(run, result.scenario)) return "extension";
  const listed = expected.has(`${run} ${result.scenario}`);
  if (result.passed) return listed ? "outdated" : "passed";
  return listed ? "allowed" : "failed";
}

/** The gateway's own tools run as tasks; the servers behind it, on the official SDKs, have none that do. */
function isOffered(run: string, scenario: string): boolean {
  return run.startsWith("gateway ") && scenario.startsWith("tasks-");
}

/** Entries for these runs that name a scenario the suite did not run: a slip of the pen, or the suite has changed. */
export function unknownEntries(expected: Expected, runs: ReadonlyMap<string, ScenarioResult[]>): string[] {
  return [...expected.keys()].filter((key) => {
    const at = key.lastIndexOf(" ");
    const results = runs.get(key.slice(0, at));
    return results !== undefined && !results.some((result) => result.scenario === key.slice(at + 1));
  });
}

/** Reads target → revision → scenario → reason. Throws on any other shape, and on a scenario without a reason. */
export async function readExpected(file: URL): Promise<Expected> {
  return parseExpected(await readFile(file, "utf8"));
}

export function parseExpected(text: string): Expected {
  const expected = new Map<string, string>();
  for (const [target, revisions] of entriesOf(parse(text), "the file")) {
    for (const [revision, scenarios] of entriesOf(revisions, target)) {
      for (const [scenario, reason] of entriesOf(scenarios, `${target} ${revision}`)) {
        const key = `${target} ${revision} ${scenario}`;
        if (typeof reason !== "string" || reason === "") throw new Error(`expected failures: ${key} gives no reason`);
        expected.set(key, reason);
      }
    }
  }
  return expected;
}

function entriesOf(value: unknown, where: string): [string, unknown][] {
  if (value === null || value === undefined) return [];
  if (!isRecord(value)) throw new Error(`expected failures: ${where} is not a mapping`);
  return Object.entries(value);
}
