/**
 * The one rule of safety: no container is given, nor written onto, a CPU on which another may be running, unless the two
 * may share it (pinned with pinned, shared with shared).
 *
 * What containers should have never conflicts: the ledger sees to that. So all that can conflict is what they have too
 * much, their *overhang*: CPUs on which they may be running though they shouldn't.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, mayShare } from "./assignment.ts";
import { hasNoProcess, isConfirmed } from "./delivery.ts";
import { isGroup } from "./groups.ts";
import type { Ledger } from "./ledger.ts";
import { perLedger } from "./per_ledger.ts";

/** A container, and CPUs on which it may be running though it shouldn't. */
export interface Overhang {
  readonly holder: Assignment;
  readonly cpus: CpuSet;
}

export interface Overhangs {
  /** All of them. */
  readonly all: readonly Overhang[];
  /** CPUs that a container must not be written onto now: others that it mustn't share them with may be running there. */
  blockedFor(assignment: Assignment): CpuSet;
  /** CPUs that a fence must not gain now, where those in it have `own` sets that keep them off all others. */
  blockedForFence(own: () => CpuSet): CpuSet;
  /** Other containers that may be running on these CPUs, and mustn't share them with this one. */
  holdersOf(assignment: Assignment, cpus: CpuSet): Overhang[];
}

/** The overhangs of a ledger's containers. */
export const overhangsOf = perLedger((ledger): Overhangs => new PlannedOverhangs(ledger));

/** By its cgroup as last read or written another container is on these CPUs, its grant; undefined where none is. */
export function confirmedHolder(ledger: Ledger, own: Assignment, cpus = own.grant): Overhang | undefined {
  return overhangsOf(ledger).holdersOf(own, cpus).find(({ holder }) => isConfirmed(holder));
}

/** The same, after some deliveries more. */
export class PlannedOverhangs implements Overhangs {
  readonly #shared = new Map<string, Overhang>();
  readonly #granted = new Map<string, Overhang>();
  #ofShared: CpuSet | undefined;
  #ofGranted: CpuSet | undefined;
  #ofAll: CpuSet | undefined;

  constructor(private readonly ledger: Ledger) {
    let [bound, desired, cpus] = [CpuSet.empty, CpuSet.empty, CpuSet.empty];
    for (const assignment of ledger.dirty) {
      const [itsBound, itsDesired] = [ledger.mayRunOn(assignment), ledger.desired(assignment)];
      if (itsBound === itsDesired) continue;
      // Most shared containers have the same two sets.
      if (itsBound !== bound || itsDesired !== desired) {
        [bound, desired] = [itsBound, itsDesired];
        cpus = bound.difference(desired);
      }
      this.#set(assignment, cpus);
    }
  }

  get all(): Overhang[] {
    return [...this.#shared.values(), ...this.#granted.values()];
  }

  /** From now on the container may be running on `bound`. */
  deliver(holder: Assignment, bound: CpuSet): void {
    this.#set(holder, bound.difference(this.ledger.desired(holder)));
  }

  blockedFor(assignment: Assignment): CpuSet {
    // What a group gains, all that are in it may get: also one that is only kept off it by the group.
    if (isGroup(assignment)) return this.#ofAll ??= union(this.all);
    const conflicting = () =>
      [...this.#granted.values()].filter(({ holder }) => conflicts(assignment, holder));
    // For all shared containers it is the same.
    if (assignment.grant.isEmpty) return this.#ofGranted ??= union(conflicting());
    this.#ofShared ??= union(this.#shared.values());
    const own = conflicting();
    return own.length === 0 ? this.#ofShared : this.#ofShared.union(union(own));
  }

  blockedForFence(own: () => CpuSet): CpuSet {
    const all = this.#ofAll ??= union(this.all);
    if (all.isEmpty) return all;
    // What has no set of its own there, such as a pause container, is promised to be kept off exclusive containers only.
    const exclusive = union(this.all.filter(({ holder }) => holder.claim.kind === "exclusive"));
    return exclusive.union(all.intersection(own()));
  }

  holdersOf(assignment: Assignment, cpus: CpuSet): Overhang[] {
    return this.all.flatMap((each) => {
      const both = each.cpus.intersection(cpus);
      return conflicts(assignment, each.holder) && !both.isEmpty ? [{ ...each, cpus: both }] : [];
    });
  }

  #set(holder: Assignment, cpus: CpuSet): void {
    const map = holder.grant.isEmpty ? this.#shared : this.#granted;
    if (cpus.isEmpty) map.delete(holder.container.id);
    else map.set(holder.container.id, { holder, cpus });
    this.#ofAll = undefined;
    this.#ofShared = holder.grant.isEmpty ? undefined : this.#ofShared;
    this.#ofGranted = holder.grant.isEmpty ? this.#ofGranted : undefined;
  }
}

/**
 * Whether a container must stay off CPUs on which the other may be running. One with a grant and without a process is
 * verified when it starts: what it was never on it can't lose to the shared pool.
 */
function conflicts(assignment: Assignment, other: Assignment): boolean {
  if (other.container.id === assignment.container.id || mayShare(assignment, other)) return false;
  return !(assignment.grant.isEmpty && hasNoProcess(other.delivery));
}

function union(overhangs: Iterable<Overhang>): CpuSet {
  return CpuSet.unionOf(new Set([...overhangs].map(({ cpus }) => cpus)));
}
