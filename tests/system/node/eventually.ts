import { hereMs } from "./slowness.ts";

const PAUSE_MS = 20;
// For a machine that is emulated or very busy; nobody waits so long unless something is wrong.
const PATIENCE_MS = 30_000;

/** How long it is looked for, and the pause between two looks, in milliseconds of a usual machine. */
interface Patience {
  readonly patienceMs?: number;
  readonly pauseMs?: number;
}

/**
 * Resolves with what `look` gives as soon as it doesn't throw. What is looked at (a process, a cgroup file, a socket)
 * announces nothing, so it is asked again and again; after `patienceMs` the last error is thrown.
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  { patienceMs = PATIENCE_MS, pauseMs = PAUSE_MS }: Patience = {},
): Promise<T> {
  const end = Date.now() + hereMs(patienceMs);
  while (true) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() >= end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, hereMs(pauseMs)));
  }
}
