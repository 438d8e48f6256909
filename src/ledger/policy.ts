import type { CpuSet } from "../cpu/cpu_set.ts";

/** What the node's administrator decides about its CPUs. */
export interface Policy {
  /** CPUs that are never given exclusively (kubelet's meaning of "reserved"). */
  readonly systemReserved: CpuSet;
  /** Reserved CPUs are left out of the shared pool too, except for the system's own containers. */
  readonly strictReserved: boolean;
  /** The shared pool never falls below this many CPUs by an admission. */
  readonly minShared: number;
  /**
   * Memory nodes of exclusive containers: left `unset`, so that they can be moved anywhere, or those `local` to
   * their CPUs, and then they are moved only within them; `local+cpuless`: nodes without CPUs that are near to them, too.
   */
  readonly exclusiveMems: "unset" | "local" | "local+cpuless";
  /** Memory nodes of pinned containers: those of their CPUs, with the near ones without CPUs or not, or left alone (`off`). */
  readonly pinnedMems: "local" | "local+cpuless" | "off";
  /** When the memory nodes of pinned containers that run already are made right: `young`, while they use little memory. */
  readonly correctMems: "never" | "young" | "always";
  /**
   * CPUs that the kernel keeps its scheduler off (isolcpus): exclusive claims avoid or prefer them, or all others are kept off
   * them and a claim has only such CPUs or none (`exclusive`).
   */
  readonly isolatedCpus: "avoid" | "prefer" | "ignore" | "exclusive";
  /** For the time being no container is given CPUs that it doesn't have: another program on this node gives them too. */
  readonly claimsSuspended?: boolean;
}
