export type Timer = ReturnType<typeof setTimeout>;

export function stop(timer: Timer | null): void {
  if (timer !== null) clearTimeout(timer);
}

/** What the promise gives, or "late" when it takes longer than `ms`; it goes on unwatched then. */
export function within<T>(ms: number, promise: Promise<T>): Promise<T | "late"> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, "late" as const);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The same, given up with the signal's reason when it fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", giveUp);
      resolve();
    }, ms);
    const giveUp = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    if (signal.aborted) giveUp();
    else signal.addEventListener("abort", giveUp, { once: true });
  });
}
