import { join } from "node:path";
import { ROOT } from "../../src/dev/build.ts";
import { type Back, BACKS, type Column, type Revision, REVISIONS, TITLES } from "./columns.ts";
import type { Stage } from "./stage.ts";

/** Where a feature does not exist, and what says so. Left out: everywhere in that direction. */
export interface Blank {
  revisions?: readonly Revision[];
  backs?: readonly Back[];
  /** For the reader of the table; names the clause. */
  because: string;
}

/** One row of the matrix. */
export interface Feature {
  name: string;
  blanks?: readonly Blank[];
  /** What each of its cells does. Null: not built yet. */
  run: ((stage: Stage) => Promise<void>) | null;
}

/** Why the feature has no cell in a column; null: it has one. */
export function blankOf(feature: Feature, { revision, back }: Column): string | null {
  const matching = feature.blanks?.find(({ revisions, backs }) => (revisions?.includes(revision) ?? true) && (backs?.includes(back) ?? true));
  return matching?.because ?? null;
}

/** Name of a cell's test. */
export function cellName(feature: Feature, { revision, back }: Column): string {
  return `${feature.name} · client ${revision} · ${TITLES[back]}`;
}

export const DOCUMENT = join(ROOT, "docs/coverage.md");
const BEGIN = "<!-- written by `npm run coverage` -->";
const END = "<!-- end of what `npm run coverage` writes -->";

/** The table as it stands in the document. `passed`: by the name of a cell. */
export function rendered(features: readonly Feature[], passed: (cell: string) => boolean): string {
  const reasons: string[] = [];
  const rows = features.map((feature) => {
    const cells = REVISIONS.map((revision) => {
      const marks = BACKS.map((back) => markOf(feature, { revision, back }, passed)).join("");
      return marks === "·".repeat(BACKS.length) ? "" : marks;
    });
    const notes = (feature.blanks ?? []).map(({ because }) => {
      if (!reasons.includes(because)) reasons.push(because);
      return reasons.indexOf(because) + 1;
    });
    return row([feature.name, ...cells, [...new Set(notes)].join(" ")]);
  });
  const head = [row(["feature", ...REVISIONS, "blank because"]), row(Array.from({ length: REVISIONS.length + 2 }, () => "---"))];
  return [...head, ...rows, "", ...reasons.map((reason, nth) => `${nth + 1}. ${reason}`)].join("\n");
}

/** The document with another table between its marks. */
export function replaced(document: string, table: string): string {
  const [from, to] = [document.indexOf(BEGIN) + BEGIN.length, document.indexOf(END)];
  if (from < BEGIN.length || to < from) throw new Error("docs/coverage.md has no place for the table");
  return `${document.slice(0, from)}\n\n${table}\n\n${document.slice(to)}`;
}

function markOf(feature: Feature, column: Column, passed: (cell: string) => boolean): string {
  if (blankOf(feature, column) !== null) return "·";
  if (feature.run === null) return "–";
  return passed(cellName(feature, column)) ? "●" : "✗";
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
