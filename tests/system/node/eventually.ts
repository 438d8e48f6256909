const PAUSE_MS = 20;
// For a machine that is emulated or very busy; nobody waits so long unless something is wrong.
const PATIENCE_MS = 30_000;

/**
 * Resolves with what `look` gives as soon as it doesn't throw. What is looked at (a process, a cgroup file, a socket)
 * announces nothing, so it is asked again and again; after half a minute the last error is thrown.
 */
export async function eventually<T>(look: () => T | Promise<T>): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  while (true) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() >= end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
