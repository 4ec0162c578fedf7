import { createInterface, type Interface } from "node:readline";

/** The person at the keyboard, line by line. Takes stdin at the first question, not before: other commands read all of it. */
export class Terminal {
  #reader: Interface | null = null;
  #lines: AsyncIterator<string> | null = null;

  /** The next line, without the spaces around it; nothing after the end of the input. */
  async ask(question: string): Promise<string> {
    this.#reader ??= createInterface({ input: process.stdin });
    this.#lines ??= this.#reader[Symbol.asyncIterator]();
    process.stderr.write(`${question} `);
    const { value, done } = await this.#lines.next();
    return done ? "" : value.trim();
  }

  close(): void {
    this.#reader?.close();
  }
}
