import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parse } from "yaml";

export const REVISIONS = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"] as const;
export type Revision = (typeof REVISIONS)[number];

/** Revisions for which the suite carries a frozen set of required scenarios; for the others every scenario that applies is run. */
export const REQUIREMENTS: readonly Revision[] = ["2026-07-28", "2025-11-25"];

export interface ScenarioResult {
  scenario: string;
  passed: boolean;
  /** An optional extension of the protocol: reported, judged only where it is offered. */
  extension: boolean;
  /** Failed checks of a failed scenario; of a passed one, what the specification only recommends (SHOULD). */
  findings: string[];
}

interface Check {
  id: string;
  status: string;
  errorMessage: string | null;
}

const suite = createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/dist/index.js");

/**
 * Runs the official suite's server scenarios of one revision against an endpoint. A scenario passes when no check failed and at
 * least one succeeded; one that left no report failed. Throws when the suite itself did not run.
 */
export function runSuite(url: string, revision: Revision): Promise<ScenarioResult[]> {
  return run(["server", "--url", url], revision, /^=== Running scenario: (\S+) ===$/gm);
}

/** The same for the client scenarios: the suite starts `command` with the URL of its own server, once a scenario. */
export function runClientSuite(command: string, revision: Revision): Promise<ScenarioResult[]> {
  // All scenarios start at once, each with a process of its own.
  return run(["client", "--command", command, "--timeout", "90000"], revision, /^[✓✗] (\S+): \d+ passed/gm);
}

/** `named` finds the scenarios in what the suite prints. */
async function run(subject: string[], revision: Revision, named: RegExp): Promise<ScenarioResult[]> {
  const reports = await mkdtemp(join(tmpdir(), "conformance-"));
  try {
    const selection = REQUIREMENTS.includes(revision) ? ["--requirements", revision] : ["--suite", "all", "--spec-version", revision];
    const output = await suiteOutput([...subject, ...selection, "--output-dir", reports]);
    const scenarios = [...output.matchAll(named)].map((match) => match[1] ?? "");
    if (scenarios.length === 0) throw new Error(`the suite ran nothing of ${subject.join(" ")}:\n${output}`);
    const extensions = await extensionsOf(revision);
    const checks = await readChecks(reports);
    return scenarios.map((scenario) => resultOf(scenario, extensions.has(scenario), checks.get(scenario) ?? []));
  } finally {
    await rm(reports, { recursive: true });
  }
}

/** Exit code 1 only says that a scenario failed, which the reports say better. */
function suiteOutput(args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [suite, ...args], { maxBuffer: 64 * 1024 * 1024 }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

async function extensionsOf(revision: Revision): Promise<Set<string>> {
  if (!REQUIREMENTS.includes(revision)) return new Set();
  const document: unknown = parse(await readFile(join(dirname(suite), "..", "requirements", `${revision}.yaml`), "utf8"));
  const unscored = isRecord(document) && Array.isArray(document.not_scored) ? document.not_scored.filter(isRecord) : [];
  return new Set(unscored.filter((entry) => entry.reason === "extension").map((entry) => String(entry.scenario)));
}

/** One folder a scenario, `{scenario}-{timestamp}`, with `server-` in front for a server's; without its `checks.json` when the scenario threw. */
async function readChecks(reports: string): Promise<Map<string, Check[]>> {
  const found = new Map<string, Check[]>();
  for (const folder of await readdir(reports, { recursive: true })) {
    const scenario = /^(?:server-)?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(folder)?.[1];
    const file = join(reports, folder, "checks.json");
    if (scenario === undefined || !existsSync(file)) continue;
    const report: unknown = JSON.parse(await readFile(file, "utf8"));
    if (Array.isArray(report)) found.set(scenario, report.filter(isRecord).map(checkOf));
  }
  return found;
}

function checkOf(check: Record<string, unknown>): Check {
  return { id: String(check.id), status: String(check.status), errorMessage: typeof check.errorMessage === "string" ? check.errorMessage : null };
}

function resultOf(scenario: string, extension: boolean, checks: Check[]): ScenarioResult {
  const failed = checks.filter((check) => check.status === "FAILURE");
  const passed = failed.length === 0 && checks.some((check) => check.status === "SUCCESS");
  const told = passed ? checks.filter((check) => check.status === "WARNING") : failed;
  const findings = told.map((check) => `${check.id}: ${check.errorMessage ?? check.status}`);
  return { scenario, passed, extension, findings: passed || findings.length > 0 ? findings : ["no check succeeded"] };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
