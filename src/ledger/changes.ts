/**
 * What has to be told to the runtime: the difference between what its record holds and what the
 * ledger says. Since updates are only ever derived here, they can't disagree with the ledger, and
 * nothing is sent that changes nothing. What no reply could carry yet (a container removed without a
 * stop, say) stays a difference and rides in the next reply that can.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment, Ledger } from "./ledger.ts";

/** One container's new CPU set. Never empty: on the NRI wire that would mean "no change". */
export interface Change {
  readonly id: string;
  readonly cpus: CpuSet;
}

/**
 * Every container but `except` whose record differs from the ledger, each once. Those that only lose
 * CPUs come first and those that only gain come last, so that in the order given a CPU is left by one
 * container before another gets it. Where that order isn't enough it waits: CPUs that a pinned or exclusive
 * container is only now leaving go to the shared ones with a later reply.
 */
export function changes(ledger: Ledger, except?: string): Change[] {
  const groups: [Change[], Change[], Change[]] = [[], [], []];
  const { online } = ledger.topology;
  const vacating = vacatingIn(ledger);
  for (const assignment of ledger.assignments.values()) {
    if (assignment.container.id === except) continue;
    const before = assignment.record ?? online;
    const wanted = ledger.effective(assignment);
    const cpus = assignment.grant.isEmpty ? wanted.difference(vacating.difference(before)) : wanted;
    if (cpus.isEmpty || cpus.equals(before)) continue;
    groups[phaseOf(before, cpus)].push({ id: assignment.container.id, cpus });
  }
  return groups.flat();
}

/** CPUs on which a pinned or exclusive container runs that it should leave. */
function vacatingIn(ledger: Ledger): CpuSet {
  const left: CpuSet[] = [];
  for (const { grant, record } of ledger.assignments.values()) {
    if (!grant.isEmpty && record !== undefined) left.push(record.difference(grant));
  }
  return CpuSet.unionOf(left);
}

function phaseOf(before: CpuSet, after: CpuSet): 0 | 1 | 2 {
  if (after.isSubsetOf(before)) return 0;
  return before.isSubsetOf(after) ? 2 : 1;
}

/**
 * The ledger once `sent` is on its way: the runtime applies what a reply carries and reports no failure. To a
 * container that is only starting it may not come: that stays owed.
 */
export function assume(ledger: Ledger, sent: readonly Change[]): Ledger {
  const told: Assignment[] = [];
  for (const { id, cpus } of sent) {
    const assignment = ledger.assignments.get(id);
    if (assignment !== undefined && !assignment.starting) told.push({ ...assignment, record: cpus });
  }
  return ledger.withAll(told);
}
