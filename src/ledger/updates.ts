/**
 * What the runtime is to be sent: the difference between where containers may run by its record and where they should.
 * Since it is only ever derived here it can't disagree with the ledger, and nothing is sent that changes nothing. What
 * can't be sent yet stays a difference, and is sent with the next occasion.
 *
 * In the order given a CPU is given up by one container before another gets it: first those that only lose CPUs, last
 * those that only gain some. Where that order isn't enough the container is sent less, or nothing yet.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, isUnconfined } from "./assignment.ts";
import { confirmedHolder, overhangsOf } from "./conflict.ts";
import { VOID } from "./bound.ts";
import { hasNoProcess, isConfirmed, isStarting, updateSent } from "./delivery.ts";
import { isGroup } from "./groups.ts";
import type { Ledger } from "./ledger.ts";

/** One container's new CPU set. Never empty: on the NRI wire that would mean "no change". */
export interface CpuUpdate {
  readonly id: string;
  readonly cpus: CpuSet;
}

/** An update, and the container that it is for, as it was before. */
export interface PlannedUpdate extends CpuUpdate {
  readonly assignment: Assignment;
}

/** Which updates are left out. */
export interface UpdateFilter {
  /** This container: the reply has its CPUs in another place. */
  readonly id?: string;
  /** Shared containers that would only gain CPUs: that can wait, and several times of it become one. */
  readonly growth?: boolean;
  /** Containers with a grant that would go onto these CPUs: the container `id` gives them up only after all others. */
  readonly leaving?: CpuSet;
}

/** The updates, and the ledger once they are sent. */
export interface PlannedUpdates {
  readonly updates: readonly PlannedUpdate[];
  readonly ledger: Ledger;
}

/** All that the runtime is to be sent at once, by whatever way. */
export function pendingUpdates(ledger: Ledger): CpuUpdate[] {
  return planUpdates(ledger).updates.map(({ id, cpus }) => ({ id, cpus }));
}

/** Whether there is anything to be sent. */
export function hasUpdates(ledger: Ledger): boolean {
  return ledger.dirty.some((assignment) => stepFor(ledger, assignment)?.order !== undefined);
}

/** What the runtime is to be sent for the container with that id, if anything, whatever else is pending. */
export function pendingUpdateOf(ledger: Ledger, id: string): CpuUpdate | undefined {
  const assignment = ledger.assignments.get(id);
  const step = assignment && stepFor(ledger, assignment);
  return step?.order === undefined ? undefined : { id, cpus: step.cpus };
}

/** The updates that a reply carries, each container once, in the order in which the runtime has to apply them. */
export function planUpdates(ledger: Ledger, filter: UpdateFilter = {}): PlannedUpdates {
  const { dirty } = ledger;
  const groups: [UpdateStep[], UpdateStep[], UpdateStep[], UpdateStep[], UpdateStep[]] = [[], [], [], [], []];
  const left = new Set<string>();
  for (const assignment of dirty) {
    const step = stepFor(ledger, assignment);
    const isPending = step !== undefined || needsWrite(ledger, assignment);
    const isExcluded = step !== undefined && excludes(ledger, filter, step);
    const isLeft = step === undefined || step.isPartial || isExcluded || isStarting(assignment);
    // Others may not go where it may still be, though there is nothing to send to it now.
    if (isPending ? isLeft : !ledger.overhang(assignment).isEmpty) left.add(assignment.container.id);
    if (step?.order !== undefined && !isExcluded) groups[step.order].push(step);
  }
  const [losing, sharing, moving, gaining, recording] = groups;
  const updates = [losing, sharing, moving, gaining, recording].map((group) => oldestFirst(group));
  updates[2] = vacatingFirst(ledger, updates[2] ?? []);
  const sent = updates.flat();
  const after = new Map<Assignment, Assignment>();
  for (const { assignment, cpus } of sent) after.set(assignment, updateSent(assignment, cpus));
  return { updates: sent, ledger: ledger.withDeliveries(after, left) };
}

