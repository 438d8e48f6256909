/** What an agent that has gone for good has left on groups is taken back: they get all CPUs, also those that are offline. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import { CgroupDirectory } from "./directory.ts";
import { unitOf } from "./group_sets.ts";
import { heldBeside } from "./limits.ts";
import { isOurs, unmark } from "./marker.ts";
import { clearStalePartitions, filesBelow, hasPartitions } from "./partition.ts";
import { groupPath, isPod } from "./paths.ts";
import { CPUS_FILE, type CpusetHierarchy, openCgroup, writtenIn } from "./read.ts";
import type { UnitProperties } from "../systemd/port.ts";
import type { MachineCpus } from "./usable_cpus.ts";
import { allCpus, writeCpuset } from "./write.ts";

/** In a node that is a container itself kubepods lies some levels down; pods and containers aren't looked into. */
const MAX_DEPTH = 6;
const MAX_CGROUPS = 4096;

/** What was done with a group. */
export interface ReleasedGroup {
  readonly path: string;
  /** Why it hasn't all CPUs, one sentence; absent: it has. */
  readonly problem?: string;
  /** CPUs that are offline now, in cgroup v1: the group stays marked, to be released again; absent: there are none. */
  readonly offline?: CpuSet;
}

/**
 * Gives the groups that an agent has kept off CPUs all that there are, and reads them back.
 * @param deadlineMs for each of systemd's units
 */
export function releaseGroups(
  hierarchy: CpusetHierarchy,
  machine: MachineCpus,
  units?: UnitProperties,
  deadlineMs = 5000,
): ReleasedGroup[] {
  return groupsIn(hierarchy).filter((path) => isNarrowed(hierarchy, path)).map((path) => {
    // First the property: systemd writes the file by it, and at any time.
    const unit = unitOf(path);
    const unset = unit === undefined ? undefined : units?.unsetAllowedCpus(unit, deadlineMs);
    // A slice that is given CPUs of a partition beside it may end that.
    const all = machine.possible.difference(heldBeside(hierarchy, path));
    const cpus = hierarchy.version === 2 ? all : cpusAbove(hierarchy, path) ?? machine.present;
    // One that names CPUs is found by the next release.
    const isDone = unset?.kind !== "failed" && isUnset(hierarchy, path);
    const result = isDone ? undefined : writeCpuset(hierarchy, path, cpus);
    if (result?.kind === "failed") return { path, problem: result.reason };
    if (unset?.kind === "failed") return { path, problem: unset.reason };
    // The kernel takes them from every set for good, so this one will lack them when they come back (v1).
    const offline = machine.present.difference(allCpus(hierarchy) ?? cpus);
    if (hierarchy.version === 1 && !offline.isEmpty) return { path, offline };
    unmark(`${hierarchy.root}${path}`);
    return { path };
  });
}

/**
 * Whether the group has no set of its own now, and so all CPUs of the cgroup above it, whichever these will be. In cgroup v1
 * that isn't possible, nor in v2 where processes run in it (ENOSPC: validate_change in the kernel's cpuset.c).
 */
function isUnset(hierarchy: CpusetHierarchy, path: string): boolean {
  if (hierarchy.version === 1) return false;
  const opened = openCgroup(hierarchy, path);
  if (opened.kind === "errno") return false;
  using directory = opened;
  if (directory.write(CPUS_FILE, "\n") !== undefined) return false;
  const written = writtenIn(directory);
  return written.kind === "values" && written.cpus.isEmpty;
}

function cpusAbove(hierarchy: CpusetHierarchy, path: string): CpuSet | undefined {
  const opened = openCgroup(hierarchy, path.slice(0, path.lastIndexOf("/")));
  if (opened.kind === "errno") return undefined;
  using directory = opened;
  const written = writtenIn(directory);
  return written.kind === "values" && !written.cpus.isEmpty ? written.cpus : undefined;
}

/** Ends all partitions in kubelet's cgroups, which take their CPUs from everything else: their containers keep plain sets. */
export function releasePartitions(hierarchy: CpusetHierarchy): ReleasedGroup[] {
  const files = filesBelow(hierarchy.root);
  const tops = new Set(groupsIn(hierarchy).map((path) => path.slice(0, path.lastIndexOf("/"))));
  return [...tops].filter((path) => path !== "" && hasPartitions(files, path)).map((path) => {
    const result = clearStalePartitions(files, path, new Set());
    return result.kind === "failed" ? { path, problem: result.reason } : { path };
  });
}

/** By the agent; one that it hasn't marked may have been narrowed by another program. */
function isNarrowed({ root }: CpusetHierarchy, path: string): boolean {
  const opened = CgroupDirectory.open(root, path);
  if (opened.kind === "errno") return false;
  using directory = opened;
  const written = writtenIn(directory);
  return written.kind === "values" && !written.cpus.isEmpty && isOurs(root, path);
}

/** All groups of the tree, by their paths. */
function groupsIn({ root }: CpusetHierarchy): string[] {
  const groups: string[] = [];
  let left = MAX_CGROUPS;
  const visit = (path: string, depth: number) => {
    if (depth > MAX_DEPTH || left-- <= 0) return;
    const opened = CgroupDirectory.open(root, path);
    if (opened.kind === "errno") return;
    using directory = opened;
    for (const name of directory.directories(MAX_CGROUPS)) {
      const below = `${path}/${name}`;
      if (groupPath(below) !== undefined) groups.push(below);
      else if (!isPod(name)) visit(below, depth + 1);
    }
  };
  visit("", 0);
  return groups;
}
