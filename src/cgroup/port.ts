/** The cpusets of the cgroup tree, as the agent reads and writes them. kernel_cpusets.ts is the implementation. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { ContainerRef, CpuLimit, CpuQuota } from "../ledger/claim.ts";
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
  /** Whether anybody lives in its cgroup, or below it. */
  population(container: ContainerRef): Population;
  /**
   * Writes in the given order, all or nothing, and reads each back. A set that is already in force isn't written.
   *
   * @param writes one for each container; those that give up CPUs come first
   * @param deadlineMs milliseconds after which no further write begins and all are rolled back, which may take as
   * long again
   */
  write(writes: readonly CpusetWrite[], deadlineMs: number): CpusetWriteResult;
  /**
   * What the cgroups above a container leave it of `cpus`, also of one that has no cgroup yet; undefined: all of them, as far as
   * is known. Sets that the agent itself has written don't count. Absent: that isn't known here.
   *
   * @param cpus those that the node's containers can have
   */
  limitOf?(container: ContainerRef, cpus: CpuSet): CpuLimit | undefined;
  /**
   * Before a container is made in a class of pods: the cgroup of its pod gets all that the class has where it lacks some of `cpus`,
   * since kubelet may have written it with what the class had before (late.ts). Nothing is promised of it. Absent: it
   * never has to (cgroup v2), or can't.
   */
  growPod?(container: ContainerRef, cpus: CpuSet): void;
  /**
   * On which CPUs of its cgroup a container's threads may run: a mask of a thread's own (sched_setaffinity(2)) and the set of
   * a cgroup inside leave it fewer. So many are looked at as a bound allows. Absent: that can't be seen.
   */
  affinity?(container: ContainerRef, of: AffinityOf): AffinityReading;
  /**
   * Containers that were read, to be looked at again in one go. Those of which that can't be are left out; absent: of all.
   * @param known with what was read of each, and in whose cgroup somebody lives
   */
  glance?(known: readonly GlancedContainer[]): Glance;
  /** Absent: there are none in this hierarchy, or they can't be made. */
  readonly partitions?: PartitionPort;
  /** Absent: the cpu controller's files aren't there. */
  readonly quotas?: QuotaPort;
  /** Absent: memory nodes can't be written. */
  readonly memory?: MemoryPort;
}

/** One that is looked at again, and in which turn its threads are. */
export interface GlancedContainer {
  readonly container: ContainerRef;
  readonly reading: CpusetReading;
  readonly turn: number;
}

export interface Glance {
  /** Of those that are looked at in it. */
  readonly ids: ReadonlySet<string>;
  /**
   * Ids of those that don't show the same as when they were read, or in whose cgroup nobody is seen, and of those in this turn
   * where not every thread may use all of what is in force. Undefined: that can't be said any more, each is to be read.
   */
  changed(turn: number): readonly string[] | undefined;
}

/** Memory nodes of cgroups, as {@link CpusetPort} has sets: every call returns at once and throws nothing. */
export interface MemoryPort {
  /**
   * Binds the container's cgroup to these memory nodes, where `correct` allows it of one that uses so much memory, and reads
   * that back; what lies elsewhere is migrated. Without a cgroup there is nothing to do.
   */
  bind(container: ContainerRef, nodes: CpuSet, correct: CorrectMems): MemoryResult;
}

/** Of how large a container memory is migrated: none's, below 256 MiB, or any. */
export type CorrectMems = "never" | "young" | "always";

export type MemoryResult =
  /** `before`: those that it was bound to; absent: it was bound to these. */
  | { readonly kind: "done"; readonly before?: CpuSet }
  | {
    readonly kind: "failed";
    /** A clause that goes on from "its memory nodes aren't set: ". */
    readonly reason: string;
  };

/** Whose masks are looked at: that of the first process, or those of all threads and the sets of the cgroups inside. */
export type AffinityOf = "first process" | "threads";

/** `absent`: there is no thread. */
export type AffinityReading = AffinityValues | Absent | Unverified;

/** What of a cgroup's CPUs is left to its threads. */
export interface AffinityValues {
  readonly kind: "affinity";
  /** In force of the container's cgroup. */
  readonly cpus: CpuSet;
  /** The different masks of threads that leave less. */
  readonly masks: readonly CpuSet[];
  /** The different sets of cgroups inside that have less. */
  readonly sets: readonly CpuSet[];
  /** Of some thread the mask leaves all. */
  readonly hasWhole: boolean;
}

