/**
 * The ledger: who owns which CPU. An immutable value; every change returns a new one.
 *
 * The pools, all derived and never stored twice:
 *
 *     online    what the machine has switched on
 *     pinned    union of the grants of pinned containers (these may overlap each other)
 *     exclusive union of what exclusive containers keep from all others (disjoint from everything)
 *     claimed   pinned ∪ exclusive
 *     system    online − claimed: what is left, always
 *     shared    the same; where the reservation is strict, without the reserved CPUs; isolated ones may be kept out of both
 *
 * An assignment without a grant lives in the shared pool: a shared container, or a *degraded* one. A *fence* is the
 * cgroup of a QoS class with the CPUs online − exclusive: those in it need not be without exclusive CPUs by their own sets.
 * What a change costs doesn't grow with the number of containers: the pools are kept as sums.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import {
  type Assignment,
  byOrder,
  type ExclusiveAssignment,
  isExclusive,
  isUnconfined,
} from "./assignment.ts";
import { isAnywhere } from "./bound.ts";
import { failureOf } from "./delivery.ts";
import { heldIn, poolsAfter } from "./holdings.ts";
import { IdMap, unlessMost, withId, withMember, withoutId } from "./id_map.ts";
import { type Kind, type Kinds, kindsWith, kindsWithAll, kindsWithout, NO_KINDS } from "./kinds.ts";
import { allInPods, inPod, outOfPod, type PodIndex } from "./pod_index.ts";
import type { Policy } from "./policy.ts";
import { ClaimedCpus } from "./claimed_cpus.ts";
import { SharedPools } from "./shared_pools.ts";

/** Up to one in so many assignments are changed one by one rather than with all the others. */
const FEW = 16;

interface State {
  readonly topology: Topology;
  readonly policy: Policy;
  readonly assignments: IdMap<Assignment>;
  readonly pods: PodIndex;
  readonly pools: ClaimedCpus;
  /** Containers whose record may differ from what it should be; absent: all. */
  readonly dirty?: ReadonlySet<string> | undefined;
  readonly kinds: Kinds;
  /** The next place in the order of admissions. */
  readonly nextOrder: number;
}

export class Ledger {
  readonly #state: State;
  readonly #pools: SharedPools;
  #dirty: readonly Assignment[] | undefined;
  /** The last bound that was asked for, and what of it is online: most containers have the same. */
  #online: readonly [CpuSet, CpuSet] = [CpuSet.empty, CpuSet.empty];

  private constructor(state: State, before?: Ledger) {
    this.#state = state;
    const same = before !== undefined && before.topology === state.topology &&
      before.policy === state.policy && before.exclusive.equals(state.pools.exclusive) &&
      before.pinned.equals(state.pools.pinned);
    this.#pools = same ? before.#pools : new SharedPools(state);
  }

  /** A ledger without containers. */
  static empty(topology: Topology, policy: Policy): Ledger {
    return new Ledger({
      topology,
      policy,
      assignments: IdMap.empty(),
      pods: IdMap.empty(),
      pools: ClaimedCpus.none,
      dirty: new Set(),
      kinds: NO_KINDS,
      nextOrder: 1,
    });
  }

  get topology(): Topology {
    return this.#state.topology;
  }

  get policy(): Policy {
    return this.#state.policy;
  }

  get assignments(): IdMap<Assignment> {
    return this.#state.assignments;
  }

  get sharedPool(): CpuSet {
    return this.#pools.shared.cpus;
  }

  /** What the system's own containers may use. */
  get systemPool(): CpuSet {
    return this.#pools.system.cpus;
  }

  get pinned(): CpuSet {
    return this.#state.pools.pinned;
  }

  get exclusive(): CpuSet {
    return this.#state.pools.exclusive;
  }

  get claimed(): CpuSet {
    return this.#state.pools.claimed;
  }

  /** Claims that are kept for ended containers of pods that live, the oldest first; see held.ts. */
  get heldClaims(): Assignment[] {
    return this.those("heldClaims").sort(byOrder);
  }

