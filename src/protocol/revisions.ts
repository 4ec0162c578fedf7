/** Revisions without a handshake, newest first. */
export const MODERN: readonly string[] = ["2026-07-28"];

/** Revisions with an `initialize` handshake, newest first. */
export const LEGACY: readonly string[] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/** What a legacy client that names no revision is taken to speak (2025-06-18, transports: protocol version header). */
export const ASSUMED_LEGACY = "2025-03-26";

const FIRST_MODERN = "2026-07-28";

/** Whether a revision belongs to the era without a handshake, supported here or not. */
export function isModern(revision: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(revision) && revision >= FIRST_MODERN;
}

export function isLegacy(revision: string): boolean {
  return LEGACY.includes(revision);
}
