/**
 * What other requests of the isolate want one to do. Sockets and timers belong to the request that made them, so another one may only ask: the
 * platform resolves a promise in the request it was made in, whoever resolves it.
 */
export class Errands {
  readonly #tasks: (() => void)[] = [];
  #wake: (() => void) | null = null;
  #ended = false;

  /** From anywhere in the isolate: the task runs in the request that began these, unless that is over. Tasks do not throw. */
  ask(task: () => void): void {
    this.#tasks.push(task);
    this.#wake?.();
  }

  /** Runs what is asked for, until the end. The request has to wait for something of its own beside this, or the platform takes it for hung. */
  async begin(): Promise<void> {
    while (!this.#ended) {
      for (const task of this.#tasks.splice(0)) task();
      if (this.#tasks.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }
}
