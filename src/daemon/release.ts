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
export async function release(config: Config, { waitSeconds, say }: ReleaseOptions): Promise<void> {
  const hierarchy = findHierarchy(config.cgroupRoot);
  if (hierarchy.kind === "unverified") return say(`nothing to release: ${hierarchy.reason}`);
  const lock = await lockOnceFree(config.runDir, processName(undefined, config.procRoot), waitSeconds);
  try {
    const balanced = giveBackLoadBalance(hierarchy);
    const released = releaseTree(config, say);
    if (balanced > 0) say(`load balancing given back to ${balanced} cgroups of containers`);
    if (released + balanced === 0) say("nothing to release: no cgroup is kept off CPUs");
  } finally {
    lock.release();
  }
}

/**
 * Gives all groups all CPUs and ends partitions, by whoever is the active agent, or instead of one. How many that were.
 * @param deadlineMs see {@link releaseGroups}
 * @throws {Error} one sentence, where something couldn't be released
 */
export function releaseTree(
  { cgroupRoot, sysfsRoot, systemBus }: Config,
  say: (line: string) => void,
  deadlineMs?: number,
): number {
  const hierarchy = findHierarchy(cgroupRoot);
  if (hierarchy.kind === "unverified") return 0;
  const machine = machineCpus(sysfsRoot);
  if (machine === undefined) {
    throw new Error(`the CPUs of the machine can't be read in ${sysfsRoot}; set sysfsRoot to /sys`);
  }
  // Where there is no bus no agent has set a property by it.
  const units = isThere(systemBus) ? openSystemBus(systemBus) : undefined;
  const released = [...releaseGroups(hierarchy, machine, units, deadlineMs), ...releasePartitions(hierarchy)];
  for (const group of released) say(`${group.path}: ${outcomeOf(group)}`);
  const failed = released.filter(({ problem }) => problem !== undefined).length;
  if (failed > 0) throw new Error(`${failed} of ${released.length} cgroups still lack CPUs; see above`);
  return released.length;
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
