/**
 * Which cgroups are to be written, and in which order: so that by the rule of `conflict.ts` no container is written
 * onto a CPU on which another may still be running, as long as every write before it has succeeded.
 *
 *  1. Containers that only lose CPUs.
 *  2. Those that lose some and gain some, as soon as no other is left on what they gain. A shared container takes what it
 *     can get at once; one with a grant is written when all of it is free.
 *  3. Those that only gain CPUs.
 *
 * Two that are on each other's CPUs, with nothing else to go to, change places: one is written first all the same.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, byOrder } from "./assignment.ts";
import { type Overhangs, PlannedOverhangs } from "./conflict.ts";
import { failureOf, observe, written } from "./delivery.ts";
import { blockedFor, confine, exchanged, partition, type Planned, type Write } from "./exchange.ts";
import { isFence, isGroup, membersWithin } from "./groups.ts";
import type { Ledger } from "./ledger.ts";
import { perLedger } from "./per_ledger.ts";
import { PlannedFences } from "./planned_fences.ts";
import { isIn, needsWrite } from "./updates.ts";

export interface PlannedWrite {
  readonly assignment: Assignment;
  /** At least one. */
  readonly cpus: CpuSet;
  /** Of a group in cgroup v1: the containers in it, which have writes of their own. */
  readonly keeps?: ReadonlySet<string>;
}

/**
 * Which writes: those by which CPUs are given up or exchanged, also of containers that are `retried` before the end of
 * their back-off, and the growth of one container, of the fence around it and of groups that are none; or all that are due.
 */
export type WriteScope = Losses | { readonly kind: "due"; readonly now: number };

interface Losses {
  readonly kind: "losses";
  readonly retried?: ReadonlySet<string>;
  readonly grows?: string;
}

/** All writes that can be made at once, without waiting for the end of a back-off, in their order. */
export const dueWrites = perLedger((ledger): readonly PlannedWrite[] =>
  planned(ledger, { kind: "due", now: -Infinity })
);

/** The writes, in their order. */
export function planWrites(ledger: Ledger, scope: WriteScope): readonly PlannedWrite[] {
  return scope.kind === "due" && ledger.failed.length === 0 ? dueWrites(ledger) : planned(ledger, scope);
}

function planned(ledger: Ledger, scope: WriteScope): PlannedWrite[] {
  const candidates = ledger.dirty.filter((assignment) => needsWrite(ledger, assignment));
  if (candidates.length === 0) return [];
  const over = new PlannedOverhangs(ledger);
  const fences = new PlannedFences(ledger);
  const writes: PlannedWrite[] = [];
  const write: Write = (assignment, cpus) => {
    writes.push({ assignment, cpus, ...membersOf(ledger, assignment) });
    over.deliver(assignment, cpus);
    fences.deliver(assignment, cpus);
  };
  const [due, waiting] = partition(candidates, (assignment) => isDue(ledger, assignment, scope));
  const { losing, exchanging, gaining } = bySteps(ledger, due);
  const plan: Planned = { ledger, over, fences, waiting, gaining };
  const [groups, gainers] = partition(gaining, isGroup);
  // What is in a group that is no fence has a set of its own, which has to lie within it.
  const left = groups.filter((group) => isFence(group) || !grow(plan, group, scope, write));
  for (const assignment of losing) {
    const cpus = lostTo(ledger, over, assignment, scope);
    if (fences.fits(assignment, cpus)) write(assignment, cpus);
    else exchanging.push(assignment);
  }
  if (scope.kind === "losses") {
    for (const assignment of waiting) {
      const cpus = losableBy(ledger, assignment);
      const isLess = !cpus.isEmpty && !cpus.equals(ledger.mayRunOn(assignment));
      if (isLess && fences.fits(assignment, cpus)) write(assignment, cpus);
    }
  }
  fences.squeezed(exchanging);
  const later = left.filter((group) => !grow(plan, group, scope, write));
  const rest = exchanged(plan, exchanging, write);
  // What others have left by now a fence may gain for the container that grows in it.
  const groupsWritten = exchanging.filter((each) => isGroup(each) && !rest.includes(each));
  const again = scope.kind === "losses" ? groupsWritten : [];
  for (const group of [...again, ...later]) grow(plan, group, scope, write);
  confine(plan, exchanged(plan, rest, write), write);
  for (const assignment of gainers) grow(plan, assignment, scope, write);
  return writes;
}

