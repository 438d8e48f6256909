/**
 * Which writes leave a container something in common with the fence around it. In cgroup v2 one that has nothing in common
 * with it runs on all of the fence, pinned CPUs included: so none is written so, nor a fence with such CPUs around it.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "./assignment.ts";
import type { Overhangs } from "./conflict.ts";
import { failureOf } from "./delivery.ts";
import { isGroup } from "./groups.ts";
import type { Ledger } from "./ledger.ts";

export class PlannedFences {
  /** What was planned so far, by id. */
  readonly #planned = new Map<string, CpuSet>();
  #tight: ReadonlySet<string> = new Set();

  constructor(private readonly ledger: Ledger) {}

  /** From now on the container, or all in the group, may be running on `cpus`. */
  deliver({ container: { id } }: Assignment, cpus: CpuSet): void {
    this.#planned.set(id, cpus);
  }

  /** Whether it may be written so now. */
  fits(assignment: Assignment, cpus: CpuSet): boolean {
    const { container: { id } } = assignment;
    if (isGroup(assignment)) {
      // Those that forbid no CPU have all but pinned ones. One with a grant may wait on whatever is shared for its own CPUs.
      const { sharedPool, dirty } = this.ledger;
      return (cpus.intersects(sharedPool) || sharedPool.isEmpty) &&
        !dirty.some((each) => this.#isLostIn(each, id, cpus));
    }
    const around = this.#around(assignment);
    return around === undefined || this.#meets(around, cpus);
  }

  /** Those of these that can't leave claimed CPUs within the fences around them show which fences have to grow for that. */
  squeezed(exchanging: readonly Assignment[]): void {
    const stuck = exchanging.filter((each) =>
      !this.fits(each, this.ledger.desired(each)) &&
      this.within(each, this.#bound(each)).intersects(this.ledger.claimed)
    );
    this.#tight = new Set(stuck.flatMap(({ fence = [] }) => fence));
  }

  isTight({ container: { id } }: Assignment): boolean {
    return this.#tight.has(id);
  }

  /** Whether a group can't become what it should be as long as these in it aren't written. */
  isHeld(group: Assignment, by: readonly Assignment[]): boolean {
    const cpus = this.ledger.desired(group);
    return by.some((each) => this.#isLostIn(each, group.container.id, cpus));
  }

  /**
   * Who has to leave CPUs before one may gain them; and where those in a group would have to go before it may become what it should
   * be.
   */
  inTheWay(assignment: Assignment, gained: CpuSet, over: Overhangs): Assignment[] {
    const cpus = this.ledger.desired(assignment);
    const lost = isGroup(assignment)
      ? this.ledger.dirty.filter((each) => this.#isLostIn(each, assignment.container.id, cpus))
      : [];
    const kept = lost.flatMap((each) => over.holdersOf(each, cpus.intersection(this.ledger.desired(each))));
    return [...over.holdersOf(assignment, gained), ...kept].map(({ holder }) => holder);
  }

  /** Where those in a fence may go by their own sets. */
  ownIn({ container: { id } }: Assignment): CpuSet {
    const members = this.ledger.assignments.values().filter(({ fence }) => fence === id);
    return CpuSet.unionOf(new Set(members.map((each) => this.#bound(each))));
  }

  /** CPUs that the fence around a container should keep it off, and doesn't yet: its own set mustn't gain them. */
  open(assignment: Assignment): CpuSet {
    const around = this.#around(assignment);
    return around === undefined ? CpuSet.empty : this.#bound(around).difference(this.ledger.desired(around));
  }

  /** What of these CPUs the fence around a container lets it have now; all, where there is none. */
  within(assignment: Assignment, cpus: CpuSet): CpuSet {
    const around = this.#around(assignment);
    return around === undefined ? cpus : cpus.intersection(this.#bound(around));
  }

  /** What of `cpus` a container, or a group with what it may gain, can be written to instead where that doesn't fit. */
  instead(assignment: Assignment, cpus: CpuSet): CpuSet | undefined {
    const bound = this.#bound(assignment);
    // A group grows first, and shrinks once those in it have gone where it has grown; a container stays where it really is.
    const other = isGroup(assignment) ? bound.union(cpus) : this.within(assignment, bound);
    return other.isEmpty || other.equals(bound) ? undefined : other;
  }

  #around({ fence }: Assignment): Assignment | undefined {
    return fence === undefined ? undefined : this.ledger.assignments.get(fence);
  }

  #bound(assignment: Assignment): CpuSet {
    return this.#planned.get(assignment.container.id) ?? this.ledger.mayRunOn(assignment);
  }

  /** It would run on all of the group then, and shouldn't, or can't leave the CPUs that it is on. */
  #isLostIn(member: Assignment, group: string, cpus: CpuSet): boolean {
    if (member.fence !== group || !member.grant.isEmpty || this.#meets(member, cpus)) return false;
    return failureOf(member) !== undefined || !cpus.isSubsetOf(this.ledger.desired(member));
  }

  #meets(assignment: Assignment, cpus: CpuSet): boolean {
    const bound = this.#bound(assignment);
    return bound.isEmpty || bound.intersects(cpus);
  }
}
