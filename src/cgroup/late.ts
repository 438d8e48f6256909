import type { CpuSet } from "../cpu/cpu_set.ts";
import type { CgroupDirectory } from "./directory.ts";
import type { CpusetStep } from "./order.ts";
import { type CpusetHierarchy, openCgroup, writtenIn } from "./read.ts";

/** Those that a group has at most, pods and classes. */
const MAX_PODS = 4096;

/**
 * Pods' cgroups that were made while their class' grew, after it had been listed: they have what it had `before`, as a
 * cgroup of v1 is made with its parent's CPUs, and none of their containers could be started on those that it has got since.
 *
 * @param done the writes by which the class grew
 * @returns their paths
 */
export function lateIn(
  hierarchy: CpusetHierarchy,
  group: CgroupDirectory,
  before: CpuSet,
  done: readonly CpusetStep[],
): string[] {
  const known = new Set(done.map(({ path }) => path));
  const others = group.directories(MAX_PODS).map((name) => `${group.path}/${name}`)
    .filter((path) => !known.has(path));
  return others.filter((path) => {
    const opened = openCgroup(hierarchy, path);
    if (opened.kind === "errno") return false;
    using pod = opened;
    const written = writtenIn(pod);
    return written.kind === "values" && written.cpus.equals(before);
  });
}
