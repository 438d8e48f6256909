/**
 * The ledger: who owns which CPU. An immutable value; every change returns a new one.
 *
 * The pools, all derived and never stored twice:
 *
 *     online    what the machine has switched on
 *     pinned    union of the grants of pinned containers (these may overlap each other)
 *     exclusive union of the grants of exclusive containers (disjoint from everything)
 *     claimed   pinned ∪ exclusive
 *     shared    online − claimed: what is left, always
 *
 * An assignment without a grant lives in the shared pool: a shared container, or one that asked for
 * more than the node could give and is *degraded*.
 */
import { assert } from "../assert.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Claim, ContainerRef } from "./claim.ts";
import { describe } from "./claim.ts";

/** What the node's administrator decides. */
export interface Policy {
  /** CPUs that are never given exclusively (kubelet's meaning of "reserved"). */
  readonly systemReserved: CpuSet;
  /** The shared pool never falls below this many CPUs by an admission. */
  readonly minShared: number;
}

/** One container that the agent places. */
export interface Assignment {
  readonly container: ContainerRef;
  readonly claim: Claim;
  /** The CPUs granted to a pinned or exclusive claim; empty for a container that lives in the shared pool. */
  readonly grant: CpuSet;
  /**
   * The set in the runtime's record: last reported by the runtime, or last answered to it. Absent: the
   * record names no CPUs, so the container may run on all of them.
   */
  readonly record?: CpuSet;
  /**
   * Between its creation and its first moment of running the runtime may lose an update, or change only its
   * record: what is sent meanwhile isn't taken for done.
   */
  readonly starting?: true;
  /**
   * Of a pinned container that hasn't started yet: who was moved for it, and from where. Should its creation
   * fail, they go back.
   */
  readonly displaced?: readonly Displaced[];
  /** Why a container has less than it claims: one clause for people. */
  readonly degraded?: string;
}

/** An exclusive container that was moved, and the CPUs that it had. */
export interface Displaced {
  readonly id: string;
  readonly from: CpuSet;
}

type Pools = {
  readonly pinned: CpuSet;
  readonly exclusive: CpuSet;
  readonly claimed: CpuSet;
  readonly shared: CpuSet;
};

/** Immutable; see the head of this file for the words. */
export class Ledger {
  #pools: Pools | undefined;

  private constructor(
    readonly topology: Topology,
    readonly policy: Policy,
    readonly assignments: ReadonlyMap<string, Assignment>,
    pools?: Pools,
  ) {
    this.#pools = pools;
  }

  /** A ledger in which nobody owns anything. */
  static empty(topology: Topology, policy: Policy): Ledger {
    return new Ledger(topology, policy, new Map());
  }

  get pinned(): CpuSet {
    return this.#derived().pinned;
  }

  get exclusive(): CpuSet {
    return this.#derived().exclusive;
  }

  get claimed(): CpuSet {
    return this.#derived().claimed;
  }

  get sharedPool(): CpuSet {
    return this.#derived().shared;
  }

  /** The ledger in which `assignment` is added, or replaces the one with its container id. */
  with(assignment: Assignment): Ledger {
    return this.withAll([assignment]);
  }

  /** As {@link with}, for many at once. */
  withAll(assignments: readonly Assignment[]): Ledger {
    if (assignments.length === 0) return this;
    const next = new Map(this.assignments);
    let samePools = true;
    for (const assignment of assignments) {
      const before = next.get(assignment.container.id);
      samePools &&= (before?.grant ?? CpuSet.empty).equals(assignment.grant) &&
        (assignment.grant.isEmpty || before?.claim.kind === assignment.claim.kind);
      next.set(assignment.container.id, assignment);
    }
    return new Ledger(this.topology, this.policy, next, samePools ? this.#pools : undefined);
  }

  /** The ledger without that container; the same ledger when it isn't known. */
  without(id: string): Ledger {
    const gone = this.assignments.get(id);
    if (gone === undefined) return this;
    const next = new Map(this.assignments);
    next.delete(id);
    return new Ledger(this.topology, this.policy, next, gone.grant.isEmpty ? this.#pools : undefined);
  }

  /** Containers whose grant touches `cpus`, in the order of their admission. */
  holders(cpus: CpuSet): Assignment[] {
    return [...this.assignments.values()].filter((a) => a.grant.intersects(cpus));
  }

  /**
   * The CPUs a container should be running on: its grant, else the shared pool without its forbidden
   * CPUs, else (when those leave nothing) the whole pool: isolation of the claims comes first.
   */
  effective(assignment: Assignment): CpuSet {
    if (!assignment.grant.isEmpty) return assignment.grant;
    if (assignment.claim.kind === "pinned") return this.sharedPool;
    const allowed = this.sharedPool.difference(assignment.claim.forbidden);
    return allowed.isEmpty ? this.sharedPool : allowed;
  }

  /** Throws unless no CPU has two exclusive owners and no reserved CPU has one. */
  check(): void {
    let exclusive = CpuSet.empty;
    for (const { container, claim, grant } of this.assignments.values()) {
      if (claim.kind !== "exclusive" || grant.isEmpty) continue;
      assert(!grant.intersects(exclusive), `${describe(container)}: CPUs ${grant} have two exclusive owners`);
      assert(!grant.intersects(this.pinned), `${describe(container)}: CPUs ${grant} are pinned too`);
      assert(!grant.intersects(this.policy.systemReserved), `${describe(container)}: holds reserved CPUs`);
      assert(
        grant.size === claim.count,
        `${describe(container)}: holds ${grant.size} of ${claim.count} CPUs`,
      );
      exclusive = exclusive.union(grant);
    }
  }

  #derived(): Pools {
    return this.#pools ??= derivePools(this.topology.online, this.assignments.values());
  }
}

function derivePools(online: CpuSet, assignments: Iterable<Assignment>): Pools {
  const grants: Record<Claim["kind"], CpuSet[]> = { pinned: [], exclusive: [], shared: [] };
  for (const { claim, grant } of assignments) grants[claim.kind].push(grant);
  const pinned = CpuSet.unionOf(grants.pinned);
  const exclusive = CpuSet.unionOf(grants.exclusive);
  const claimed = pinned.union(exclusive);
  return { pinned, exclusive, claimed, shared: online.difference(claimed) };
}
