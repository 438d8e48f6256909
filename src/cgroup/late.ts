import type { CpuSet } from "../cpu/cpu_set.ts";
import type { CgroupDirectory } from "./directory.ts";
import { isOurs } from "./marker.ts";
import type { CpusetStep } from "./order.ts";
import { groupPath } from "./paths.ts";
import { CPUS_FILE, type CpusetHierarchy, openCgroup, readCpuset, writtenIn } from "./read.ts";

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

/**
 * The same of one pod, in which a container is about to be made that is to have `cpus`. kubelet writes a pod's cgroup with what
 * it has read of the class before, maybe after everybody has looked for it there. What another program has left it in a class
 * that the agent writes can't be told from that.
 *
 * @param pod the path of its cgroup
 */
export function growLate(hierarchy: CpusetHierarchy, pod: string, cpus: CpuSet): void {
  const group = groupPath(pod.slice(0, pod.lastIndexOf("/")));
  if (group === undefined || !isOurs(hierarchy.root, group)) return;
  const opened = openCgroup(hierarchy, pod);
  if (opened.kind === "errno") return;
  using directory = opened;
  const [all, own] = [readCpuset(hierarchy, group), writtenIn(directory)];
  const isLate = all.kind === "values" && own.kind === "values" &&
    !cpus.intersection(all.cpus).isSubsetOf(own.cpus);
  if (isLate) directory.write(CPUS_FILE, `${all.cpus}\n`);
}
