import type { SessionApi } from "../model/context.ts";
import type { JsonText } from "../model/json.ts";
import { Tie } from "./tie.ts";

/** A client's answer to one of our requests, as written; the other one is null. */
export interface Answer {
  id: string;
  result: JsonText | null;
  error: JsonText | null;
}

/**
 * The line from a running call to its Session object, over which answers come back: a client POSTs them anywhere, and
 * only the object knows which isolate waits for them. Opened with the first question, so a call that asks nothing
 * touches no object.
 */
export class Line {
  readonly #tie: Tie;
  readonly #answers = new Map<string, Answer>();
  #wake: (() => void) | null = null;
  #lost = false;

  private constructor(session: () => SessionApi) {
    this.#tie = new Tie(session, "/line", { heard: (text) => this.#arrived(JSON.parse(text)), lost: () => this.#end() });
  }

  /** Errors: `unavailable`. */
  static async open(session: () => SessionApi): Promise<Line> {
    const line = new Line(session);
    await line.#tie.open();
    return line;
  }

  /** From now on answers to these ids come here. */
  expect(ids: string[]): void {
    this.#answers.clear();
    this.#tie.stand(JSON.stringify(ids));
  }

  /** All answers, or null when one is missing after `ms`, the line is lost, or the signal fires. */
  async answers(ids: string[], ms: number, signal: AbortSignal): Promise<Answer[] | null> {
    const timer = setTimeout(() => this.#end(), ms);
    const stop = () => this.#end();
    signal.addEventListener("abort", stop);
    try {
      while (!this.#lost && !signal.aborted) {
        const answers = ids.flatMap((id) => this.#answers.get(id) ?? []);
        if (answers.length === ids.length) return answers;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      return null;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  close(): void {
    this.#tie.close();
  }

  /** The first answer to an id counts; a client that answers twice changes nothing. */
  #arrived(answer: Answer): void {
    if (!this.#answers.has(answer.id)) this.#answers.set(answer.id, answer);
    this.#wake?.();
  }

  #end(): void {
    this.#lost = true;
    this.#wake?.();
  }
}
