import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COLUMNS } from "./columns.ts";
import { FEATURES } from "./features.ts";
import { blankOf, cellName, DOCUMENT, rendered, replaced } from "./table.ts";

/* The cells themselves are run beside this: one that fails is red there. */

test("docs/coverage.md says what the matrix has: after a change of it, `npm run coverage`", () => {
  const document = readFileSync(DOCUMENT, "utf8");
  expect(document).toBe(replaced(document, rendered(FEATURES, () => true)));
});

test("a cell that did not pass is seen in the table", () => {
  const failed = rendered(FEATURES, (cell) => cell !== "handshake · client 2025-06-18 · legacy upstream");
  expect(failed).toContain("| handshake | ●●●●●● | ●●●●●● | ●✗●●●● | ●●●●●● | ●●●●●● |");
});

test("every cell has a name of its own", () => {
  const names = FEATURES.flatMap((feature) => COLUMNS.filter((column) => blankOf(feature, column) === null).map((column) => cellName(feature, column)));
  expect(new Set(names).size).toBe(names.length);
});
