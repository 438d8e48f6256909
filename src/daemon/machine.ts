import { openCpusets } from "../cgroup/kernel_cpusets.ts";
import type { CpusetPort } from "../cgroup/port.ts";
import { type UsableCpus, usableCpusReader, usableReader } from "../cgroup/usable_cpus.ts";
import type { Config } from "../config/schema.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { discover, type Discovery } from "../cpu/discover.ts";
import { Topology } from "../cpu/topology.ts";
import { openSystemBus } from "../systemd/system_bus.ts";
import type { Context } from "./context.ts";

/**
 * The machine as it is now, with the CPUs that containers can be given.
 * @param usable these, where they were read a moment ago
 * @throws {DiscoverError} when the online CPUs can't be read
 */
export function discoverMachine(
  { sysfsRoot, cgroupRoot }: Config,
  usable: UsableCpus | undefined = usableCpusReader(sysfsRoot, cgroupRoot)(),
): Discovery {
  return discover(usableReader(sysfsRoot, usable), usable?.withheld);
}

/** The machine; where the online CPUs can't be read, as many single-threaded cores as this process may use. */
export function discoverOrAssume(config: Config): Discovery {
  try {
    return discoverMachine(config);
  } catch (error) {
    const cpus = CpuSet.range(0, navigator.hardwareConcurrency - 1);
    const facts = cpus.toArray().map((id) => ({ id, core: id, cacheGroup: 0, node: 0, socket: 0 }));
    const node = { id: 0, cpus, hasMemory: false, distances: new Map() };
    const warning = `${(error as Error).message}; assuming CPUs ${cpus}, each a core of its own`;
    return { topology: new Topology(facts, [node]), warnings: [warning] };
  }
}

/** The topology as it is now, or `known` when it can't be read at this moment. */
export function rediscover(
  config: Config,
  known: Topology,
  { log }: Pick<Context, "log">,
  usable?: UsableCpus,
): Topology {
  try {
    return discoverMachine(config, usable).topology;
  } catch (error) {
    log.write({
      level: "warn",
      message: "failed to read the CPU topology; keeping the last one",
      fields: { reason: (error as Error).message },
    });
    return known;
  }
}

/** The kernel's cpusets, where they are accessible; logs whether the kernel or the runtime writes them. */
export function cpusetsFor({ effective: { config }, log }: Context): CpusetPort | undefined {
  const { cgroupRoot, apply, systemBus } = config;
  const units = systemBus === "" ? undefined : openSystemBus(systemBus);
  const { cpusets, record } = openCpusets({ cgroupRoot, apply, units });
  log.write(record);
  return cpusets;
}
