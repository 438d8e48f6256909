/**
 * The read model: who owns which CPU, why, since when, what is pending and what failed. Tests, logs and everything that
 * shows the agent's state to people or programs read this and nothing else of the agent.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Withheld } from "../cpu/withheld.ts";
import { type Assignment, type Chosen, isBehindFence, isIsolated } from "../ledger/assignment.ts";
import type { Claim, ContainerRef, GroupClaim } from "../ledger/claim.ts";
import type { DeliveryFailure } from "../ledger/failure.ts";
import { failureOf, hasNoProcess, isConfirmed, isStarting } from "../ledger/delivery.ts";
import { needsWrite, pendingUpdates } from "../ledger/updates.ts";
import { dueWrites } from "../ledger/plan_writes.ts";
import { runsOn, shouldRunOn } from "../ledger/groups.ts";
import { Ledger } from "../ledger/ledger.ts";
import { perLedger } from "../ledger/per_ledger.ts";
import { type AffinityView, affinityView } from "./affinity_view.ts";
import { type ConfinedBy, confinementOf } from "./confinement.ts";
import type { Phase } from "./lifecycle.ts";
import { unboundOf } from "./memories.ts";
import type { AgentState, Partition } from "./state.ts";

/**
 * How far the delivery of a container's CPUs has come. `not started`: it has no process; `confirmed`: read back from its
 * cgroup; `assumed`: by the runtime, which reports no failure; `pending`: it still has other CPUs; `failed`: the last
 * write failed and is retried; `blocked`: another container that keeps its CPUs has to give them up first; `unverified`:
 * its processes aren't in its own cgroup, see confinement.ts.
 */
export type DeliveryState =
  | "not started"
  | "confirmed"
  | "assumed"
  | "pending"
  | "failed"
  | "blocked"
  | "unverified";

/**
 * What keeps a container off CPUs that others claim. `fence`: the cgroup of its QoS class, also while no agent runs, and
 * pinned CPUs by its own set; `own set`: that of its cgroup; `record`: the runtime, as far as that reports it; `nothing`:
 * neither.
 */
export type KeptBy = "fence" | "own set" | "record" | "nothing";

export interface ContainerView {
  readonly container: ContainerRef;
  readonly claim: Claim;
  /** The CPUs of its own; empty for one that lives in the shared pool. */
  readonly grant: CpuSet;
  readonly keptBy: KeptBy;
  /** The group that is its fence, by its path. */
  readonly fence?: string | undefined;
  /** The CPUs that it should be running on. */
  readonly desired: CpuSet;
  /** The CPUs that it may be running on by all that is known; empty: it has no process. */
  readonly mayRunOn: CpuSet;
  readonly mems?: CpuSet | undefined;
  readonly state: DeliveryState;
  /** It has ended, and some of its processes haven't. */
  readonly isLeftover: boolean;
  /** Between its creation and its PostStartContainer. */
  readonly isStarting: boolean;
  /** How it gets its CPUs: written in its cgroup, or by the runtime's record. */
  readonly by: "cgroup" | "record";
  /** The set in the runtime's record; absent: none. `isRecordSure` is false while the runtime may have lost it. */
  readonly record?: CpuSet | undefined;
  readonly isRecordSure: boolean;
  /** Of one that asks for a partition of the kernel's. */
  readonly isolation?: IsolationView | undefined;
  readonly affinity: AffinityView;
  /**
   * Of one with CPUs of its own: in how many periods its CFS quota had stopped it by the last comparison, since it started;
   * absent: not known.
   */
  readonly throttled?: number | undefined;
  /** Of a pinned one: why it isn't bound to the memory nodes that it should have, one clause; absent: as far as is known it is. */
  readonly unbound?: string | undefined;
  readonly failure?: DeliveryFailure | undefined;
  /** Why it isn't known that it runs on its CPUs, one clause; absent: its cgroup or the runtime says so. */
  readonly unverified?: string | undefined;
  /** Why it has less than it claims. */
  readonly degraded?: string | undefined;
  /** How its CPUs were chosen; absent: it had them before, or was found with them. */
  readonly chosen?: Chosen | undefined;
  /** When it was admitted or found, in the milliseconds of the agent's clock. */
  readonly since?: number | undefined;
}

