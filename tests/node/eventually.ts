const PAUSE_MS = 20;

/**
 * Resolves with what `look` gives as soon as it doesn't throw. What is looked at (a process, a cgroup file, a socket)
 * announces nothing, so it is asked again and again; after `seconds` the last error is thrown.
 */
export async function eventually<T>(look: () => T | Promise<T>, seconds = 10): Promise<T> {
  const end = Date.now() + seconds * 1000;
  while (true) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() >= end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
