import type { AgentState } from "../agent/state.ts";
import { fileIdentity, writeLaunchedNote } from "../platform/launched_note.ts";
import { processName } from "../platform/process_name.ts";
import type { Context } from "./context.ts";

/**
 * Notes once, for install-host-plugin, that the runtime has configured this agent, which it has launched.
 * @returns is to be called with the agent's state after each step; never throws
 */
export function registrationNote(
  { effective: { config: { runDir, procRoot } }, log, version }: Pick<
    Context,
    "effective" | "log" | "version"
  >,
  executable = Deno.execPath(),
): (state: Pick<AgentState, "phase">) => void {
  const identity = attempted(() => fileIdentity(executable)); // another file may take its name
  let isNoted = false;
  return ({ phase }) => {
    if (isNoted || phase === "disconnected" || phase === "registering") return;
    isNoted = true;
    if (identity === undefined) return;
    attempted(() => writeLaunchedNote(runDir, identity, `${processName(undefined, procRoot)}, ${version}`));
  };

  function attempted<T>(body: () => T): T | undefined {
    try {
      return body();
    } catch (error) {
      const { message: reason } = error as Error;
      log.write({ level: "warn", message: "registration not noted", fields: { reason } });
      return undefined;
    }
  }
}
