/** What makes reading many cgroups again and again cheap, and in cgroup v1 writing them, put together. */
import { KeptCgroups } from "./kept_cgroups.ts";
import { LoadBalance } from "./load_balance.ts";
import { EVENTS_FILE, TASKS_FILE } from "./population.ts";
import { type CgroupTree, CPUS_FILE, type CpusetHierarchy, EFFECTIVE_FILE } from "./read.ts";

/** A hierarchy that can be written, with its cgroups kept open. */
export function withKept(hierarchy: CpusetHierarchy): CpusetHierarchy {
  const { version, root } = hierarchy;
  if (version === 2) {
    return { ...hierarchy, kept: new KeptCgroups(root, [CPUS_FILE, EFFECTIVE_FILE, EVENTS_FILE], false) };
  }
  return { ...hierarchy, kept: new KeptCgroups(root, [CPUS_FILE], true), balance: new LoadBalance(root) };
}

/** The tree with the pids controller (v1), likewise. */
export function withTasksKept(root: string): CgroupTree {
  return { root, kept: new KeptCgroups(root, [TASKS_FILE], false) };
}

/** To be called before each read of a cgroup, and before each batch of writes (`isWrite`). */
export function look({ kept, balance }: Pick<CpusetHierarchy, "kept" | "balance">, isWrite: boolean): void {
  const nowMs = performance.now();
  balance?.look(nowMs, isWrite);
  kept?.closeUnused(nowMs);
}
