import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Gateway, startGateway } from "./harness/gateway.ts";
import { Lane } from "./lane.ts";
import { Ledger } from "./ledger.ts";
import { Luck } from "./luck.ts";
import { SCENES } from "./scenes.ts";
import { type CountingUpstream, startCounting } from "./upstreams/counting.ts";
import { until } from "./until.ts";

/*
 * Objects that are killed at seeded points, before, in the middle of and after what they do: no session id is lost, what does not run in the
 * object goes on, what does ends once and is not sent again, streams end cleanly, and no right comes back.
 */

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const POINTS = 200;
const LANES = 10;

let gateway: Gateway;
let upstream: CountingUpstream;
let lanes: Lane[];

beforeAll(async () => {
  upstream = await startCounting();
  gateway = await startGateway({ entry: fileURLToPath(new URL("workers/mortal.ts", import.meta.url)), second: {} });
  lanes = await Promise.all(Array.from({ length: LANES }, (_, nth) => Lane.open(gateway, upstream, new Luck(SEED * LANES + nth))));
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), upstream?.close()]);
});

test(`objects die at ${POINTS} points, and nobody notices more than they must (SEED=${SEED})`, async () => {
  const points: string[] = [];
  const play = async (lane: Lane) => {
    while (points.length < POINTS) {
      const scene = lane.luck.of(SCENES);
      try {
        await Promise.all([scene(lane), lane.bystanders()]);
      } catch (cause) {
        throw new Error(`${scene.name}, ${lane.plan}, SEED=${SEED}: ${String(cause)}`, { cause });
      }
      const death = await lane.disarm();
      if (death) points.push(`${scene.name} ${death.kind} ${death.survives} ${typeof death.when === "number" ? "ms" : death.when}`);
    }
  };
  await Promise.all(lanes.map(play));
  // Every way to die was among them, and nothing that they left runs on.
  expect(new Set(points.map((point) => point.split(" ")[0])).size).toBe(new Set(SCENES).size);
  await until(() => upstream.open() === 0);
  if (process.env.SHOW) console.log(Object.entries(Object.groupBy(points.sort(), (point) => point)).map(([point, all]) => `${point}: ${all?.length}`).join("\n"));
}, 120_000);

test("each revocation that a death interrupted has its one record", async () => {
  for (const lane of lanes) {
    const ledger = new Ledger(gateway, lane.workspace);
    await until(async () => {
      const told = (await ledger.records()).filter(({ action }) => action === "token.revoke").map(({ subject }) => String(subject));
      return told.sort().join() === [...lane.revoked].sort().join();
    });
  }
});
