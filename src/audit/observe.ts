import type { AuditEnd } from "../model/audit.ts";
import type { Notification, Outcome, Reply } from "../model/call.ts";
import { type ErrorCode, toGatewayError } from "../model/error.ts";

/** Told once, when the reply has ended. */
type Ended = (end: AuditEnd, error: ErrorCode | null) => void;

/** Wraps the reply of an accepted call so that its end is told exactly once, however it ends: completed, failed, or given up by its reader (`return`). */
export function observe(reply: Reply, ended: Ended): Reply {
  return new Observed(reply, ended);
}

/** A generator around a generator would say the same and take more turns of the microtask queue. */
class Observed implements Reply {
  readonly #reply: Reply;
  #ended: Ended | null;

  constructor(reply: Reply, ended: Ended) {
    this.#reply = reply;
    this.#ended = ended;
  }

  async next(): Promise<IteratorResult<Notification, Outcome>> {
    try {
      const step = await this.#reply.next();
      if (step.done) this.#tell(endOf(step.value), null);
      return step;
    } catch (thrown) {
      throw this.#failed(thrown);
    }
  }

  async return(value: Outcome | PromiseLike<Outcome>): Promise<IteratorResult<Notification, Outcome>> {
    try {
      return await this.#reply.return(value);
    } catch (thrown) {
      throw this.#failed(thrown);
    } finally {
      this.#tell("cancelled", "cancelled");
    }
  }

  async throw(thrown: unknown): Promise<IteratorResult<Notification, Outcome>> {
    try {
      return await this.#reply.throw(thrown);
    } catch (rethrown) {
      throw this.#failed(rethrown);
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reply[Symbol.asyncDispose]();
    this.#tell("cancelled", "cancelled");
  }

  #failed(thrown: unknown): unknown {
    const { code } = toGatewayError(thrown);
    this.#tell(code === "cancelled" ? "cancelled" : "failed", code);
    return thrown;
  }

  #tell(end: AuditEnd, error: ErrorCode | null): void {
    this.#ended?.(end, error);
    this.#ended = null;
  }
}

/** How a call ended, in the words of its record. */
export function endOf(outcome: Outcome): AuditEnd {
  if (outcome.type !== "complete") return outcome.type;
  return outcome.isError ? "error_result" : "complete";
}
