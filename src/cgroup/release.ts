/** What an agent that has gone for good has left on groups is taken back: they get all CPUs. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import { CgroupDirectory } from "./directory.ts";
import { unitOf } from "./group_sets.ts";
import { isOurs, unmark } from "./marker.ts";
import { clearStalePartitions, filesBelow, hasPartitions } from "./partition.ts";
import { groupPath, isPod } from "./paths.ts";
import { type CpusetHierarchy, writtenIn } from "./read.ts";
import type { UnitProperties } from "../systemd/port.ts";
import { writeCpuset } from "./write.ts";

/** In a node that is a container itself kubepods lies some levels down; pods and containers aren't looked into. */
const MAX_DEPTH = 6;
const MAX_CGROUPS = 4096;
/** Milliseconds for each unit. */
const SYSTEMD_DEADLINE_MS = 5000;

/** What was done with a group. */
export interface ReleasedGroup {
  readonly path: string;
  /** Why it hasn't all CPUs, one sentence; absent: it has. */
  readonly problem?: string;
}

/** Gives the groups that an agent has kept off CPUs all of `online`, and reads them back. */
export function releaseGroups(
  hierarchy: CpusetHierarchy,
  online: CpuSet,
  units?: UnitProperties,
): ReleasedGroup[] {
  return groupsIn(hierarchy).filter((path) => isNarrowed(hierarchy, path)).map((path) => {
    // First the property: systemd writes the file by it, and at any time.
    const unit = unitOf(path);
    const told = unit === undefined ? undefined : units?.setAllowedCpus(unit, online, SYSTEMD_DEADLINE_MS);
    const result = writeCpuset(hierarchy, path, online);
    if (result.kind === "failed") return { path, problem: result.reason };
    if (told?.kind === "failed") return { path, problem: told.reason };
    unmark(`${hierarchy.root}${path}`);
    return { path };
  });
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
