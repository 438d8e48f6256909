/** Who keeps CPUs that are online from the containers of a node, for people: partitions, and cgroups with fewer CPUs. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Withheld } from "../cpu/withheld.ts";
import type { CgroupFiles } from "./partition.ts";

/** A partition is a slice's, or a service's in one. */
const MAX_DEPTH = 3;
/** A node has some dozens of slices and services; beyond that no holder is looked for. */
const MAX_CGROUPS = 512;
/** Of all that is named. */
const MAX_HOLDERS = 8;

/** The files of a hierarchy, and its version. */
export interface Tree {
  readonly files: CgroupFiles;
  readonly version: 1 | 2;
}

/**
 * Who keeps `missing`: first partitions (v1: cgroups with `cpuset.cpu_exclusive`), then the nearest cgroup from `kubepods`
 * upwards whose own set lacks them, else whatever is above what can be seen from here.
 *
 * @param kubepods paths of kubelet's cgroups of all pods; none: they aren't there yet
 */
export function whoWithholds(tree: Tree, kubepods: readonly string[], missing: CpuSet): Withheld[] {
  const found: Withheld[] = [];
  let left = missing;
  const add = (cpus: CpuSet, why: string) => {
    if (!cpus.intersects(left) || found.length >= MAX_HOLDERS) return;
    found.push({ cpus: cpus.intersection(left), why });
    left = left.difference(cpus);
  };
  for (const { path, cpus } of holdersBeside(tree, kubepods, missing)) add(cpus, heldWords(tree, path));
  for (const path of kubepods.flatMap(upwards)) {
    const written = setIn(tree, path, "cpuset.cpus");
    if (!written.isEmpty) add(left.difference(written), `kept from containers by ${path} (${written})`);
  }
  const top = setIn(tree, "", tree.version === 1 ? "cpuset.cpus" : "cpuset.cpus.effective");
  add(left, `kept from containers above the cgroup tree that is seen here (${top})`);
  return found;
}

/** `held by the partition /dpdk.slice` */
export function heldWords({ version }: Tree, path: string): string {
  return version === 2 ? `held by the partition ${path}` : `held by ${path} alone (cpuset.cpu_exclusive)`;
}

/** The CPUs that a cgroup has for itself; none where it is no root of a valid partition (v1: not exclusive). */
export function heldBy(tree: Tree, path: string): CpuSet {
  if (tree.version === 1) {
    return textIn(tree, path, "cpuset.cpu_exclusive") === "1"
      ? setIn(tree, path, "cpuset.cpus")
      : CpuSet.empty;
  }
  // See cgroup-v2.rst: member, root, isolated, or one of the latter two with "invalid" and a reason.
  if (!/^(root|isolated)$/.test(textIn(tree, path, "cpuset.cpus.partition"))) return CpuSet.empty;
  // The first since Linux 6.7; the second is without the partitions inside.
  return setIn(tree, path, "cpuset.cpus.exclusive.effective").union(
    setIn(tree, path, "cpuset.cpus.effective"),
  );
}

/** The cgroups outside `kubepods` that hold some of these CPUs. */
function holdersBeside(
  tree: Tree,
  kubepods: readonly string[],
  missing: CpuSet,
): { readonly path: string; readonly cpus: CpuSet }[] {
  const found: { readonly path: string; readonly cpus: CpuSet }[] = [];
  let left = MAX_CGROUPS;
  const visit = (above: string, depth: number) => {
    for (const name of tree.files.directories(above)) {
      if (left-- <= 0) return;
      const path = `${above}/${name}`;
      if (kubepods.includes(path)) continue;
      // One in which kubepods is holds nothing from it.
      const isAround = kubepods.some((each) => each.startsWith(`${path}/`));
      const cpus = isAround ? CpuSet.empty : heldBy(tree, path);
      if (cpus.intersects(missing)) found.push({ path, cpus });
      else if (depth > 1) visit(path, depth - 1);
    }
  };
  visit("", MAX_DEPTH);
  return found;
}

/** A cgroup and those above it, without the root. */
export function upwards(path: string): string[] {
  const names = path.split("/").slice(1);
  return names.map((_, index) => `/${names.slice(0, names.length - index).join("/")}`);
}

/** The set in a file of a cgroup; the empty set where there is none, or no such file. */
export function setIn(tree: Tree, path: string, file: string): CpuSet {
  const cpus = CpuSet.parse(textIn(tree, path, file));
  return cpus instanceof CpuSet ? cpus : CpuSet.empty;
}

function textIn({ files }: Tree, path: string, file: string): string {
  const read = files.read(path, file);
  return read.kind === "text" ? read.text.trim() : "";
}
