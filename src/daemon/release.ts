/** `weka-cpuset release`: what the agent has narrowed above containers gets all CPUs again, before the agent is removed. */
import { giveBackLoadBalance } from "../cgroup/load_balance.ts";
import { findHierarchy } from "../cgroup/hierarchy.ts";
import { type ReleasedGroup, releaseGroups, releasePartitions } from "../cgroup/release.ts";
import { machineCpus } from "../cgroup/usable_cpus.ts";
import type { Config } from "../config/schema.ts";
import { statusAt } from "../platform/file_status.ts";
import { LeaderLock } from "../platform/lock.ts";
import { processName } from "../platform/process_name.ts";
import { openSystemBus } from "../systemd/system_bus.ts";

/** How it is asked for. */
export interface ReleaseOptions {
  /** Seconds in which an active agent may end. */
  readonly waitSeconds: number;
  /** Is given each line for people. */
  readonly say: (line: string) => void;
}

/**
 * Gives all groups all CPUs, with the leader lock, so that no agent narrows them again meanwhile.
 * @throws {Error} one sentence, where an agent is active, or something couldn't be released
 */
export async function release(
  { cgroupRoot, sysfsRoot, runDir, procRoot, systemBus }: Config,
  { waitSeconds, say }: ReleaseOptions,
): Promise<void> {
  const hierarchy = findHierarchy(cgroupRoot);
  if (hierarchy.kind === "unverified") return say(`nothing to release: ${hierarchy.reason}`);
  const machine = machineCpus(sysfsRoot);
  if (machine === undefined) {
    throw new Error(`the CPUs of the machine can't be read in ${sysfsRoot}; set sysfsRoot to /sys`);
  }
  const lock = await lockOnceFree(runDir, processName(undefined, procRoot), waitSeconds);
  try {
    // Where there is no bus no agent has set a property by it.
    const units = isThere(systemBus) ? openSystemBus(systemBus) : undefined;
    const released = [...releaseGroups(hierarchy, machine, units), ...releasePartitions(hierarchy)];
    for (const group of released) say(`${group.path}: ${outcomeOf(group)}`);
    const balanced = giveBackLoadBalance(hierarchy);
    if (balanced > 0) say(`load balancing given back to ${balanced} cgroups of containers`);
    if (released.length + balanced === 0) say("nothing to release: no cgroup is kept off CPUs");
    const failed = released.filter(({ problem }) => problem !== undefined).length;
    if (failed > 0) throw new Error(`${failed} of ${released.length} cgroups still lack CPUs; see above`);
  } finally {
    lock.release();
  }
}

function outcomeOf({ problem, offline }: ReleasedGroup): string {
  if (problem !== undefined) return problem;
  return offline === undefined
    ? "all CPUs"
    : `all CPUs but ${offline}, which are offline, and which cgroup v1 takes from every set for good; once they are ` +
      "online write them to the cgroup above it, and release again";
}

function isThere(path: string): boolean {
  return path !== "" && statusAt(path) !== undefined;
}

async function lockOnceFree(runDir: string, name: string, waitSeconds: number): Promise<LeaderLock> {
  let holder = "";
  const tooLate = AbortSignal.timeout(waitSeconds * 1000);
  try {
    return await LeaderLock.acquire(runDir, `${name}, release`, tooLate, (read) => holder = read().name);
  } catch (error) {
    if (!tooLate.aborted) throw error;
    throw new Error(`an agent is active on this node (${holder}); stop it, then release again`);
  }
}
