import { GatewayError, wasRestarted } from "../model/error.ts";
import { within } from "./clock.ts";

/** Seconds a caller is asked to wait when an object did not answer. */
export const RETRY_AFTER = 1;

/** What an object answers to a question that may be asked twice; `unavailable` when it fails or takes longer than `timeoutMs`. */
export async function reach<T>(question: () => Promise<T>, timeoutMs: number): Promise<T> {
  const given = await within(timeoutMs, twice(question)).catch(unreachable);
  return given === "late" ? unreachable("no answer in time") : given;
}

/**
 * The same, without a limit in time and with the object's own errors. An object that was moved, redeployed or restarted under the question
 * is asked once more. `question` has to get the object anew each time: a stub that has seen it break stays broken.
 */
export async function twice<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    if (!wasRestarted(error)) throw error;
    return question();
  }
}

function unreachable(cause: unknown): never {
  throw new GatewayError("unavailable", "the workspace cannot be reached at the moment", { cause, retryAfter: RETRY_AFTER });
}
