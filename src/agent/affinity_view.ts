import type { CpuSet } from "../cpu/cpu_set.ts";
import { type Affinity, narrowedTo } from "../ledger/affinity.ts";

/**
 * Whether its threads may use the CPUs that it should be running on, by the last look. `unknown`: none was seen; `whole`: as far as
 * was looked, yes; `narrowed`: its first process was given a mask that leaves less, and so has all that it starts;
 * `pinned`: some of its threads, or cgroups inside, have been seen with less.
 */
export interface AffinityView {
  readonly state: "unknown" | "whole" | "narrowed" | "pinned";
  /** What is left of its CPUs; of one that is `pinned`, those that its threads are pinned to. */
  readonly cpus?: CpuSet | undefined;
  /** CPUs of masks that the kernel has dropped since it runs. */
  readonly lost?: CpuSet | undefined;
}

/** What is known of the masks of a container that should be running on `cpus`. */
export function affinityView(affinity: Affinity | undefined, cpus: CpuSet): AffinityView {
  if (affinity === undefined) return { state: "unknown" };
  const { own, lost } = affinity;
  const left = narrowedTo(affinity, cpus);
  if (left !== undefined) return { state: "narrowed", cpus: left, lost };
  return own === undefined ? { state: "whole" } : { state: "pinned", cpus: own, lost };
}