/** CFS quotas of cgroups, as {@link CpusetPort} has sets: every call returns at once and throws nothing. */
export interface QuotaPort {
  /** Gives the container's cgroup this limit, or none, and reads that back. Without a cgroup there is nothing to do. */
  ofContainer(container: ContainerRef, limit: CpuQuota | undefined): QuotaResult;
  /** The same of its pod's cgroup, where kubelet has made one. */
  ofPod(container: ContainerRef, limit: CpuQuota | undefined): QuotaResult;
  /** In how many periods the container was throttled since it started; undefined: not known. */
  throttled(container: ContainerRef): number | undefined;
  /**
   * For how many microseconds one of its tasks that could run had no CPU since it started (PSI); undefined: not known. Absent:
   * never.
   */
  pressure?(container: ContainerRef): number | undefined;
}

export type QuotaResult =
  /** `isNew`: it wasn't so before; `before`: the limit that it had, absent: none. */
  | { readonly kind: "done"; readonly isNew: boolean; readonly before?: CpuQuota }
  | {
    readonly kind: "failed";
    /** One sentence. */
    readonly reason: string;
  };

/** Partitions of the kernel's (cgroup v2), as {@link CpusetPort} has sets: every call returns at once and throws nothing. */
export interface PartitionPort {
  /**
   * Makes the container's cgroup the root of a partition of these CPUs, and reads that back; where it fails everything is
   * taken back. One that is there already stays.
   *
   * @param cpus those of its own set, at least one
   */
  partition(container: ContainerRef, cpus: CpuSet): PartitionResult;
  /**
   * Ends it, also after the end of the container, whose CPUs the kernel goes on keeping for its pod. Without a partition
   * nothing is written.
   *
   * @param cpus that it was of; those that its cgroup names are taken back in any case
   */
  release(container: ContainerRef, cpus: CpuSet): PartitionResult;
  /**
   * Ends what is left of partitions in kubelet's cgroups, of whatever container but those that are `known` to have one.
   *
   * @param around where other containers are shows where these cgroups are
   */
  clearStale(known: readonly ContainerRef[], around: readonly ContainerRef[]): PartitionResult;
}

export type PartitionResult =
  /** `isNew`: it wasn't so before. */
  | { readonly kind: "done"; readonly isNew: boolean }
  | PartitionFailure;

export interface PartitionFailure {
  readonly kind: "failed";
  /** One sentence. */
  readonly reason: string;
}

/** How running containers get other CPUs; `auto`: in the kernel first, where that can be written. */
export type Apply = "auto" | "runtime" | "kernel-first";

export interface CpusetWrite {
  readonly container: ContainerRef;
  /** At least one. */
  readonly cpus: CpuSet;
  /** Of a group in cgroup v1: the ids of containers in it that don't get more CPUs with it. */
  readonly keeps?: ReadonlySet<string>;
  /** All of them have to be in force, as far as they are online: they are granted. Less is a failure, `narrowed`. */
  readonly isGranted?: true;
}

/**
 * Whether a container's cgroup, or one below it, has processes; zombies don't count in cgroup v2. `absent`: there is no cgroup,
 * so none; `unreadable`: it can't be known.
 */
export type Population = "populated" | "empty" | "absent" | "unreadable";

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
  /** Of a group: another program has narrowed it. */
  readonly isForeign?: true;
  /** Of a group: why its set may not last while no agent runs, one clause. */
  readonly weakness?: string;
  /** It has no set of its own that counts (cgroup v2): it has what the cgroup above has, now and in the future. */
  readonly isInherited?: true;
  /** So it is although it has a set: that has nothing in common with what the cgroup above has. */
  readonly isVoid?: true;
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
  /** It was read, and its set is empty, which in cgroup v1 is none: its CPUs have gone offline, or were never written. */
  readonly isEmpty?: true;
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
  /** Of a granted set: what another program's cgroups leave the container, since that is why. */
  readonly limit?: CpuLimit;
}

/**
 * The kernel's error; or `deadline`: no time was left; `overwritten`: another program changed the set right after
 * the write; `narrowed`: a cgroup above has fewer CPUs; `unverified`: what is in force can't be read, or is more than was
 * written.
 */
export type CpusetFailureCode = ErrnoName | "deadline" | "overwritten" | "narrowed" | "unverified";
