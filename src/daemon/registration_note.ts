import type { AgentState } from "../agent/state.ts";
import { fileIdentity, writeLaunchedNote } from "../platform/launched_note.ts";
import { processName } from "../platform/process_name.ts";
import type { Context } from "./context.ts";

/** Between two tries; install-host-plugin waits a minute for the note. */
const RETRY_MS = 5000;
const MAX_TRIES = 12;

/**
 * Notes once, for install-host-plugin, that the runtime has configured this agent, which it has launched; tried for a minute where that
 * fails: without the note a plugin that works is put away.
 * @returns is to be called with the agent's state after each step; never throws
 */
export function registrationNote(
  { effective: { config: { runDir, procRoot } }, log, version }: Pick<
    Context,
    "effective" | "log" | "version"
  >,
  executable = Deno.execPath(),
  now: () => number = () => performance.now(),
): (state: Pick<AgentState, "phase">) => void {
  const identity = attempted(() => fileIdentity(executable)); // another file may take its name
  let [tries, nextAt] = [0, -Infinity];
  return ({ phase }) => {
    if (tries >= MAX_TRIES || now() < nextAt || phase === "disconnected" || phase === "registering") return;
    [tries, nextAt] = [tries + 1, now() + RETRY_MS];
    const isDone = identity === undefined || attempted(() => {
      writeLaunchedNote(runDir, identity, `${processName(undefined, procRoot)}, ${version}`);
      return true;
    });
    if (isDone) tries = MAX_TRIES;
  };

  function attempted<T>(body: () => T): T | undefined {
    try {
      return body();
    } catch (error) {
      if (tries > 1) return undefined;
      const { message: reason } = error as Error;
      log.write({ level: "warn", message: "registration not noted", fields: { reason } });
      return undefined;
    }
  }
}
