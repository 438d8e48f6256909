/**
 * Timers of one period that are one timer: each wake-up of the event loop costs 0.1 ms of CPU time, which is most of what a
 * process at rest takes.
 */
interface Shared {
  readonly calls: Set<() => void>;
  readonly timer: number;
}

/** By their periods. */
const running = new Map<number, Shared>();

/** Calls back each `ms`, together with all others of that period, in the order in which they came; until closed, which is idempotent. */
export function atInterval(ms: number, call: () => void): { close(): void } {
  const known = running.get(ms) ?? begun(ms);
  const own = () => call();
  known.calls.add(own);
  return {
    close: () => {
      known.calls.delete(own);
      if (known.calls.size > 0 || running.get(ms) !== known) return;
      clearInterval(known.timer);
      running.delete(ms);
    },
  };
}

function begun(ms: number): Shared {
  const calls = new Set<() => void>();
  const timer = setInterval(() => {
    for (const call of calls) call();
  }, ms);
  const shared = { calls, timer };
  running.set(ms, shared);
  return shared;
}
