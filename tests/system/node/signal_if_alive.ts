/** Sends `signal` to a child process; nothing happens if it has ended. */
export function signalIfAlive(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // how Deno says that it has ended
  }
}
