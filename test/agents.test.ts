import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestDatabase } from "./harness/database.ts";
import { sharedGateway, type TestWorkspace } from "./harness/gateway.ts";

type Json = Record<string, unknown>;

/** Another Postgres, as the workspace's own: with the tables of the demo. */
let database: Awaited<ReturnType<typeof startTestDatabase>>;
let workspace: TestWorkspace;

beforeAll(async () => {
  database = await startTestDatabase();
  workspace = await (await sharedGateway()).createWorkspace();
  await workspace.api("POST", "/connections", { kind: "postgres", name: "demo", url: database.url });
});
afterAll(() => database.stop());

test("x", async () => {
  console.log(database, readFileSync, createServer);
  console.log(await workspace.api("PUT", "/agents/progress-demo", readFileSync("examples/progress-demo.yaml", "utf8")));
}, 60000);
export type { Json };
