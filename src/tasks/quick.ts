/** A tool that ended soon in so many calls is taken to be quick: its calls no longer run in an object, where they could become tasks. */
const QUICK_CALLS = 20;
const MAX_ENTRIES = 10_000;

/** Named cache: workspace and tool → calls in a row that ended soon. */
const quick = new Map<string, number>();

export function isQuick(tool: string): boolean {
  return (quick.get(tool) ?? 0) >= QUICK_CALLS;
}

/** One that takes long again has to prove itself anew. */
export function notePace(tool: string, soon: boolean): void {
  const calls = soon ? (quick.get(tool) ?? 0) + 1 : 0;
  quick.delete(tool);
  quick.set(tool, calls);
  for (const oldest of quick.keys()) {
    if (quick.size <= MAX_ENTRIES) break;
    quick.delete(oldest);
  }
}
