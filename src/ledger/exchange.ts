/**
 * Writes by which containers and groups leave some CPUs and get others: each as soon as no other is left on what it gains.
 * See plan_writes.ts.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "./assignment.ts";
import type { Overhangs } from "./conflict.ts";
import { isFence, isGroup } from "./groups.ts";
import type { Ledger } from "./ledger.ts";
import type { PlannedFences } from "./planned_fences.ts";
import { isIn } from "./updates.ts";

/** A ledger, and what has been planned so far. */
export interface Planned {
  readonly ledger: Ledger;
  readonly over: Overhangs;
  readonly fences: PlannedFences;
  /** Those whose back-off isn't over. */
  readonly waiting: readonly Assignment[];
  /** Those that only gain CPUs. */
  readonly gaining: readonly Assignment[];
}

export type Write = (assignment: Assignment, cpus: CpuSet) => void;

/** What waits for its fence to grow is kept where it is by its own set meanwhile, off CPUs that others wait for. */
export function confine({ ledger, fences }: Planned, waiting: readonly Assignment[], write: Write): void {
  for (const assignment of waiting) {
    const isWaiting = !fences.fits(assignment, ledger.desired(assignment));
    const cpus = isWaiting ? fences.instead(assignment, ledger.desired(assignment)) : undefined;
    if (cpus !== undefined && !isGroup(assignment)) write(assignment, cpus);
  }
}

/** Those that couldn't be written. */
export function exchanged(
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
    if (left.length === rest.length && !growsFirst(planned, left, write)) {
      const next = inCircle(planned, left);
      if (next === undefined) return left;
      write(next, planned.ledger.desired(next));
      left.splice(left.indexOf(next), 1);
    }
    rest = left;
  }
  return rest;
}

/**
 * Whether one was written that would have nothing in common with its group once that shrinks, so that it waits: it gets what it
 * can of what the group is to have.
 */
function growsFirst(planned: Planned, left: readonly Assignment[], write: Write): boolean {
  const { ledger, fences, gaining } = planned;
  for (const group of left.filter(isGroup)) {
    for (const each of gaining) {
      const cpus = fences.isHeld(group, [each]) ? targetOf(planned, each) : undefined;
      if (!cpus?.intersects(ledger.desired(group))) continue;
      write(each, cpus);
      return true;
    }
  }
  return false;
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

/** CPUs that it isn't on yet and must not get now. Where it is already it conflicts with no one anew. */
export function blockedFor({ ledger, over, fences }: Planned, assignment: Assignment): CpuSet {
  const blocked = isFence(assignment)
    ? over.blockedForFence(() => fences.ownIn(assignment))
    : over.blockedFor(assignment);
  const all = assignment.grant.isEmpty ? blocked.union(fences.open(assignment)) : blocked;
  return all.difference(ledger.mayRunOn(assignment));
}

export function partition<T>(all: readonly T[], is: (one: T) => boolean): [T[], T[]] {
  const { true: some = [], false: others = [] } = Object.groupBy(all, (one) => `${is(one)}`);
  return [some, others];
}
