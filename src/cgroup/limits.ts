/**
 * What the cgroups above one leave it: another program may have narrowed them, or have taken CPUs for a cgroup beside them.
 * What the agent itself has narrowed doesn't count.
 */
import { CpuSet, MAX_CPU_ID } from "../cpu/cpu_set.ts";
import type { Withheld } from "../cpu/withheld.ts";
import { heldBy, heldWords, setIn, type Tree, upwards } from "./holders.ts";
import { isOurs, markOf } from "./marker.ts";
import { filesBelow } from "./partition.ts";
import { groupPath } from "./paths.ts";
import { type CpusetHierarchy, effectiveIn, openCgroup } from "./read.ts";

/** Cgroups beside one that are looked at, at each level. */
const MAX_BESIDE = 512;
const ALL = CpuSet.range(0, MAX_CPU_ID);

/**
 * The limit of a cgroup, or of one that will be at that path; undefined where it may have all of `cpus`, as far as is known.
 * In the usual case that is one read (v2). `why` names the nearest cgroup that lacks one of them.
 *
 * @param cpus that the node's containers can have
 */
export function limitAt(
  { root, version }: CpusetHierarchy,
  path: string,
  cpus: CpuSet,
): Withheld | undefined {
  const tree: Tree = { files: filesBelow(root), version };
  const [, ...above] = upwards(path);
  const nearest = above.map((each) =>
    setIn(tree, each, version === 1 ? "cpuset.cpus" : "cpuset.cpus.effective")
  )
    .find((set) => !set.isEmpty);
  if (nearest === undefined || cpus.isSubsetOf(nearest)) return undefined;
  return above.reduce<Withheld | undefined>((limit, each) => {
    // In cgroup v1 what is in a group of the agent's lies within that.
    if (isAgents(root, each)) return version === 1 ? undefined : limit;
    const own = setIn(tree, each, "cpuset.cpus");
    // One that has nothing in common with the cgroup above doesn't count (v2), nor does an empty one.
    const counts = version === 1 || own.intersects(setIn(tree, each, "cpuset.cpus.effective"));
    const both = limit === undefined ? own : own.intersection(limit.cpus);
    if (!counts || cpus.isSubsetOf(own) || both.isEmpty) return limit;
    return { cpus: both, why: limit?.why ?? `kept from this pod by ${each} (${own})` };
  }, undefined);
}

/**
 * Where a container will be that has no cgroup yet: of the places where it may be, likeliest first, where its pod has one. The
 * others may lie in a cgroup that isn't the pod's, such as that of an agent in a pod (`nestings`).
 */
export function placeAmong(hierarchy: CpusetHierarchy, places: readonly string[]): string | undefined {
  return places.find((each) => isThere(hierarchy, each.slice(0, each.lastIndexOf("/")))) ?? places[0];
}

function isThere(hierarchy: CpusetHierarchy, path: string): boolean {
  const opened = openCgroup(hierarchy, path);
  if (opened.kind === "errno") return false;
  opened[Symbol.dispose]();
  return true;
}

/** The limit of a container that has no cgroup yet. */
export function limitAtOneOf(
  hierarchy: CpusetHierarchy,
  places: readonly string[],
  cpus: CpuSet,
): Withheld | undefined {
  const place = placeAmong(hierarchy, places);
  return place === undefined ? undefined : limitAt(hierarchy, place, cpus);
}

/** Why not all of these CPUs of its own set are in force in a cgroup; undefined where they are, or nothing shows it. */
export function limitInForce(hierarchy: CpusetHierarchy, path: string, cpus: CpuSet): Withheld | undefined {
  const opened = openCgroup(hierarchy, path);
  if (opened.kind === "errno") return undefined;
  using directory = opened;
  const effective = effectiveIn(directory, hierarchy.version, cpus);
  const isAll = effective.kind !== "values" || cpus.isSubsetOf(effective.cpus);
  return isAll ? undefined : limitAt(hierarchy, path, cpus);
}

/** Why the kernel has refused to give a cgroup these CPUs (EACCES, EINVAL), or gives it others. */
export function limitOfRefused(hierarchy: CpusetHierarchy, path: string, cpus: CpuSet): Withheld | undefined {
  return limitAt(hierarchy, path, cpus) ?? limitBeside(hierarchy, path, cpus);
}

/** The CPUs that cgroups right beside one have for themselves. */
export function heldBeside({ root, version }: CpusetHierarchy, path: string): CpuSet {
  const tree: Tree = { files: filesBelow(root), version };
  return CpuSet.unionOf([...beside(tree, path)].map((each) => heldBy(tree, each)));
}

/** The limit by a cgroup beside it, or beside one above it, that has some of these CPUs for itself. */
function limitBeside({ root, version }: CpusetHierarchy, path: string, cpus: CpuSet): Withheld | undefined {
  const tree: Tree = { files: filesBelow(root), version };
  for (const each of upwards(path)) {
    for (const other of beside(tree, each)) {
      const held = heldBy(tree, other);
      if (held.intersects(cpus)) return { cpus: ALL.difference(held), why: heldWords(tree, other) };
    }
  }
  return undefined;
}

function* beside({ files }: Tree, path: string): Generator<string> {
  const above = path.slice(0, path.lastIndexOf("/"));
  for (const name of files.directories(above).slice(0, MAX_BESIDE)) {
    const other = `${above}/${name}`;
    if (other !== path) yield other;
  }
}

/** Whether the agent has given a cgroup above containers its set. */
function isAgents(root: string, path: string): boolean {
  return groupPath(path) === undefined ? markOf(`${root}${path}`) === "ours" : isOurs(root, path);
}
