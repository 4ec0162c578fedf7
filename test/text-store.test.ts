import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { completed, toolsWhere } from "../src/catalog/text-store.ts";
import { groupsOf } from "../src/lib/groups.ts";
import { sql, workspaceTx, type Row } from "../src/lib/sql.ts";
import { insertWorkspace } from "../src/workspaces/store.ts";
import { startTestDatabase } from "./harness/database.ts";

/* More tool texts than fit one answer of the database's HTTP endpoint. */

const WORKSPACE = "ws_texts";
const TOOLS = 40;
/** Half a MiB with its candidate: quotes, so that quoting doubles it. */
const TEXT = '"'.repeat(256 * 1024);

let database: Awaited<ReturnType<typeof startTestDatabase>>;

beforeAll(async () => {
  database = await startTestDatabase();
  await insertWorkspace(database, { id: WORKSPACE, slug: "texts", name: "texts" });
  for (let at = 0; at < TOOLS; at++) {
    const name = `t${String(at).padStart(2, "0")}`;
    await workspaceTx(database, WORKSPACE, [
      sql`insert into causeway.tool (workspace, name, source, target, definition, pin, candidate, candidate_pin)
        values (${WORKSPACE}, ${name}, ${name}, '{}', ${name + TEXT}, 'p', ${TEXT + name}, 'q')`,
    ]);
  }
}, 60_000);

afterAll(() => database.stop());

async function read(): Promise<Row[]> {
  const [rows = []] = await workspaceTx(database, WORKSPACE, [toolsWhere(sql`workspace = ${WORKSPACE}`)], { readOnly: true });
  return rows;
}

test("every text comes, in the order of the names, in as many answers as it takes", async () => {
  const rows = await read();
  expect(rows.filter(({ definition }) => definition === null).length).toBeGreaterThan(TOOLS / 2);
  const all = await completed(database, WORKSPACE, rows);
  expect(all?.map(({ name }) => name)).toEqual(rows.map(({ name }) => name).sort());
  for (const { name, definition, candidate } of all ?? []) {
    expect(definition === name + TEXT).toBe(true);
    expect(candidate === TEXT + name).toBe(true);
  }
}, 30_000);

test.each([
  ["changed", sql`update causeway.tool set definition = 'other' where workspace = ${WORKSPACE} and name = 't39'`],
  ["removed", sql`delete from causeway.tool where workspace = ${WORKSPACE} and name = 't38'`],
])("rows do not belong together when one was %s before its text came", async (_what, edit) => {
  const rows = await read();
  await workspaceTx(database, WORKSPACE, [edit]);
  expect(await completed(database, WORKSPACE, rows)).toBeNull();
  expect(await completed(database, WORKSPACE, await read())).not.toBeNull();
}, 30_000);

test("groups keep every item in its order and stay within their size, and none is smaller than it has to be", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), fc.nat(30), (sizes, most) => {
      const groups = groupsOf(sizes, (size) => size, most);
      const sum = (group: number[]) => group.reduce((total, size) => total + size, 0);
      expect(groups.flat()).toEqual(sizes);
      for (const [at, group] of groups.entries()) {
        expect(group.length === 1 || sum(group) <= most).toBe(true);
        const [next] = groups[at + 1] ?? [];
        if (next !== undefined) expect(sum(group) + next).toBeGreaterThan(most);
      }
    }),
  );
});
