/** The cpusets of the cgroup tree, as the agent reads and writes them. kernel_cpusets.ts is the implementation. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { ErrnoName } from "../platform/errno.ts";

/**
 * Reads and writes the cpusets of containers. It is the one thing that a step calls before it ends, since what isn't
 * confirmed must not be promised: every call returns at once, blocks on nothing but the kernel, and throws nothing.
 */
export interface CpusetPort {
  /** Of the cgroup hierarchy. */
  readonly version: 1 | 2;
  /** Whether sets can be written at all, as far as can be known without a write. */
  readonly writable: boolean;
  read(container: ContainerRef): CpusetReading;
  /**
   * Writes in the given order, all or nothing, and reads each back. A set that is already in force isn't written.
   *
   * @param writes one for each container; those that give up CPUs come first
   * @param deadlineMs milliseconds after which no further write begins and all are rolled back, which may take as
   * long again
   */
  write(writes: readonly CpusetWrite[], deadlineMs: number): CpusetWriteResult;
}

/** How running containers get other CPUs; `auto`: in the kernel first, where that can be written. */
export type Apply = "auto" | "runtime" | "kernel-first";

export interface CpusetWrite {
  readonly container: ContainerRef;
  /** At least one. */
  readonly cpus: CpuSet;
}

/** The CPUs that a container may run on, or why they aren't known. */
export type CpusetReading =
  | CpusetValues
  | Absent
  | Unverified;

/** What is set for a cgroup, and what of it is in force. */
export interface CpusetValues {
  readonly kind: "values";
  /** Its own set; what is in force, where it has none of its own or where that is more. */
  readonly cpus: CpuSet;
  /** In force, which is less than `cpus` where the cgroup above has less; absent: `cpus`. */
  readonly effective?: CpuSet;
  /** It has no set of its own that counts (cgroup v2): it has what the cgroup above has, now and in the future. */
  readonly isInherited?: true;
}

/** The container has no cgroup: it isn't created yet, or has ended. */
export interface Absent {
  readonly kind: "absent";
}

/** The kernel's state can't be read. */
export interface Unverified {
  readonly kind: "unverified";
  /** One sentence. */
  readonly reason: string;
}

export type CpusetWriteResult =
  & (
    /** Every container has its CPUs, or no cgroup. */
    | { readonly kind: "done" }
    | CpusetWriteFailure
    /** Nothing was written: the cgroups of these containers, by id, can't be found or read. */
    | (Unverified & { readonly containers: ReadonlySet<string> })
  )
  & {
    /** Milliseconds from the call to its return. */
    readonly tookMs: number;
  };

/** One container hasn't its CPUs, and the others have what they had before, except those in `notRolledBack`. */
export interface CpusetWriteFailure {
  readonly kind: "failed";
  /** The id of the container whose write failed; with the code `deadline` the first that wasn't written. */
  readonly container: string;
  readonly code: CpusetFailureCode;
  /** One sentence: what was wrong and what would be right. */
  readonly reason: string;
  /** Ids of containers. */
  readonly notRolledBack: ReadonlySet<string>;
}

/**
 * The kernel's error; or `deadline`: no time was left; `overwritten`: another program changed the set right after
 * the write; `unverified`: what is in force can't be read, or is more than was written.
 */
export type CpusetFailureCode = ErrnoName | "deadline" | "overwritten" | "unverified";