  /** Ended containers whose processes live on, the oldest first; see leftover.ts. */
  get leftovers(): Assignment[] {
    return this.those("leftovers").sort(byOrder);
  }

  /** Those that have less than they claim and may be served later, oldest first. */
  get degraded(): Assignment[] {
    return this.those("degraded").sort(byOrder);
  }

  /** Those whose last delivery failed, oldest first. */
  get failed(): Assignment[] {
    return this.those("failed").sort(byOrder);
  }

  /** {@link Kinds} */
  those(kind: Kind): Assignment[] {
    return this.#those(this.#state.kinds[kind].keys());
  }

  /** Those that may have to be delivered other CPUs. */
  get dirty(): readonly Assignment[] {
    const { dirty, assignments } = this.#state;
    return this.#dirty ??= dirty === undefined ? assignments.values() : this.#those(dirty);
  }

  /** All containers, oldest admission first. */
  inOrder(): Assignment[] {
    return this.assignments.values().sort(byOrder);
  }

  /** The containers of a pod. */
  ofPod(podUid: string): Assignment[] {
    return this.#those(this.#state.pods.get(podUid) ?? []);
  }

  #those(ids: Iterable<string>): Assignment[] {
    return [...ids].map((id) => this.assignments.get(id)).filter((found) => found !== undefined);
  }

  /** The ledger in which `assignment` is added, or replaces the one with its container id. */
  with(assignment: Assignment): Ledger {
    const state = this.#state;
    const { id } = assignment.container;
    const before = state.assignments.get(id);
    const order = assignment.order ?? before?.order ?? state.nextOrder;
    return this.#holding(before, assignment, {
      assignments: state.assignments.set(id, { ...assignment, order }),
      pods: inPod(state.pods, assignment.container, before?.container),
      kinds: kindsWith(state.kinds, assignment),
      dirty: state.dirty && withId(state.dirty, id),
      nextOrder: Math.max(state.nextOrder, order + 1),
    });
  }

  /** As `with` for each of these, and `allDirty`; new ones without a grant are added at once, which costs a fraction of that. */
  withAll(all: readonly Assignment[]): Ledger {
    const { assignments, pods, kinds, nextOrder } = this.#state;
    const isNew = (a: Assignment) => a.grant.isEmpty && !a.order && !assignments.has(a.container.id);
    const added = all.filter(isNew).map((each, at) => ({ ...each, order: nextOrder + at }));
    const next = new Ledger({
      ...this.#state,
      assignments: assignments.setAll(added.map((each) => [each.container.id, each])),
      pods: allInPods(pods, added.map(({ container }) => container)),
      kinds: kindsWithAll(kinds, added),
      dirty: undefined,
      nextOrder: nextOrder + added.length,
    }, this);
    return all.filter((each) => !isNew(each)).reduce((ledger, each) => ledger.with(each), next);
  }

  /** The ledger in which one container's assignment is changed; the same where it isn't known or stays as it is. */
  update(id: string, change: (assignment: Assignment) => Assignment): Ledger {
    const before = this.assignments.get(id);
    const after = before && change(before);
    return after === undefined || after === before ? this : this.with(after);
  }

  /** The same for many at once, whose grants stay and who delivers them: what it costs doesn't grow with the square of their number. */
  updateAll(changes: ReadonlyMap<string, (assignment: Assignment) => Assignment>): Ledger {
    if (changes.size * FEW < this.assignments.size) {
      return [...changes].reduce<Ledger>((next, [id, change]) => next.update(id, change), this);
    }
    const { dirty, kinds } = this.#state;
    const assignments = this.assignments.map((a) => changes.get(a.container.id)?.(a) ?? a);
    let { failed } = kinds;
    for (const id of changes.keys()) {
      const changed = assignments.get(id);
      failed = withMember(failed, id, changed !== undefined && failureOf(changed) !== undefined);
    }
    return new Ledger({
      ...this.#state,
      assignments,
      dirty: dirty && new Set([...dirty, ...changes.keys()]),
      kinds: { ...kinds, failed },
    }, this);
  }

  /** The ledger without that container; the same ledger when it isn't known. */
  without(id: string): Ledger {
    const { assignments, pods, kinds, dirty } = this.#state;
    const gone = assignments.get(id);
    if (gone === undefined) return this;
    return this.#holding(gone, undefined, {
      assignments: assignments.delete(id),
      pods: outOfPod(pods, gone.container),
      kinds: kindsWithout(kinds, id),
      dirty: dirty && withoutId(dirty, id),
    });
  }

  /** The same ledger; any container may have to be delivered other CPUs. */
  allDirty(): Ledger {
    return new Ledger({ ...this.#state, dirty: undefined }, this);
  }

  /** The next ledger, in which one container holds what `after` does instead of what `before` did. */
  #holding(before: Assignment | undefined, after: Assignment | undefined, changed: Partial<State>): Ledger {
    const pools = poolsAfter(this.#state, before, after);
    const next = { ...this.#state, ...changed, pools };
    if (!pools.pinned.equals(this.pinned)) return new Ledger({ ...next, dirty: undefined }, this);
    return new Ledger(pools.exclusive.equals(this.exclusive) ? next : withFollowingDirty(next), this);
  }

  /** The ledger with these assignments in place of those; `left`: the ids of those still to be delivered other CPUs. */
  withDeliveries(after: ReadonlyMap<Assignment, Assignment>, left: ReadonlySet<string>): Ledger {
    const { assignments, dirty: before } = this.#state;
    const dirty = unlessMost(left, assignments);
    if (after.size === 0 && !dirty?.size && dirty?.size === before?.size) return this; // none or all, as before
    const few = after.size * FEW < assignments.size;
    const changed = few
      ? [...after.values()].reduce((map, a) => map.set(a.container.id, a), assignments)
      : assignments.map((assignment) => after.get(assignment) ?? assignment);
    return new Ledger({ ...this.#state, assignments: changed, dirty }, this);
  }

  /** Exclusive containers that keep one of `cpus` from others, in the order of their admission. */
  holders(cpus: CpuSet): ExclusiveAssignment[] {
    if (!cpus.intersects(this.exclusive)) return [];
    const exclusive = this.those("claimants").filter(isExclusive);
    return exclusive.filter((each) => this.held(each).intersects(cpus)).sort(byOrder);
  }

  /** {@link heldIn} */
  held(assignment: Assignment): CpuSet {
    return heldIn(this.topology, assignment);
  }

  /** {@link SharedPools.desired} */
  desired(assignment: Assignment): CpuSet {
    return this.#pools.desired(assignment);
  }

  /**
   * Every online CPU on which a container's processes may be running by its own set; none where it has no process. The
   * kernel runs nothing on a CPU that is offline, and a set that names none that is online counts as all of them.
   */
  mayRunOn(assignment: Assignment): CpuSet {
    const [{ mayRunOn, delivery }, { online }] = [assignment, this.topology];
    // Where it really is nobody can change: nothing waits for that.
    if (isUnconfined(assignment)) return this.desired(assignment);
    if (isAnywhere(mayRunOn) || mayRunOn.isEmpty) return mayRunOn.isEmpty ? mayRunOn : online;
    // Of several sets that may be in force one may name none that is online.
    if (delivery.by === "record" && delivery.recordUnsure && !mayRunOn.isSubsetOf(online)) return online;
    if (mayRunOn !== this.#online[0]) {
      const left = mayRunOn.intersection(online);
      this.#online = [mayRunOn, left.isEmpty ? online : left];
    }
    return this.#online[1];
  }

  /** CPUs on which a container may be running though it shouldn't. */
  overhang(assignment: Assignment): CpuSet {
    return this.mayRunOn(assignment).difference(this.desired(assignment));
  }
}

function withFollowingDirty(state: State): State {
  const { dirty, kinds: { following }, assignments } = state;
  const all = unlessMost(following, assignments) && dirty && new Set([...dirty, ...following.keys()]);
  return { ...state, dirty: all };
}
