/** Delays between retries, in milliseconds. */
interface Backoff {
  /** The next delay: twice the one before, up to the cap, each moved by up to a quarter either way. */
  next(): number;
  /** Starts over with the first delay; to be called once a try has succeeded. */
  reset(): void;
}

/**
 * Capped, jittered exponential back-off. The jitter keeps the plugins of one runtime from all reconnecting
 * at the same instant. `random` returns numbers from 0 to 1.
 */
export function backoff(firstMs: number, capMs: number, random: () => number = Math.random): Backoff {
  let delayMs = firstMs;
  return {
    next() {
      const jittered = delayMs * (0.75 + random() / 2);
      delayMs = Math.min(delayMs * 2, capMs);
      return Math.round(jittered);
    },
    reset() {
      delayMs = firstMs;
    },
  };
}
