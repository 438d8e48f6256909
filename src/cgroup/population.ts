/** Whether a cgroup has processes. See the kernel's cgroup-v2.rst (cgroup.events) and cgroup-v1/cgroups.rst (cgroup.procs). */
import { CgroupDirectory } from "./directory.ts";
import type { Population } from "./port.ts";
import { type CpusetHierarchy, isRemoved, notOpened } from "./read.ts";

/** Cgroups below a container's that are looked at in cgroup v1; one with more of them counts as populated. */
const MAX_BELOW = 256;

/** Of the cgroup at that path and those below it, whose processes cgroup v2 counts by itself. */
export function populationOf({ root, version }: CpusetHierarchy, path: string): Population {
  const paths = [path];
  for (const each of paths) {
    const found = ofOne(root, each, version);
    if (found.population !== "empty" && (each === path || found.population !== "absent")) {
      return found.population;
    }
    if (paths.length + found.below.length > MAX_BELOW) return "populated";
    paths.push(...found.below.map((name) => `${each}/${name}`));
  }
  return "empty";
}

interface Found {
  readonly population: Population;
  /** Names of cgroups in it that are to be looked at too. */
  readonly below: readonly string[];
}

function ofOne(root: string, path: string, version: 1 | 2): Found {
  const opened = CgroupDirectory.open(root, path);
  if (opened.kind === "errno") {
    return { population: notOpened(path, opened).kind === "absent" ? "absent" : "unreadable", below: [] };
  }
  using directory = opened;
  const content = directory.read(version === 2 ? "cgroup.events" : "cgroup.procs");
  if (content.kind === "errno") {
    return { population: isRemoved(directory, content) ? "absent" : "unreadable", below: [] };
  }
  const isEmpty = version === 2 ? /^populated 0$/m.test(content.text) : content.text === "";
  const below = isEmpty && version === 1 ? directory.directories(MAX_BELOW + 1) : [];
  return { population: isEmpty ? "empty" : "populated", below };
}
