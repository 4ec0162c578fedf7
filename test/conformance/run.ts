import { start as startLegacy } from "../upstreams/legacy.ts";
import { start as startModern } from "../upstreams/modern.ts";
import { readExpected } from "./expected.ts";
import { startLocal } from "./local.ts";
import { report } from "./report.ts";
import { type Revision, REVISIONS, runSuite, type ScenarioResult } from "./suite.ts";

/*
 * The official conformance suite against the local default: its conformance workspace, and through it the servers on the official
 * SDKs. Words choose runs: each must be part of `{target} {revision}`. `--fixtures` runs the SDK servers themselves instead.
 */
const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const runs = new Map<string, ScenarioResult[]>();

await (process.argv.includes("--fixtures") ? runFixtures() : runGateway());
const { text, ok } = report(runs, await readExpected(new URL("expected.yaml", import.meta.url)));
console.log(text);
process.exitCode = ok ? 0 : 1;

async function runGateway(): Promise<void> {
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

/** Each server by the revisions it speaks itself; nothing of the gateway is in between. */
async function runFixtures(): Promise<void> {
  const [modern, ...legacy] = REVISIONS;
  for (const [target, start, revisions] of [["modern-server", startModern, [modern]], ["legacy-server", startLegacy, legacy]] as const) {
    const server = await start();
    await runTarget(target, server.url, revisions).finally(() => server.close());
  }
}

async function runTarget(target: string, url: string, revisions: readonly Revision[] = REVISIONS): Promise<void> {
  for (const revision of revisions) {
    const run = `${target} ${revision}`;
    if (words.every((word) => run.includes(word))) runs.set(run, await runSuite(url, revision));
  }
}
