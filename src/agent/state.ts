import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { ContainerRef, CpuQuota } from "../ledger/claim.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { Policy } from "../ledger/policy.ts";
import type { Apply, CpusetPort } from "../cgroup/port.ts";
import type { SynchronizeRequest } from "../nri/gen/nri_pb.ts";
import { type EarlyEvents, NO_EARLY_EVENTS } from "./early.ts";
import type { Received } from "./received.ts";
import type { Memories } from "./memories.ts";
import type { Phase } from "./lifecycle.ts";
import { INITIAL_RECONCILE, type ReconcileState } from "./reconcile_state.ts";
import { EMPTY_REFUSAL_LOG, type RefusalLog } from "./refusal_log.ts";
import type { RefusedContainers } from "./refused.ts";
import type { PodResources } from "./pod_resources.ts";
import type { MachinePort } from "./machine.ts";
import type { Rules } from "../nri/rules.ts";

/** Whether QoS classes are kept off exclusive CPUs; `auto`: in cgroup v2, where their cgroups can be written; `on`: in v1 too. */
export type Fence = "auto" | "on" | "off";

/** On which CPUs systemd's slices of the host are kept, besides kernel threads. */
export type HostFence = "off" | "reserved" | "pool";

/** Whether exclusive and pinned containers keep the CFS quota of their limits. */
export type ExclusiveQuota = "keep" | "off";
/** What was written to pause containers. */
export interface WrittenPauses {
  /** By sandbox: the CPUs that were last written. */
  readonly sets: ReadonlyMap<string, CpuSet>;
  /** The ledger's, for which that is all; absent: some are still to be written. Without a look at every container. */
  readonly exclusive?: CpuSet;
  readonly pinned?: CpuSet;
}

export const NO_PAUSES: WrittenPauses = { sets: new Map() };

/** The cgroup of a pod's sandbox in which all of the pod's processes are; see sandboxes.ts. */
export interface Sandbox {
  readonly container: ContainerRef;
  /** What its own set should name. */
  readonly cpus: CpuSet;
  /** What may be in force, by its own set and what is around it; exactly that, if it was granted. */
  readonly within: CpuSet;
  readonly isGranted: boolean;
  /** Why it isn't known that this is in force, one clause; absent: it is, and somebody lives there. */
  readonly reason?: string;
  /** It has no cgroup. */
  readonly isGone?: true;
  /** It is to be looked at again. */
  readonly isUnsure?: true;
}

export interface Sandboxes {
  /** By the id of the sandbox: those of pods with a runtime of their own, and of those that have ended since the last comparison. */
  readonly all: ReadonlyMap<string, Sandbox>;
  /** From what it follows; absent: some are still to be looked at. */
  readonly of?: readonly unknown[];
}

/** Since when the runtime lacks an update that no reply has carried. */
export interface PendingUpdates {
  /** In the milliseconds of {@link AgentState.now}. */
  readonly since: number;
  /** When the host was last asked to deliver it. */
  readonly requestedAt?: number;
}

/** What has become of a container's partition. */
export type Partition =
  & { readonly container: ContainerRef; readonly cpus: CpuSet }
  & (
    /** The kernel had it when it was last looked at, or has been given it then; it is to be looked at again if `unsure`. */
    | { readonly state: "in force" | "unsure"; readonly isNew: boolean }
    /** It can't be had: for this reason it wasn't tried (`unfit`), or has failed; or it couldn't be ended (`stuck`). */
    | { readonly state: "unfit" | "failed" | "stuck"; readonly reason: string }
  );

export type Partitions = ReadonlyMap<string, Partition>;

/** What has become of a container's quota. */
export interface Quota {
  /** It has none, or has what it asks for again. */
  readonly isLifted: boolean;
  /** It is to be looked at again. */
  readonly isUnsure?: true;
  /** That of its pod before it was lifted, where there was one. */
  readonly podLimit?: CpuQuota;
  /** Why that couldn't be written. */
  readonly reason?: string;
}

/** By container id. */
export type Quotas = ReadonlyMap<string, Quota>;

/** What an agent that places nothing will place by once it is resumed. */
export interface Passive {
  readonly policy: Policy;
}

/** One message of a Synchronize. */
export interface Part {
  readonly request: SynchronizeRequest;
  /** Of the message as it came. */
  readonly bytes: number;
}

