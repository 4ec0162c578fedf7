/** Something that can end before its time. */
export interface Cuttable {
  /** Tells the listener, once, with the reason; at once when it has ended already. What it gives takes the listener back. */
  onCut(listener: (reason: unknown) => void): () => void;
}

/** A signal as something that can end. */
export function cutBy(signal: AbortSignal): Cuttable {
  return {
    onCut(listener) {
      const fired = () => listener(signal.reason);
      if (signal.aborted) fired();
      else signal.addEventListener("abort", fired, { once: true });
      return () => signal.removeEventListener("abort", fired);
    },
  };
}
