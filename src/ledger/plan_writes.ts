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
  const plan: Planned = { ledger, over, fences, waiting };
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
      const isNew = !cpus.isEmpty && !isIn(ledger, assignment, cpus);
      if (isNew && fences.fits(assignment, cpus)) write(assignment, cpus);
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

/** CPUs that it isn't on yet and must not get now. Where it is already it conflicts with no one anew. */
function blockedFor({ ledger, over, fences }: Planned, assignment: Assignment): CpuSet {
  const blocked = isFence(assignment)
    ? over.blockedForFence(() => fences.ownIn(assignment))
    : over.blockedFor(assignment);
  const all = assignment.grant.isEmpty ? blocked.union(fences.open(assignment)) : blocked;
  return all.difference(ledger.mayRunOn(assignment));
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

function partition<T>(all: readonly T[], is: (one: T) => boolean): [T[], T[]] {
  const { true: some = [], false: others = [] } = Object.groupBy(all, (one) => `${is(one)}`);
  return [some, others];
}

/** A ledger, and what has been planned so far. */
interface Planned {
  readonly ledger: Ledger;
  readonly over: Overhangs;
  readonly fences: PlannedFences;
  /** Those whose back-off isn't over. */
  readonly waiting: readonly Assignment[];
}

type Write = (assignment: Assignment, cpus: CpuSet) => void;

/** What waits for its fence to grow is kept where it is by its own set meanwhile, off CPUs that others wait for. */
function confine({ ledger, fences }: Planned, waiting: readonly Assignment[], write: Write): void {
  for (const assignment of waiting) {
    const isWaiting = !fences.fits(assignment, ledger.desired(assignment));
    const cpus = isWaiting ? fences.instead(assignment, ledger.desired(assignment)) : undefined;
    if (cpus !== undefined && !isGroup(assignment)) write(assignment, cpus);
  }
}

/** Those that couldn't be written. */
function exchanged(
  planned: Planned,
  exchanging: readonly Assignment[],
  write: Write,
): readonly Assignment[] {
  let rest = [...exchanging];
  while (rest.length > 0) {
    const left = rest.filter((assignment) => {
      const cpus = targetOf(planned, assignment);
      if (cpus !== undefined) write(assignment, cpus);
      return cpus === undefined;
    });
    if (left.length === rest.length) {
      const next = inCircle(planned, left);
      if (next === undefined) return left;
      write(next, planned.ledger.desired(next));
      left.splice(left.indexOf(next), 1);
    }
    rest = left;
  }
  return rest;
}

/** What can be written now; undefined where that is nothing. */
function targetOf(planned: Planned, assignment: Assignment): CpuSet | undefined {
  const { ledger, fences } = planned;
  const desired = ledger.desired(assignment);
  const blocked = blockedFor(planned, assignment);
  if (!assignment.grant.isEmpty) {
    return desired.intersects(blocked) || !fences.fits(assignment, desired) ? undefined : desired;
  }
  const some = desired.difference(blocked);
  if (!some.isEmpty && fences.fits(assignment, some)) return some;
  if (isGroup(assignment)) return fences.instead(assignment, some);
  // All of the pool, forbidden CPUs included, is better than CPUs that are another's.
  const any = fences.within(assignment, ledger.sharedPool.difference(blocked));
  return any.isEmpty || isIn(ledger, assignment, any) || !fences.fits(assignment, any) ? undefined : any;
}

/**
 * One of those that block only each other: a shared one before those with a grant, else the oldest. None where the runtime
 * moves a shared one of them: that comes after the writes.
 */
function inCircle(planned: Planned, left: readonly Assignment[]): Assignment | undefined {
  const { ledger, fences } = planned;
  const blockers = blockersOf(planned, left);
  const mayGo = new Set(blockers.keys());
  // One that is blocked from outside, or by one that isn't blocked itself, is written after that one.
  for (let before = -1; before !== mayGo.size;) {
    before = mayGo.size;
    for (const id of mayGo) {
      const others = blockers.get(id) ?? [];
      if (others.length === 0 || !others.every((other) => mayGo.has(other))) mayGo.delete(id);
    }
  }
  const [shared, granted] = partition(left, ({ grant }) => grant.isEmpty);
  const first = [...shared, ...granted].find((each) =>
    mayGo.has(each.container.id) && fences.fits(each, ledger.desired(each))
  );
  const isAfterShared = [...mayGo].some((id) => {
    const other = ledger.assignments.get(id);
    return other?.delivery.by === "record" && other.grant.isEmpty;
  });
  return first?.grant.isEmpty === false && isAfterShared ? undefined : first;
}

/**
 * By whom each of them is blocked. What the runtime delivers comes after the writes, in an order of its own: one that is
 * moved so is blocked only by those that depend on a write.
 */
function blockersOf(
  planned: Planned,
  left: readonly Assignment[],
): ReadonlyMap<string, readonly string[]> {
  const { ledger, over, fences, waiting } = planned;
  const blockers = new Map<string, readonly Assignment[]>();
  const byRecord: Assignment[] = [];
  const queue = [...left];
  for (const assignment of queue) {
    if (blockers.has(assignment.container.id)) continue;
    const gained = ledger.desired(assignment).difference(ledger.mayRunOn(assignment));
    const isBlocked = targetOf(planned, assignment) === undefined && !fences.isHeld(assignment, waiting);
    const holders = isBlocked ? fences.inTheWay(assignment, gained, over) : [];
    blockers.set(assignment.container.id, holders);
    if (assignment.delivery.by === "record") byRecord.push(assignment);
    queue.push(...holders.filter(({ delivery }) => delivery.by === "record"));
  }
  const dependent = new Set<string>();
  const isDependent = ({ delivery, container }: Assignment) =>
    delivery.by === "cgroup" || dependent.has(container.id);
  for (let before = -1; before !== dependent.size;) {
    before = dependent.size;
    for (const { container: { id } } of byRecord) {
      if (blockers.get(id)?.some(isDependent)) dependent.add(id);
    }
  }
  for (const { container: { id } } of byRecord) {
    blockers.set(id, blockers.get(id)?.filter(isDependent) ?? []);
  }
  return new Map([...blockers].map(([id, holders]) => [id, holders.map(({ container }) => container.id)]));
}
