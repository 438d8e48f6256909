import type { Config } from "../config/schema.ts";
import { LAUNCHED_LOG_FILE } from "../config/schema.ts";
import { type LevelledLog, openLog } from "../platform/log.ts";
import type { Context } from "./context.ts";
import { Journal } from "./journal.ts";
import { live } from "./life.ts";
import { EXTERNAL, launchedMode } from "./modes.ts";

/** What the process is started with. */
interface Start extends Omit<Context, "log" | "journal"> {
  /** The connection's descriptor, when the runtime has started the process (NRI_PLUGIN_SOCKET). */
  readonly inherited?: number;
  /** Why the process has no better scheduling share than others, where it asked for one. */
  readonly priorityFailure?: string | undefined;
  /** Replaces the log that the configuration names. */
  readonly log?: LevelledLog;
}

/**
 * Runs until `stop` is aborted or, in launched mode, the runtime closes the connection. Resolves when the request in
 * hand is answered and the log is flushed.
 * @throws {ConfigError} in external mode for any problem of the configuration
 */
export async function run(
  { effective, inherited, priorityFailure, log: given, ...rest }: Start,
): Promise<void> {
  const launched = inherited !== undefined;
  const mode = launched ? launchedMode(inherited) : EXTERNAL;
  mode.checkConfig(effective.problems);
  const journal = new Journal();
  const log = journal.of(given ?? openLog(logOptions(effective.config, launched)));
  try {
    if (priorityFailure !== undefined) {
      const fields = { reason: priorityFailure };
      log.write({ level: "debug", message: "scheduling priority not raised", fields });
    }
    await live(mode, { ...rest, effective, log, journal });
    log.write({ level: "info", message: "stopped; containers keep their CPUs" });
  } finally {
    await log.flush();
  }
}

function logOptions({ log }: Config, launched: boolean) {
  const path = log.file === "" && launched ? LAUNCHED_LOG_FILE : log.file;
  const file = { path, maxBytes: log.maxSizeMiB * 2 ** 20, keep: log.keep };
  return { level: log.level, format: log.format, ...(path === "" ? {} : { file }) };
}
