/** Revisions without a handshake, newest first. */
export const MODERN: readonly string[] = ["2026-07-28"];

/** Revisions with an `initialize` handshake, newest first. */
export const LEGACY: readonly string[] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

const FIRST_MODERN = "2026-07-28";

/** Whether a revision belongs to the era without a handshake, supported here or not. */
export function isModern(revision: string): boolean {
  return revision === FIRST_MODERN || (/^\d{4}-\d{2}-\d{2}$/.test(revision) && revision > FIRST_MODERN);
}

export function isLegacy(revision: string): boolean {
  return LEGACY.includes(revision);
}
