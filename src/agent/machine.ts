/** The machine under the agent, as far as it may change while the agent runs. */
import type { Topology } from "../cpu/topology.ts";
import type { ContainerRef } from "../ledger/claim.ts";

/** The machine with other CPUs than before. */
export interface MachineChange {
  /** Without CPUs that containers can't be given, though they are online: who keeps them is in `withheld`. */
  readonly topology: Topology;
  /** The kernel has removed the CPUs that are offline from every set, for good (cgroup v1). */
  readonly offlineRemoved: boolean;
}

/** Reads which CPUs are usable now. Like the cgroups, it is asked within a step: it returns at once and throws nothing. */
export interface MachinePort {
  /**
   * Undefined where the usable CPUs are those of `known`, or can't be read.
   *
   * @param container one that is being created, which shows where kubelet's cgroups are
   */
  changed(known: Topology, container?: ContainerRef): MachineChange | undefined;
  /** KiB of free huge pages of that size on a NUMA node; undefined where there are none such. Absent: it isn't known. */
  freeHugePages?(node: number, pageKiB: number): number | undefined;
}
