/**
 * What has to be told: the difference between what the kernel was last seen to have, or where it can't be seen what the
 * runtime's record holds, and what the ledger says. Since it is only ever derived here, it can't disagree with the
 * ledger, and nothing is told that changes nothing. What could not be told yet stays a difference, and is told with the
 * next occasion.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import {
  type Assignment,
  byOrder,
  confirmedSet,
  isSetAtStart,
  recordLags,
  withRecord,
  withUpdate,
} from "./assignment.ts";
import type { Ledger } from "./ledger.ts";

/** One container's new CPU set. Never empty: on the NRI wire that would mean "no change". */
export interface CpuUpdate {
  readonly id: string;
  readonly cpus: CpuSet;
}

/** What is left out of the changes. */
export interface UpdateFilter {
  /** This container: the reply says what becomes of it in another place. */
  readonly id?: string;
  /** Shared containers that would only gain CPUs: that can wait, and several times of it become one. */
  readonly growth?: boolean;
  /** Containers that would move onto these CPUs: somebody is told to leave them only after all others. */
  readonly leaving?: CpuSet;
  /** Containers whose set is written in the kernel, but for `id`: all of them, or those that would only gain CPUs. */
  readonly kernel?: "none" | "losses";
}

/** A change that is on its way, and whom it is about, as that was before. */
export interface PlannedUpdate extends CpuUpdate {
  readonly assignment: Assignment;
  /** It is written in the kernel. */
  readonly inKernel: boolean;
  /** It gives up no CPU. */
  readonly onlyGains: boolean;
}

/** The changes, and the ledger once they are on their way. */
export interface PlannedUpdates {
  readonly updates: readonly PlannedUpdate[];
  readonly ledger: Ledger;
}

/** What the runtime is to be told: see {@link planUpdates}, and {@link planRecordUpdates}. */
export function pendingUpdates(ledger: Ledger): CpuUpdate[] {
  const told = planUpdates(ledger, { kernel: "none" });
  return [...told.updates, ...planRecordUpdates(told.ledger).updates].map(({ id, cpus }) => ({ id, cpus }));
}

/** The ledger once a container was told these CPUs, whatever it should have. */
export function recordUpdate(ledger: Ledger, { id, cpus }: CpuUpdate): Ledger {
  const assignment = ledger.assignments.get(id);
  return assignment === undefined ? ledger : ledger.with(withRecord(assignment, cpus));
}

/** Who has its CPUs in the kernel and others in the runtime's record, and the ledger once that was sent. */
export function planRecordUpdates(ledger: Ledger): PlannedUpdates {
  const { online } = ledger.topology;
  const lagging = ledger.dirty.filter((assignment) => recordLags(assignment, online)).sort(byOrder);
  const sent = lagging.map((assignment) => ({
    id: assignment.container.id,
    cpus: assignment.grant,
    assignment,
    inKernel: false,
    onlyGains: false,
  }));
  return { updates: sent, ledger: sent.reduce(recordUpdate, ledger) };
}

/**
 * Every container that should be told, each once. Those that only lose CPUs come first and those
 * that only gain come last, so that in the order given a CPU is left by one container before another gets it.
 * Where that order isn't enough it waits: CPUs that a pinned or exclusive container is only now leaving go to the
 * shared ones with a later reply.
 *
 * The runtime applies what a reply carries and reports no failure, so it is taken for done; except to a container
 * that is only starting, where it may be lost: that stays owed. What is written in the kernel is taken for done here
 * too: whoever writes it adopts the ledger only when it is.
 */
export function planUpdates(ledger: Ledger, except: UpdateFilter = {}): PlannedUpdates {
  const { dirty: candidates, topology: { online } } = ledger;
  const vacating = vacatedBy(ledger, candidates);
  const groups: [UpdateStep[], UpdateStep[], UpdateStep[], UpdateStep[]] = [[], [], [], []];
  const left = new Set<string>();
  for (const assignment of candidates) {
    const { id } = assignment.container;
    const whole = stepFor(ledger, assignment, vacating);
    const move = whole && except.kernel === "losses" ? withoutFailed(ledger, whole) : whole;
    if (move === undefined) {
      if (recordLags(assignment, online)) left.add(id);
      continue;
    }
    const held = isExcluded(ledger, move, except);
    if (move.isPartial || assignment.starting || held || (move.inKernel && !assignment.grant.isEmpty)) {
      left.add(id);
    }
    if (move.order !== undefined && !held) groups[move.order].push(move);
  }
  const [losing, sharing, moving, gaining] = groups.map(oldestFirst);
  const sent = [...losing ?? [], ...sharing ?? [], ...vacatingFirst(ledger, moving ?? []), ...gaining ?? []];
  const after = new Map<Assignment, Assignment>();
  for (const { assignment, cpus } of sent) after.set(assignment, withUpdate(assignment, cpus));
  return { updates: sent, ledger: ledger.withUpdates(after, left) };
}

