/** Delays between tries, in milliseconds. */
export interface Backoff {
  /** The next delay: twice the one before, up to the cap, each moved by up to a quarter either way. */
  next(): number;
  /** Begins anew; to be called once a try has led to something. */
  reset(): void;
}

/**
 * Capped, jittered exponential back-off. The jitter keeps the plugins of one runtime from all coming back
 * in the same instant. `random` gives numbers from 0 to 1.
 */
export function backoff(first: number, cap: number, random: () => number = Math.random): Backoff {
  let delay = first;
  return {
    next() {
      const jittered = delay * (0.75 + random() / 2);
      delay = Math.min(delay * 2, cap);
      return Math.round(jittered);
    },
    reset() {
      delay = first;
    },
  };
}
