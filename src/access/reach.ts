import { within } from "../lib/clock.ts";
import { GatewayError } from "../model/error.ts";

/** Seconds a caller is asked to wait when an object did not answer. */
export const RETRY_AFTER = 1;

/**
 * What an object answers to a question that may be asked twice; `unavailable` when it fails or takes longer than `timeoutMs`.
 * An object that was moved or redeployed under the question marks its error `retryable`, and is asked once more.
 */
export async function reach<T>(question: () => Promise<T>, timeoutMs: number): Promise<T> {
  const given = await within(timeoutMs, twice(question)).catch(unreachable);
  return given === "late" ? unreachable("no answer in time") : given;
}

async function twice<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    if (!isRetryable(error)) throw error;
    return question();
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof Error && "retryable" in error && error.retryable === true && !("overloaded" in error && error.overloaded);
}

function unreachable(cause: unknown): never {
  throw new GatewayError("unavailable", "the workspace cannot be reached at the moment", { cause, retryAfter: RETRY_AFTER });
}
