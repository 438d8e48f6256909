import { discover, type DiscoverError, type Discovery } from "../cpu/discover.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Config } from "../config/schema.ts";
import type { Identity } from "../agent/agent.ts";
import type { LevelledLog } from "../platform/log.ts";
import { usableReader } from "../cgroup/usable_cpus.ts";
import type { Cpusets } from "../cgroup/port.ts";
import type { Settings } from "../agent/state.ts";
import { cpusetsOf } from "../cgroup/cpusets.ts";
import { type Effective, withRuntimeText } from "./load_config.ts";
import { nodeFacts } from "./node_facts.ts";

/** What both ways of running are given. */
export interface Boot {
  readonly effective: Effective;
  readonly version: string;
  readonly stop: AbortSignal;
  readonly log: LevelledLog;
}

/** What the agent itself needs of the configuration. */
export function settingsOf(config: Config): Settings {
  const { systemReserved, strictReserved, minShared, exclusiveMems, isolatedCpus } = config;
  const { placement, pinnedNamespaces, unmanagedNamespaces, reservedNamespaces } = config;
  return {
    policy: { systemReserved, strictReserved, minShared, exclusiveMems, isolatedCpus },
    rules: { placement, pinnedNamespaces, unmanagedNamespaces, reservedNamespaces },
    growDelayMs: config.growDelayMs,
    dryRun: config.dryRun,
    apply: config.apply,
    reconcileMs: config.reconcileSeconds * 1000,
  };
}

/** Who the configuration says that the plugin is. */
export function identityOf({ pluginName, pluginIndex }: Config): Identity {
  return { name: pluginName, index: pluginIndex };
}

/**
 * The machine as it is now, with the CPUs that containers can be given.
 * @throws {DiscoverError} when the kernel doesn't tell which CPUs are online
 */
export function machineOf({ sysfsRoot, cgroupRoot }: Config): Discovery {
  return discover(usableReader(sysfsRoot, cgroupRoot));
}

/** The machine as it is now; as `known` when it can't be read at this moment. */
export function rediscover(config: Config, known: Topology, { log }: Pick<Boot, "log">): Topology {
  try {
    return machineOf(config).topology;
  } catch (error) {
    const message = `the CPUs can't be read again, the last known ones are used: ${
      (error as DiscoverError).message
    }`;
    log.write({ level: "warn", message });
    return known;
  }
}

/** The kernel's cpusets, as far as they can be reached, and a line in the log on who writes them. */
export function cpusetsFor({ effective: { config }, log }: Boot): Cpusets | undefined {
  const { cpusets, record } = cpusetsOf(config);
  log.write(record);
  return cpusets;
}

/** The first lines of the log: what this is, where it runs, and what is odd about that. */
export function logStart(
  mode: "external" | "launched",
  { topology, warnings }: Discovery,
  boot: Boot,
): void {
  const { effective: { config, problems }, version, log } = boot;
  log.write({
    level: "info",
    message: "starting",
    fields: { version, mode, ...nodeFacts(config, topology) },
  });
  logProblems(problems, log);
  for (const message of warnings) log.write({ level: "warn", message });
}

/** The configuration text that the runtime has handed over: checked, logged, and what the agent needs of it. */
export async function reconfigure(text: string, { effective, log }: Boot): Promise<Settings> {
  const { config, problems } = await withRuntimeText(effective, text);
  logProblems(problems, log);
  log.setLevel(config.log.level);
  return settingsOf(config);
}

function logProblems(problems: Effective["problems"], log: LevelledLog): void {
  for (const { sentence } of problems) {
    log.write({ level: "error", message: `${sentence}; its source is left out` });
  }
}
