import { rejectProblems } from "../daemon/config_error.ts";
import type { Effective } from "../daemon/load_config.ts";
import { discoverMachine } from "../daemon/machine.ts";
import { topologyDocument } from "../status/topology_document.ts";
import { type OutputForm, print, styleOf } from "./output.ts";
import { topologyText } from "./topology_text.ts";

/**
 * Prints the machine below the configured sysfs.
 * @throws {ConfigError} when the configuration has problems
 * @throws {Error} one sentence when the online CPUs can't be read
 */
export function printTopology(
  { config, problems }: Effective,
  { output }: { readonly output: OutputForm },
): void {
  rejectProblems(problems);
  const { topology, warnings } = discoverMachine(config);
  print(
    output,
    () => topologyText(topology, warnings, styleOf()),
    () => topologyDocument(topology, warnings),
  );
}
