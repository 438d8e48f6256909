import { pause } from "../platform/pause.ts";
import { fileIdentity, writeLaunchedNote } from "../platform/launched_note.ts";
import { processName } from "../platform/process_name.ts";
import type { Context } from "./context.ts";
import type { Driver } from "./driver.ts";

const INTERVAL_MS = 250;

/** Notes once, for install-host-plugin, that the runtime has configured this agent, which it has launched. */
export function watchRegistration(
  driver: Pick<Driver, "agent">,
  { effective: { config: { runDir, procRoot } }, log, version }: Pick<
    Context,
    "effective" | "log" | "version"
  >,
  executable = Deno.execPath(),
): { close(): void } {
  const closed = new AbortController();
  note().catch(({ message: reason }: Error) =>
    log.write({ level: "warn", message: "registration not noted", fields: { reason } })
  );
  return { close: () => closed.abort() };

  async function note(): Promise<void> {
    const identity = fileIdentity(executable); // another file may take its name
    while (!isConfigured(driver) && !closed.signal.aborted) await pause(INTERVAL_MS, closed.signal);
    if (closed.signal.aborted) return;
    writeLaunchedNote(runDir, identity, `${processName(undefined, procRoot)}, ${version}`);
  }
}

function isConfigured({ agent: { state: { phase } } }: Pick<Driver, "agent">): boolean {
  return phase !== "disconnected" && phase !== "registering";
}