/**
 * Without taking what can't be taken, which is nobody's fault who wants other CPUs; that is tried again at another time.
 */
function withoutFailed(ledger: Ledger, move: UpdateStep): UpdateStep {
  const stuck = move.inKernel ? ledger.writeFailures.get(move.id) : undefined;
  if (stuck === undefined) return move;
  const now = ledger.observed(move.assignment);
  const cpus = move.cpus.union(stuck.cpus.intersection(now));
  const phase = cpus.equals(now) ? undefined : orderOf(now, cpus, move.assignment.grant.isEmpty);
  return { ...move, cpus, isPartial: true, order: phase, onlyGains: phase === 3 };
}

function isExcluded(
  ledger: Ledger,
  move: UpdateStep,
  { id, growth, leaving, kernel }: UpdateFilter,
): boolean {
  const { assignment, inKernel, onlyGains } = move;
  if (inKernel) return move.id !== id && (kernel === "none" || (kernel === "losses" && onlyGains));
  return move.id === id || (growth === true && onlyGains && assignment.grant.isEmpty) ||
    (leaving !== undefined && goesOnto(ledger, move, leaving));
}

/** What the runtime is to be told of the container with that id, whatever else is. */
export function pendingUpdateOf(ledger: Ledger, id: string): CpuUpdate | undefined {
  const assignment = ledger.assignments.get(id);
  if (assignment === undefined) return undefined;
  if (confirmedSet(assignment) !== undefined) {
    return recordLags(assignment, ledger.topology.online) ? { id, cpus: assignment.grant } : undefined;
  }
  const move = stepFor(ledger, assignment, vacatedBy(ledger, ledger.dirty));
  return move?.order === undefined ? undefined : { id, cpus: move.cpus };
}

/**
 * When a container is told: 0, it only loses CPUs; 1, it is shared and both loses and gains; 2, it has a grant and does
 * both, so it may go where those before it have left; 3, it only gains.
 */
type StepOrder = 0 | 1 | 2 | 3;

/** What a container may have for the moment of what it should have. */
export function allowedNow(ledger: Ledger, assignment: Assignment): CpuSet {
  return within(ledger, assignment, mayRunOn(ledger, assignment), vacatedBy(ledger, ledger.dirty));
}

interface UpdateStep extends PlannedUpdate {
  /** Absent: nothing can be said yet. */
  readonly order: StepOrder | undefined;
  /** Some of what it should have is still to be left by somebody. */
  readonly isPartial: boolean;
}

/** What brings a container's record nearer to what it should be; undefined where it is that. */
function stepFor(ledger: Ledger, assignment: Assignment, vacating: CpuSet): UpdateStep | undefined {
  const { grant } = assignment;
  if (isSetAtStart(assignment)) return undefined;
  const wanted = ledger.desired(assignment);
  if (wanted.isEmpty || isUpToDate(ledger, assignment, wanted)) return undefined;
  const before = mayRunOn(ledger, assignment);
  const cpus = within(ledger, assignment, before, vacating);
  const later = cpus !== wanted;
  const none = cpus.isEmpty || isUpToDate(ledger, assignment, cpus);
  const phase = orderOf(before, cpus, grant.isEmpty);
  return {
    id: assignment.container.id,
    assignment,
    cpus,
    isPartial: later,
    inKernel: confirmedSet(assignment) !== undefined,
    onlyGains: phase === 3,
    order: none ? undefined : phase,
  };
}

/**
 * Whether nothing has to be said for a container to have `cpus`. To one that starts something is said once; what may
 * have been lost then is said again when it runs.
 */
