/** Something that can end before its time. */
export interface Cuttable {
  /** The reason, where it has ended already as far as is known without looking; null: it has not. */
  cutBy(): unknown;
  /** Tells the listener, once, with the reason; at once when it has ended already. What it gives takes the listener back. */
  onCut(listener: (reason: unknown) => void): () => void;
}

/** A signal as something that can end, by its signal or by listener. */
export function cuttable(signal: AbortSignal): Cuttable & { readonly signal: AbortSignal } {
  return {
    signal,
    cutBy: () => (signal.aborted ? signal.reason : null),
    onCut(listener) {
      const fired = () => listener(signal.reason);
      if (signal.aborted) fired();
      else signal.addEventListener("abort", fired, { once: true });
      return () => signal.removeEventListener("abort", fired);
    },
  };
}