/** The agent's state between two inputs. Immutable. */
export interface AgentState {
  readonly phase: Phase;
  readonly rules: Rules;
  /** Milliseconds for which growth of the shared pool may wait, so that several become one. */
  readonly growDelayMs: number;
  /** What cgroups are read and written by; absent: they can't be. */
  readonly cpusets?: CpusetPort | undefined;
  /** What the CPUs of the machine are read by before a claim is decided; absent: they are known by inputs alone. */
  readonly machine?: MachinePort | undefined;
  /** Whether the active agent has said that it ends; absent: there is no other. */
  readonly activeEnds?: (() => boolean) | undefined;
  readonly apply: Apply;
  readonly fence: Fence;
  readonly hostFence: HostFence;
  readonly exclusiveQuota: ExclusiveQuota;
  /** Milliseconds from one comparison of the ledger with the kernel to the next; 0: none is made. */
  readonly reconcileMs: number;
  readonly reconcile: ReconcileState;
  /** Absent: the runtime lacks nothing. */
  readonly pending?: PendingUpdates;
  /** The time of the last input, in milliseconds of any clock that never goes back. */
  readonly now: number;
  /** Who owns which CPU; topology and policy are in it. True to the node only in phase `serving`: nothing is decided from it before. */
  readonly ledger: Ledger;
  /** What has become of the partitions of containers that ask for one, by id; of ended ones no more than there are CPUs. */
  readonly partitions: Partitions;
  /** That the threads of containers can't be seen has been logged. */
  readonly isAffinityHidden: boolean;
  /** What was last written to pause containers, by sandbox; see pauses.ts. */
  readonly pauses: WrittenPauses;
  /** What has become of the sandboxes that all processes of their pods are in. */
  readonly sandboxes: Sandboxes;
  /** The kernel may have partitions of containers that have ended meanwhile. */
  readonly hasStalePartitions: boolean;
  /** What has become of the CFS quotas of containers that claim CPUs of their own. */
  readonly quotas: Quotas;
  readonly memories: Memories;
  /** What pods as a whole may use, where that has changed since they were created. */
  readonly podResources: PodResources;
  /** The parts of a Synchronize that isn't complete yet. */
  readonly parts: readonly Part[];
  /** On standby, once a Synchronize is complete: that, and what came since. */
  readonly received: Received | undefined;
  /** Containers that are known by a list alone, no event so far: the runtime may never report their ends. */
  readonly untracked: ReadonlySet<string>;
  /** Events of containers from before the list of the running ones. */
  readonly early: EarlyEvents;
  /** A list of the running containers was asked for: it will replace what is known. */
  readonly awaitsListing: boolean;
  /** Refusals that have been logged. */
  readonly refusals: RefusalLog;
  readonly refused: RefusedContainers;
  /** Another agent is active on this node; this one changes nothing. */
  readonly standby: boolean;
  /** Released by hand: see passive.ts. */
  readonly passive?: Passive | undefined;
  /** Decide and log, but change and refuse nothing. */
  readonly dryRun: boolean;
  /** Why pinned and exclusive creations are refused for the time being; absent: they aren't. */
  readonly claimsSuspendedReason?: string | undefined;
}

/** What the administrator decides, as far as it changes what the agent does. */
export interface Settings {
  readonly policy: Policy;
  readonly rules: Rules;
  /** Milliseconds. */
  readonly growDelayMs: number;
  readonly dryRun: boolean;
  readonly apply: Apply;
  readonly fence: Fence;
  readonly hostFence: HostFence;
  readonly exclusiveQuota: ExclusiveQuota;
  /** Milliseconds; 0: never. */
  readonly reconcileMs: number;
}

/** What a step reads and writes besides its input. */
export type Ports = Pick<AgentState, "cpusets" | "machine" | "activeEnds">;

/** The state of an agent without containers. */
export function initialState(
  topology: Topology,
  { policy, rules, growDelayMs, dryRun, apply, fence, hostFence, exclusiveQuota, reconcileMs }: Settings,
  standby: boolean,
  { cpusets, machine, activeEnds }: Ports = {},
): AgentState {
  const ledger = Ledger.empty(topology, policy);
  return {
    phase: "disconnected",
    rules,
    growDelayMs,
    cpusets,
    machine,
    activeEnds,
    apply,
    fence,
    hostFence,
    exclusiveQuota,
    reconcileMs,
    reconcile: INITIAL_RECONCILE,
    now: 0,
    ledger,
    partitions: new Map(),
    pauses: NO_PAUSES,
    sandboxes: { all: new Map() },
    hasStalePartitions: false,
    isAffinityHidden: false,
    quotas: new Map(),
    memories: new Map(),
    podResources: new Map(),
    parts: [],
    received: undefined,
    untracked: new Set(),
    early: NO_EARLY_EVENTS,
    awaitsListing: false,
    refusals: EMPTY_REFUSAL_LOG,
    refused: new Map(),
    standby,
    dryRun,
  };
}