/** Whether the kernel keeps all others off its CPUs. */
export interface IsolationView {
  readonly isInForce: boolean;
  /** Why it isn't; absent: it hasn't started yet, or waits for its CPUs. */
  readonly reason?: string | undefined;
}

/** A cgroup above containers that the agent keeps off CPUs. */
export interface GroupView {
  readonly keeps: GroupClaim["keeps"];
  /** Why its set may not last while no agent runs; absent: it does. */
  readonly weakness?: string | undefined;
  /** The CPUs that it should have. */
  readonly desired: CpuSet;
  /** The CPUs that those in it may be running on by all that is known. */
  readonly mayRunOn: CpuSet;
  readonly state: DeliveryState;
  readonly failure?: DeliveryFailure | undefined;
}

/** What an ended container had for itself, as it is held for its pod. */
export type HeldView = Pick<ContainerView, "container" | "claim" | "grant">;

export interface NodeView {
  readonly phase: Phase | "passive";
  readonly standby: boolean;
  readonly dryRun: boolean;
  /** Those that containers can have. */
  readonly online: CpuSet;
  /** CPUs that are online and that no container can have, and who keeps them. */
  readonly withheld: readonly Withheld[];
  readonly reserved: CpuSet;
  readonly sharedPool: CpuSet;
  readonly exclusive: CpuSet;
  readonly pinned: CpuSet;
  /** Why pinned and exclusive creations are refused for the time being. */
  readonly claimsSuspendedReason?: string | undefined;
  /** By container id, in the order of admission. */
  readonly containers: ReadonlyMap<string, ContainerView>;
  /** Claims that are held for ended containers while their pods live, oldest admission first. */
  readonly held: readonly HeldView[];
  /** Cgroups above containers that are kept off CPUs, by path. */
  readonly groups: ReadonlyMap<string, GroupView>;
  /** How many containers have ended without a report of the runtime, by their cgroups. */
  readonly unreportedEnds: number;
  /** Comparisons with the kernel so far, and what they have found. */
  readonly reconcile: Pick<AgentState["reconcile"], "begun" | "drifts">;
  /** Since when the runtime lacks an update that no reply has carried, in the milliseconds of the agent's clock. */
  readonly pendingSince?: number | undefined;
}

/**
 * The state as far as it is shown. On standby there are no containers: another agent decides, and what this one knows of a
 * time when it was active may be true no more.
 */
export function shownOf(state: AgentState): AgentState {
  if (!state.standby) return state;
  const { ledger: { topology, policy }, pending: _, ...rest } = state;
  return { ...rest, ledger: Ledger.empty(topology, policy), refused: new Map() };
}

/** The view of an agent's state; the containers' part is made once for each ledger. */
export function viewOf(known: AgentState): NodeView {
  const state = shownOf(known);
  const { ledger, passive, standby, dryRun, claimsSuspendedReason, pending } = state;
  return {
    phase: passive === undefined ? state.phase : "passive",
    standby,
    dryRun,
    online: ledger.topology.online,
    withheld: ledger.topology.withheld,
    reserved: ledger.policy.systemReserved,
    sharedPool: ledger.sharedPool,
    exclusive: ledger.exclusive,
    pinned: ledger.pinned,
    claimsSuspendedReason,
    ...membersOf(ledger)(state),
    unreportedEnds: state.reconcile.lostEnds.count,
    reconcile: state.reconcile,
    pendingSince: pending?.since,
  };
}

type Members = Pick<NodeView, "containers" | "held" | "groups">;

/** Made once for each ledger, for what has become of its partitions, and for what was seen of who lives where and of quotas. */
const membersOf = perLedger(() => {
  let known: { readonly of: readonly unknown[]; readonly members: Members } | undefined;
  return (state: AgentState): Members => {
    const { lostEnds, throttled } = state.reconcile;
    const { partitions, rules, sandboxes, memories } = state;
    const of = [partitions, rules, sandboxes.all, lostEnds.elsewhere, throttled, memories];
    if (known === undefined || of.some((each, at) => known?.of[at] !== each)) {
      known = { of, members: members(state) };
    }
    return known.members;
  };
});

