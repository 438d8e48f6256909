import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Placement } from "../cpu/placement.ts";
import type { Withheld } from "../cpu/withheld.ts";
import type { DeliveryFailure } from "./failure.ts";

/**
 * What a container asks for. Decided once, when its creation is asked for; deciding which kind a
 * container is belongs to whoever reads its pod (`nri/read_claim.ts`), not to the ledger.
 */
export type Claim = PinnedClaim | ExclusiveClaim | SharedClaim;

/** Exactly these CPUs. Pinned containers may share CPUs with each other, never with an exclusive one. */
export interface PinnedClaim {
  readonly kind: "pinned";
  readonly cpus: CpuSet;
  /** The annotation that names them, as the pod wrote it; absent: `weka.io/cores-ids`. */
  readonly key?: string;
  /** How much CPU time it may use, as it was asked for; absent: as much as there is, or not known. */
  readonly quota?: CpuQuota;
  /** See {@link Isolation}. */
  readonly isolation?: Isolation;
  /** See {@link CpuLimit}. */
  readonly limit?: CpuLimit;
  /** See {@link SharedClaim.vm}. */
  readonly vm?: true;
}

/**
 * What cgroups above a container leave it, where another program has given one of them fewer CPUs than the node's containers
 * can have: whatever its own set names besides isn't in force. `why` goes on from "CPU 3 is".
 */
export type CpuLimit = Withheld;

/**
 * How its CPUs are kept from all others besides by their sets. `partition`: the kernel takes them from every other cgroup, in
 * its own scheduling domains, as a partition of cgroup v2 (cgroup-v2.rst, `cpuset.cpus.partition`). Where that can't be had
 * the container runs all the same.
 */
export type Isolation = "partition";

/** A CFS quota: microseconds of CPU time in each period, and the period in microseconds. */
export interface CpuQuota {
  readonly quota: number;
  readonly period: number;
}

/** `count` whole CPUs that no other container may use, chosen by the agent outside `forbidden`. */
export interface ExclusiveClaim {
  readonly kind: "exclusive";
  readonly count: number;
  readonly forbidden: CpuSet;
  /** Whether it may be moved while it runs; absent: as long as it isn't seen to pin its own threads ({@link mayMove}). */
  readonly movable?: boolean;
  readonly placement: Placement;
  /** The most exclusive CPUs that the live containers of its pod may have together; absent: any number. */
  readonly podLimit?: number;
  /**
   * Its figures are its pod's: kubelet passes these to a container without any of its own, and nothing distinguishes that from one
   * that asks for all of its pod. Such containers share what is left of `count` by claims of the pod that are less.
   */
  readonly ofPod?: true;
  /** See {@link Isolation}; such a container is never moved. */
  readonly isolation?: Isolation;
  /** See {@link CpuLimit}. */
  readonly limit?: CpuLimit;
  /** See {@link SharedClaim.vm}. */
  readonly vm?: true;
}

/** The shared pool without `forbidden`. */
export interface SharedClaim {
  readonly kind: "shared";
  readonly forbidden: CpuSet;
  /** The annotation that forbids them, as the pod wrote it; absent: `weka.io/forbid-core-ids`. */
  readonly key?: string;
  /** Part of the system: may use reserved CPUs where the reservation keeps them from all others. */
  readonly system?: true;
  /**
   * Its pod runs in a virtual machine, to which a list of CPUs says how many it is to have. So one without a grant is never
   * sent a list, and what the machine's threads run on isn't known by its cgroup.
   */
  readonly vm?: true;
  /** It has a limit of its own in a pod that has one: it runs on the CPUs that the pod's containers share, if there are any. */
  readonly ofPod?: true;
}

/**
 * Of a cgroup above containers (a *group*): the CPUs that are to be left to all that runs in it. The kernel keeps what is
 * below within them, also what starts while no agent runs.
 */
export interface GroupClaim {
  readonly kind: "group";
  /**
   * `unexclusive`: a fence, all online CPUs but exclusive ones; `reserved`: the reserved CPUs; `pool`: the shared pool with
   * them; `online`: all of them, since what is in it is kept off exclusive CPUs by its own sets; `found`: it is another
   * program's, and stays as it is.
   */
  readonly keeps: "unexclusive" | "reserved" | "pool" | "online" | "found";
  /** Why its set may not last while no agent runs; absent: it does. */
  readonly weakness?: string;
  /** It couldn't keep that, was found so at a comparison, and gets it back after a back-off; absent: it has kept it since. */
  readonly lost?: DeliveryFailure;
}

/** systemd's slices of all that is neither a container nor a kernel thread, by their paths. */
export const HOST_GROUPS: readonly string[] = [
  "/system.slice",
  "/user.slice",
  "/machine.slice",
  "/init.scope",
];

/** A container's identity: enough to find it in the runtime and to name it to a person. */
export interface ContainerRef {
  /** The runtime's id, unique on the node. */
  readonly id: string;
  readonly name: string;
  readonly pod: string;
  readonly namespace: string;
  readonly podUid: string;
  /** The runtime's id of the pod's sandbox. */
  readonly sandboxId: string;
  /** Absent: not known. */
  readonly cgroup?: CgroupHints;
  /** The runtime's name of what runs its pod (a RuntimeClass's handler); absent: the node's default. */
  readonly handler?: string;
  /** It is no container but a group, a cgroup above some; its id is the path of that, below the hierarchy's root. */
  readonly isGroup?: true;
}

/** What the runtime reports of a container's place in the cgroup tree. */
export interface CgroupHints {
  /** In the runtime's record: a path, or with the systemd driver `slice:prefix:name`. Empty: not known. */
  readonly path: string;
  /** The cgroup of its pod. Empty: not known. */
  readonly parent: string;
  /** Its first process; 0: not known. */
  readonly pid: number;
}

/** `ns/pod container c`, as every message names a container. */
export function describe(container: ContainerRef): string {
  if (container.isGroup) return `cgroup ${container.id}`;
  return `${container.namespace}/${container.pod} container ${container.name}`;
}
