import type { Topology } from "../cpu/topology.ts";
import type { Config } from "../config/schema.ts";
import { ConfigError } from "../daemon/config_error.ts";
import { discoverMachine } from "../daemon/machine.ts";
import { madeMachine } from "../plan/made_machine.ts";

/**
 * The machine that `--machine` describes; without it the one below the configured sysfs.
 * @throws {ConfigError} when the text describes none
 * @throws {Error} when it can't be read
 */
export function machineOf(config: Config, machine: string | undefined): Topology {
  if (machine === undefined) return discoverMachine(config).topology;
  const made = madeMachine(machine);
  if (typeof made === "string") throw new ConfigError(`--machine: ${made}`);
  return made;
}