function members(state: AgentState): Members {
  const { ledger, partitions, reconcile } = state;
  let states: ((assignment: Assignment) => DeliveryState) | undefined;
  const stateOf = (assignment: Assignment) => (states ??= statesOf(ledger))(assignment);
  const containers = new Map<string, ContainerView>();
  const held: HeldView[] = [];
  const groups = new Map<string, GroupView>();
  for (const assignment of ledger.inOrder()) {
    const { container, claim, grant } = assignment;
    const { id } = container;
    if (claim.kind === "group") groups.set(id, groupView(ledger, assignment, claim, stateOf));
    else if (assignment.isHeld) held.push({ container, claim, grant });
    else {
      const seen = { partition: partitions.get(id), throttled: reconcile.throttled.get(id) };
      const unbound = unboundOf(state.memories.get(id));
      const confined = confinementOf(state, assignment);
      containers.set(
        id,
        containerView(ledger, assignment, claim, { stateOf, ...seen, ...confined, unbound }),
      );
    }
  }
  return { containers, held, groups };
}

function groupView(
  ledger: Ledger,
  assignment: Assignment,
  { keeps, weakness }: GroupClaim,
  stateOf: (assignment: Assignment) => DeliveryState,
): GroupView {
  return {
    keeps,
    weakness,
    desired: ledger.desired(assignment),
    mayRunOn: ledger.mayRunOn(assignment),
    get state() {
      return stateOf(assignment);
    },
    failure: failureOf(assignment),
  };
}

function containerView(
  ledger: Ledger,
  assignment: Assignment,
  claim: Claim,
  { stateOf, partition, throttled, unbound, unverified, isInSandbox }: {
    readonly stateOf: (assignment: Assignment) => DeliveryState;
    readonly partition: Partition | undefined;
    readonly throttled: number | undefined;
    readonly unbound: string | undefined;
  } & ConfinedBy,
): ContainerView {
  const { container, grant, fence, mems, delivery, degraded, since, leftover, chosen } = assignment;
  return {
    container,
    claim,
    grant,
    keptBy: keptBy(assignment),
    fence,
    desired: shouldRunOn(ledger, assignment),
    mayRunOn: runsOn(ledger, assignment),
    mems,
    // Made only when it is read: it needs the plan of all writes.
    get state() {
      const delivered = stateOf(assignment);
      if (delivered !== "confirmed" && delivered !== "assumed") return delivered;
      return unverified !== undefined ? "unverified" : isInSandbox ? "confirmed" : delivered;
    },
    isLeftover: leftover !== undefined,
    isStarting: isStarting(assignment),
    by: delivery.by,
    record: delivery.record,
    isRecordSure: delivery.recordUnsure === undefined,
    isolation: isIsolated(assignment) ? isolationView(partition) : undefined,
    affinity: affinityView(assignment.affinity, shouldRunOn(ledger, assignment)),
    throttled,
    unbound,
    failure: failureOf(assignment),
    unverified,
    degraded,
    chosen,
    since,
  };
}

function keptBy(assignment: Assignment): KeptBy {
  const { grant, delivery: { by, record } } = assignment;
  if (grant.isEmpty && isBehindFence(assignment)) return "fence";
  if (by === "cgroup") return "own set";
  return record === undefined ? "nothing" : "record";
}

function isolationView(partition: Partition | undefined): IsolationView {
  if (partition === undefined) return { isInForce: false };
  return "reason" in partition ? { isInForce: false, reason: partition.reason } : { isInForce: true };
}

function statesOf(ledger: Ledger): (assignment: Assignment) => DeliveryState {
  const written = new Set(dueWrites(ledger).map(({ assignment }) => assignment.container.id));
  const pending = written.union(new Set(pendingUpdates(ledger).map(({ id }) => id)));
  return (assignment) => {
    const { container: { id }, delivery } = assignment;
    if (delivery.state === "failed") return "failed";
    // Its CPUs are still held by others that couldn't be made to give them up.
    if (!written.has(id) && needsWrite(ledger, assignment)) return "blocked";
    if (hasNoProcess(delivery)) return "not started";
    if (pending.has(id)) return "pending";
    return isConfirmed(assignment) ? "confirmed" : "assumed";
  };
}
