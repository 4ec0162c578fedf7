/** Hears of the end of something, once, with the reason; at once when it has ended already. What it gives takes the listener back. */
export type OnCut = (listener: (reason: unknown) => void) => () => void;

/** A signal as what can be listened to. */
export function cutBy(signal: AbortSignal): OnCut {
  return (listener) => {
    const fired = () => listener(signal.reason);
    if (signal.aborted) fired();
    else signal.addEventListener("abort", fired, { once: true });
    return () => signal.removeEventListener("abort", fired);
  };
}
