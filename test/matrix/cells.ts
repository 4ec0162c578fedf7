import { afterAll, beforeAll, test } from "vitest";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Back, COLUMNS, type Column } from "./columns.ts";
import { FEATURES } from "./features.ts";
import { Stage } from "./stage.ts";
import { blankOf, cellName } from "./table.ts";

/** Few enough that every list has more than one page; and nobody waits long for a task. */
const LIMITS = JSON.stringify({ pageItems: 10, taskAfterMs: 500 });

/** Runs all cells that have this behind the gateway, as one test each: the columns beside each other, the cells of a column in turn. */
export function runCells(back: Back): void {
  const columns = COLUMNS.filter((column) => column.back === back);
  const stages = new Map<Column, Stage>();
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await startGateway({ vars: { LIMITS } });
    await Promise.all(columns.map(async (column) => stages.set(column, await Stage.open(gateway, column))));
  });
  afterAll(async () => {
    await Promise.all([...stages.values()].map((stage) => stage.close()));
    await gateway?.stop();
  });

  for (const feature of FEATURES) {
    const { run } = feature;
    if (run === null) continue;
    for (const column of columns.filter((candidate) => blankOf(feature, candidate) === null)) {
      test.concurrent(cellName(feature, column), () => {
        const stage = stages.get(column);
        if (!stage) throw new Error("the column was not set up");
        return stage.act(run);
      });
    }
  }
}
