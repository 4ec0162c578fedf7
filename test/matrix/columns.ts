/* The columns of the matrix: who calls, and what is behind the gateway. */

/** Legacy revisions are spoken by the official client v1, the modern one by v2. */
export const REVISIONS = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] as const;
export type Revision = (typeof REVISIONS)[number];

export const MODERN = "2026-07-28";

/**
 * `modern`: a server on the official SDK v2. `legacy`: one on SDK v1 with sessions; the two named after a revision are the same, and speak no later one.
 * `old`: one on SDK v1 over HTTP+SSE. `own`: builtins and agents.
 */
export const BACKS = ["modern", "legacy", "2025-06-18", "2025-03-26", "old", "own"] as const;
export type Back = (typeof BACKS)[number];

/** What the hop behind the gateway speaks. */
export const SPOKEN: Readonly<Record<Back, Revision | null>> = {
  modern: "2026-07-28",
  legacy: "2025-11-25",
  "2025-06-18": "2025-06-18",
  "2025-03-26": "2025-03-26",
  old: "2024-11-05",
  own: null,
};

/** How people call them. */
export const TITLES: Readonly<Record<Back, string>> = {
  modern: "modern upstream",
  legacy: "legacy upstream",
  "2025-06-18": "2025-06-18 upstream",
  "2025-03-26": "2025-03-26 upstream",
  old: "HTTP+SSE upstream",
  own: "our own",
};

export interface Column {
  revision: Revision;
  back: Back;
}

export const COLUMNS: readonly Column[] = BACKS.flatMap((back) => REVISIONS.map((revision) => ({ revision, back })));