/** Whether the container's cgroup is to be written: it has other CPUs than it should. */
export function needsWrite(ledger: Ledger, assignment: Assignment): boolean {
  const { claim } = assignment;
  // Another program's.
  if (!isConfirmed(assignment) || (claim.kind === "group" && claim.keeps === "found")) return false;
  const desired = ledger.desired(assignment);
  return !desired.isEmpty && !isIn(ledger, assignment, desired);
}

/** Whether a container's bound is exactly `cpus`, by a set that names a CPU that is online. */
export function isIn(ledger: Ledger, assignment: Assignment, cpus: CpuSet): boolean {
  const bound = ledger.mayRunOn(assignment);
  if (assignment.mayRunOn === VOID) return false;
  // Where a set names none that is online the kernel has put another one in its place.
  return (bound === cpus || bound.equals(cpus)) && assignment.mayRunOn.intersects(ledger.topology.online);
}

/**
 * When an update is applied: 0, it only loses CPUs; 1, it is shared and both loses and gains some; 2, it has a grant and
 * does both, so it may go where those before it have been; 3, it only gains some; 4, only its record is behind.
 */
type Order = 0 | 1 | 2 | 3 | 4;

interface UpdateStep extends PlannedUpdate {
  /** Absent: nothing can be sent yet. */
  readonly order: Order | undefined;
  /** Some of what it should have is still to be given up by another. */
  readonly isPartial: boolean;
}

/** What brings the runtime's record of a container nearer to what it should be; undefined where it is that. */
function stepFor(ledger: Ledger, assignment: Assignment): UpdateStep | undefined {
  const { isHeld, leftover } = assignment;
  if (isGroup(assignment) || isUnconfined(assignment) || isHeld || leftover !== undefined) return undefined;
  return assignment.delivery.by === "cgroup" ? recordStep(ledger, assignment) : cpuStep(ledger, assignment);
}

/**
 * The record of a container whose cgroup is written: it has the grant too, since the runtime writes all of its record
 * with any update. A shared container has no set there, or is answered its present one with each update of its own.
 */
function recordStep(ledger: Ledger, assignment: Assignment): UpdateStep | undefined {
  const { grant, container: { id }, delivery } = assignment;
  const { record, recordUnsure } = delivery;
  if (grant.isEmpty || (isConfirmed(assignment) && !isIn(ledger, assignment, grant))) return undefined;
  const isSame = record?.intersection(ledger.topology.online).equals(grant) === true;
  // To one that starts an update is sent once; what may have been lost then is sent again when it runs.
  if (isSame && (recordUnsure === undefined || isStarting(assignment))) return undefined;
  return { id, assignment, cpus: grant, order: 4, isPartial: false };
}

function cpuStep(ledger: Ledger, assignment: Assignment): UpdateStep | undefined {
  const { container: { id }, grant, delivery } = assignment;
  const desired = ledger.desired(assignment);
  if (desired.isEmpty || isSent(ledger, assignment, desired)) return undefined;
  const cpus = allowedNow(ledger, assignment);
  const isPartial = cpus !== desired;
  const isNothing = cpus.isEmpty || isSent(ledger, assignment, cpus);
  const before = ledger.mayRunOn(assignment);
  // A record that may hold anything doesn't have to stay so for the growth delay.
  const order = orderOf(
    delivery.recordUnsure ? before.union(ledger.topology.online) : before,
    cpus,
    grant.isEmpty,
  );
  const isBlocked = isHeldInKernel(ledger, assignment);
  return {
    id,
    assignment,
    cpus,
    isPartial: isPartial || isBlocked,
    order: isNothing || isBlocked ? undefined : order,
  };
}

