import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { start as startLegacy } from "../upstreams/legacy.ts";
import { start as startModern } from "../upstreams/modern.ts";
import { readExpected } from "./expected.ts";
import { startLocal } from "./local.ts";
import { report } from "./report.ts";
import { REQUIREMENTS, type Revision, REVISIONS, runClientSuite, runSuite, type ScenarioResult } from "./suite.ts";

/*
 * The official conformance suite against the local default: its conformance workspace, and through it the servers on the official
 * SDKs; and the client scenarios (target `client`) against the gateway's upstream client. Words choose runs: each must be part of `{target} {revision}`.
 * `--fixtures` runs the SDK servers themselves instead.
 */
const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const runs = new Map<string, ScenarioResult[]>();

await (process.argv.includes("--fixtures") ? runFixtures() : runGateway());
const { text, ok } = report(runs, await readExpected(new URL("expected.yaml", import.meta.url)));
console.log(text);
process.exitCode = ok ? 0 : 1;

async function runGateway(): Promise<void> {
  await runClient();
  // A start of everything is spared where nobody asks for it.
  if (words.includes("client")) return;
  const upstreams = { modern: await startModern(), legacy: await startLegacy() };
  const local = await startLocal();
  try {
    await runTarget("gateway", local.endpoint);
    for (const [slug, upstream] of Object.entries(upstreams)) {
      await local.addUpstream(slug, upstream.url);
      await runTarget(slug, `${local.endpoint}/${slug}`);
    }
  } finally {
    await Promise.all([local.stop(), upstreams.modern.close(), upstreams.legacy.close()]);
  }
}

/** The driver is started some forty times at the same moment: as one file that takes little. */
async function runClient(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "conformance-driver-"));
  const outfile = join(folder, "driver.mjs");
  try {
    await build({ entryPoints: [fileURLToPath(new URL("driver.ts", import.meta.url))], bundle: true, platform: "node", format: "esm", outfile });
    for (const revision of REQUIREMENTS) await runOne(`client ${revision}`, () => runClientSuite(`${process.execPath} ${outfile}`, revision));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Each server by the revisions it speaks itself; nothing of the gateway is in between. */
async function runFixtures(): Promise<void> {
  const [modern, ...legacy] = REVISIONS;
  for (const [target, start, revisions] of [["modern-server", startModern, [modern]], ["legacy-server", startLegacy, legacy]] as const) {
    const server = await start();
    await runTarget(target, server.url, revisions).finally(() => server.close());
  }
}

async function runTarget(target: string, url: string, revisions: readonly Revision[] = REVISIONS): Promise<void> {
  for (const revision of revisions) await runOne(`${target} ${revision}`, () => runSuite(url, revision));
}

async function runOne(run: string, work: () => Promise<ScenarioResult[]>): Promise<void> {
  if (words.every((word) => run.includes(word))) runs.set(run, await work());
}
