/** What makes many writes cheap in cgroup v1, put together. v2 needs neither. */
import { KeptCgroups } from "./kept_cgroups.ts";
import { LoadBalance } from "./load_balance.ts";
import { CPUS_FILE, type CpusetHierarchy } from "./read.ts";

/** A hierarchy that can be written, with both where it is cgroup v1's. */
export function withKept(hierarchy: CpusetHierarchy): CpusetHierarchy {
  const { version, root } = hierarchy;
  if (version === 2) return hierarchy;
  return { ...hierarchy, kept: new KeptCgroups(root, CPUS_FILE), balance: new LoadBalance(root) };
}

/** To be called before each read of a cgroup, and before each batch of writes (`isWrite`). */
export function look({ kept, balance }: CpusetHierarchy, isWrite: boolean): void {
  const nowMs = performance.now();
  balance?.look(nowMs, isWrite);
  kept?.closeUnused(nowMs);
}