/** Whether nothing is to be sent for a container to have `cpus`. */
function isSent(ledger: Ledger, assignment: Assignment, cpus: CpuSet): boolean {
  const { record, recordUnsure } = assignment.delivery;
  if (isStarting(assignment) && recordUnsure) return record?.equals(cpus) === true;
  // By a reading it may be there although its record names CPUs that are all offline, or others.
  const isRecorded = record === undefined || record.intersection(ledger.topology.online).equals(cpus);
  return recordUnsure === undefined && isRecorded && isIn(ledger, assignment, cpus);
}

/**
 * CPUs that it would gain are held by a container whose cgroup hasn't been written yet, or can't be. A container without a
 * process takes its place when it starts, and is verified then.
 */
export function isHeldInKernel(ledger: Ledger, assignment: Assignment): boolean {
  if (assignment.grant.isEmpty || hasNoProcess(assignment.delivery)) return false;
  const gained = assignment.grant.difference(ledger.mayRunOn(assignment));
  return !gained.isEmpty && confirmedHolder(ledger, assignment, gained) !== undefined;
}

/**
 * What a container may have for the moment of what it should have: a shared one goes onto no CPU that a container with a
 * grant may still be on. Where nothing is left of what it should have, all of the pool is better than staying on CPUs that
 * are another's; and where that is blocked too, they change places.
 */
export function allowedNow(ledger: Ledger, assignment: Assignment): CpuSet {
  const desired = ledger.desired(assignment);
  if (!assignment.grant.isEmpty) return desired;
  const blocked = overhangsOf(ledger).blockedFor(assignment).difference(ledger.mayRunOn(assignment));
  if (blocked.isEmpty || !blocked.intersects(ledger.sharedPool)) return desired;
  const [some, any] = [desired.difference(blocked), ledger.sharedPool.difference(blocked)];
  return !some.isEmpty ? some : any.isEmpty ? desired : any;
}

function excludes(ledger: Ledger, { id, growth, leaving }: UpdateFilter, step: UpdateStep): boolean {
  const { assignment, cpus, order } = step;
  if (step.id === id) return true;
  if (growth === true && order === 3 && assignment.grant.isEmpty) return true;
  if (leaving === undefined || assignment.grant.isEmpty) return false;
  return cpus.difference(ledger.mayRunOn(assignment)).intersects(leaving);
}

function orderOf(before: CpuSet, after: CpuSet, shared: boolean): Order {
  if (after.isSubsetOf(before)) return 0;
  if (before.isSubsetOf(after)) return 3;
  return shared ? 1 : 2;
}

/** A container that moves to another's CPUs comes after that one; in a circle, where that can't be, they change places. */
function vacatingFirst(ledger: Ledger, steps: readonly UpdateStep[]): UpdateStep[] {
  const left = steps.map((step) => {
    const before = ledger.mayRunOn(step.assignment);
    return { step, gained: step.cpus.difference(before), left: before.difference(step.cpus) };
  });
  const gained = CpuSet.unionOf(left.map((each) => each.gained));
  if (!left.some((each) => each.left.intersects(gained))) return [...steps];
  const ordered: UpdateStep[] = [];
  while (left.length > 0) {
    const next = left.findIndex((one) =>
      !left.some((other) => other !== one && one.gained.intersects(other.left))
    );
    ordered.push(...left.splice(Math.max(next, 0), 1).map(({ step }) => step));
  }
  return ordered;
}

/** As a comparator would sort them, for hundreds of them in a fraction of its time. */
function oldestFirst(steps: readonly UpdateStep[]): UpdateStep[] {
  const places = new Float64Array(steps.length);
  for (const [at, { assignment: { order = 0 } }] of steps.entries()) places[at] = order * MAX_STEPS + at;
  const sorted: UpdateStep[] = [];
  for (const place of places.sort()) {
    const step = steps[place % MAX_STEPS];
    if (step !== undefined) sorted.push(step);
  }
  return sorted;
}

/** More containers than a node has, and small enough for the product with any order to be exact. */
const MAX_STEPS = 2 ** 17;