function isUpToDate(ledger: Ledger, assignment: Assignment, cpus: CpuSet): boolean {
  const { starting, unacknowledged } = assignment;
  if (unacknowledged !== undefined && confirmedSet(assignment) === undefined) {
    return starting === true && unacknowledged.equals(cpus);
  }
  const now = ledger.observed(assignment);
  if (now !== cpus && !now.equals(cpus)) return false;
  // Where a set names none that is online the kernel has put another one in its place.
  return (confirmedSet(assignment) ?? assignment.record)?.intersects(ledger.topology.online) ?? true;
}

/** All CPUs on which a container may be running by what is known. */
function mayRunOn(ledger: Ledger, assignment: Assignment): CpuSet {
  const now = ledger.observed(assignment);
  const { unacknowledged } = assignment;
  return unacknowledged === undefined || confirmedSet(assignment) !== undefined
    ? now
    : now.union(unacknowledged);
}

/**
 * What a container may have for the moment: a shared one goes onto no CPU that a pinned or exclusive one is only now
 * leaving. Where nothing is left of what it should have, all of the pool is better than staying on CPUs that others
 * have got; and where that is taboo too, they change places.
 */
function within(ledger: Ledger, assignment: Assignment, before: CpuSet, vacating: CpuSet): CpuSet {
  const { sharedPool } = ledger;
  const wanted = ledger.desired(assignment);
  const taboo = vacating.difference(before);
  if (!assignment.grant.isEmpty || taboo.isEmpty) return wanted;
  const [some, any] = [wanted.difference(taboo), sharedPool.difference(taboo)];
  return !some.isEmpty ? some : any.isEmpty ? wanted : any;
}

/** CPUs on which a pinned or exclusive container runs that it should leave. */
function vacatedBy(ledger: Ledger, candidates: readonly Assignment[]): CpuSet {
  const left: CpuSet[] = [];
  for (const assignment of candidates) {
    const { grant, kernel } = assignment;
    const known = confirmedSet(assignment) ?? assignment.record;
    // One that gets its set when it starts doesn't run before.
    if (grant.isEmpty || kernel === "at-start" || known === undefined || known === grant) continue;
    left.push(mayRunOn(ledger, assignment).difference(grant));
  }
  return left.length === 0 ? CpuSet.empty : CpuSet.unionOf(left);
}

function orderOf(before: CpuSet, after: CpuSet, shared: boolean): StepOrder {
  if (after.isSubsetOf(before)) return 0;
  if (before.isSubsetOf(after)) return 3;
  return shared ? 1 : 2;
}

/** A shared container that goes there has nowhere else to go, see {@link within}. */
function goesOnto(ledger: Ledger, { assignment, cpus }: UpdateStep, leaving: CpuSet): boolean {
  return !assignment.grant.isEmpty && cpus.difference(mayRunOn(ledger, assignment)).intersects(leaving);
}

/** Who goes where another of them is comes after that one; in a circle, where that can't be, they change places. */
function vacatingFirst(ledger: Ledger, moves: readonly UpdateStep[]): UpdateStep[] {
  const left = moves.map((move) => {
    const before = mayRunOn(ledger, move.assignment);
    return { move, gained: move.cpus.difference(before), left: before.difference(move.cpus) };
  });
  const gained = CpuSet.unionOf(left.map((each) => each.gained));
  if (!left.some((each) => each.left.intersects(gained))) return [...moves];
  const ordered: UpdateStep[] = [];
  while (left.length > 0) {
    const next = left.findIndex((one) =>
      !left.some((other) => other !== one && one.gained.intersects(other.left))
    );
    ordered.push(...left.splice(Math.max(next, 0), 1).map(({ move }) => move));
  }
  return ordered;
}

/** As a comparator would sort them, for hundreds of them in a fraction of its time. */
function oldestFirst(moves: readonly UpdateStep[]): UpdateStep[] {
  const places = Float64Array.from(moves, ({ assignment: { order = 0 } }, at) => order * MAX_MOVES + at)
    .sort();
  return Array.from(places, (place) => moves[place % MAX_MOVES]).filter((move) => move !== undefined);
}

/** More containers than a node has, and small enough for the product with any order to be exact. */
const MAX_MOVES = 2 ** 17;
