import { type LevelledLog, openLog } from "../platform/log.ts";
import type { Config } from "../config/schema.ts";
import { LAUNCHED_LOG_FILE } from "../config/schema.ts";
import type { Effective } from "./load_config.ts";
import { refuseProblems } from "./option_error.ts";
import { runExternal } from "./run_external.ts";
import { runLaunched } from "./run_launched.ts";

/** What the program is told from outside. */
export interface Start {
  readonly effective: Effective;
  readonly version: string;
  /** The descriptor that the runtime has left us, when it has started us (NRI_PLUGIN_SOCKET). */
  readonly inherited?: number;
  readonly stop: AbortSignal;
  /** In place of the one that the configuration asks for. */
  readonly log?: LevelledLog;
}

/**
 * Runs until `stop` is aborted, or until the runtime that has started us closes; resolves when the request in hand is
 * answered and the log is written.
 * @throws {OptionError} in external mode, where somebody is there to read it, for any problem of the configuration
 */
export async function run({ effective, version, inherited, stop, log: given }: Start): Promise<void> {
  if (inherited === undefined) refuseProblems(effective.problems);
  const log = given ?? openLog(logOptions(effective.config, inherited !== undefined));
  const boot = { effective, version, stop, log };
  try {
    await (inherited === undefined ? runExternal(boot) : runLaunched(inherited, boot));
    log.write({ level: "info", message: "stopped, every container keeps its CPUs" });
  } finally {
    await log.flush();
  }
}

function logOptions({ log }: Config, launched: boolean) {
  const path = log.file === "" && launched ? LAUNCHED_LOG_FILE : log.file;
  const file = { path, maxBytes: log.maxSizeMiB * 2 ** 20, keep: log.keep };
  return { level: log.level, format: log.format, ...(path === "" ? {} : { file }) };
}
