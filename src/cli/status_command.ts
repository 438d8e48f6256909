import { rejectProblems } from "../daemon/config_error.ts";
import type { Effective } from "../daemon/load_config.ts";
import { discoverMachine } from "../daemon/machine.ts";
import { pause } from "../platform/pause.ts";
import type { StatusDocument } from "../status/document.ts";
import { type OutputForm, print, styleOf } from "./output.ts";
import { ask } from "./status_client.ts";
import { type Filter, statusText } from "./status_text.ts";

/** As commander gives them. */
export interface StatusOptions extends Filter {
  readonly watch?: true;
  readonly output: OutputForm;
}

/** Between two looks of `--watch`. */
const WATCH_MS = 2000;
const CLEAR = "\x1b[H\x1b[2J";

/**
 * Prints what the active agent of this node says, once or again and again.
 * @throws {StatusError} when there is none
 * @throws {ConfigError} when the configuration has problems
 */
export async function printStatus({ config, problems }: Effective, options: StatusOptions): Promise<void> {
  rejectProblems(problems);
  const { topology } = discoverMachine(config);
  const never = new AbortController().signal;
  do {
    const status = await ask<StatusDocument>(config, "/api/v1/status");
    if (options.watch) Deno.stdout.writeSync(new TextEncoder().encode(CLEAR));
    print(options.output, () => statusText(status, topology, options, styleOf(), Date.now()), () => status);
    if (options.watch) await pause(WATCH_MS, never);
  } while (options.watch);
}