function membersOf(ledger: Ledger, group: Assignment): Pick<PlannedWrite, "keeps"> {
  const keeps = isGroup(group) ? membersWithin(ledger).get(group.container.id) : undefined;
  return keeps === undefined ? {} : { keeps };
}

/** Whether it is written now. */
function grow(plan: Planned, assignment: Assignment, scope: WriteScope, write: Write): boolean {
  const { ledger, fences } = plan;
  if (scope.kind === "losses" && !mayGrow(plan, scope, assignment)) return false;
  const cpus = ledger.desired(assignment).difference(blockedFor(plan, assignment));
  const isWhole = assignment.grant.isEmpty || cpus.equals(assignment.grant);
  const isWritten = isWhole && !isIn(ledger, assignment, cpus) && fences.fits(assignment, cpus);
  if (isWritten) write(assignment, cpus);
  return isWritten;
}

/** The ledger once these were written and read back. A failure is over once the container has all that it should have. */
export function afterWrites(ledger: Ledger, writes: readonly PlannedWrite[]): Ledger {
  return ledger.updateAll(
    new Map(writes.map(({ assignment: { container: { id } }, cpus }) => [
      id,
      (assignment: Assignment) =>
        (cpus.equals(ledger.desired(assignment)) ? written : observe)(assignment, cpus),
    ])),
  );
}

function mayGrow({ ledger, fences }: Planned, { grows = "" }: Losses, assignment: Assignment): boolean {
  const { container: { id } } = assignment;
  if (fences.isTight(assignment)) return true;
  if (isGroup(assignment) && !isFence(assignment)) return failureOf(assignment) === undefined;
  return id === grows || id === ledger.assignments.get(grows)?.fence;
}

/** One that starts can be kept off CPUs on which it has been inherited only; it gets them when the others have left. */
function lostTo(ledger: Ledger, over: Overhangs, assignment: Assignment, scope: WriteScope): CpuSet {
  const desired = ledger.desired(assignment);
  if (scope.kind !== "losses" || scope.grows !== assignment.container.id || !assignment.grant.isEmpty) {
    return desired;
  }
  const free = desired.difference(over.blockedFor(assignment));
  return free.isEmpty ? desired : free;
}

function isDue(ledger: Ledger, assignment: Assignment, scope: WriteScope): boolean {
  const failure = failureOf(assignment);
  if (failure === undefined) return true;
  if (scope.kind === "due") return failure.retryAt <= scope.now;
  // No claim depends on a group that keeps nothing.
  if (assignment.claim.kind === "group" && assignment.claim.keeps === "online") return false;
  // What failed is none of what it has to give up now.
  return scope.retried?.has(assignment.container.id) || !failure.cpus.intersects(ledger.overhang(assignment));
}

function bySteps(ledger: Ledger, candidates: readonly Assignment[]) {
  const losing: Assignment[] = [];
  const exchanging: Assignment[] = [];
  const gaining: Assignment[] = [];
  for (const assignment of candidates) {
    const [bound, desired] = [ledger.mayRunOn(assignment), ledger.desired(assignment)];
    if (desired.isSubsetOf(bound)) losing.push(assignment);
    else (bound.isSubsetOf(desired) ? gaining : exchanging).push(assignment);
  }
  // Containers that aren't behind a fence leave exclusive CPUs before those that are.
  const [fences, losers] = partition(losing, isGroup);
  return { losing: [...losers, ...fences], exchanging: exchanging.sort(byOrder), gaining };
}

/** What is left of a container's CPUs without those that it has to give up, but with those that it couldn't be made to. */
function losableBy(ledger: Ledger, assignment: Assignment): CpuSet {
  const kept = failureOf(assignment)?.cpus ?? CpuSet.empty;
  return ledger.mayRunOn(assignment).intersection(ledger.desired(assignment).union(kept));
}
