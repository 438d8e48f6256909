/**
 * Moving exclusive containers out of the way of a pinned one, unless they pin their own threads. A move takes only CPUs that aren't claimed now, or
 * the container's own: so no move depends on another, and there are no chains and no cycles.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import { countProblem } from "../cpu/footprint.ts";
import { retake } from "../cpu/retake.ts";
import { type Displaced, type ExclusiveAssignment, isExclusive, isOfPod, mayMove } from "./assignment.ts";
import { describe } from "./claim.ts";
import { contestedCpus } from "./contested.ts";
import { largestKind, ofOneKind } from "./isolated.ts";
import type { Ledger } from "./ledger.ts";
import { countFree } from "./refusal.ts";
import { candidatesFor, canKeep, closedTo } from "./candidates.ts";
import { ownersIn, sized, withGrant } from "./pod_members.ts";
import { requestOf } from "./room.ts";

/** The ledger in which no exclusive container is left on the named CPUs, and those that were moved for that. */
export interface Moved {
  readonly next: Ledger;
  readonly displaced: readonly Displaced[];
}

const CANNOT = "cannot reallocate it:";
const PINS_ITSELF = ': it pins its own threads (weka.io/movable: "true" allows it)';

/** Moves every exclusive holder off `named`; a clause with the container that can't be moved and why, where one can't. */
export function moveAway(ledger: Ledger, named: CpuSet): Moved | string {
  const holders = ledger.holders(named);
  const fixed = holders.find(({ claim, affinity }) => !mayMove(claim, affinity));
  if (fixed !== undefined) {
    const why = fixed.claim.movable === undefined ? PINS_ITSELF : "";
    return `${heldBy(ledger, named, fixed)}; ${CANNOT} it may not be moved${why}`;
  }
  // Those that share CPUs are moved as one.
  const moving = holders.filter((holder) =>
    !isOfPod(holder) || !ownersIn(ledger, holder.container).some((other) => isBefore(holders, other, holder))
  );
  let next = ledger;
  for (let rest = moving; rest.length > 0;) {
    const holder = mostConstrained(ledger, next, named, rest);
    const grant = placeFor(ledger, next, named, holder);
    if (grant === undefined) return shortage(ledger, next, named, holder);
    const { degraded: _, ...whole } = holder;
    next = withGrant(next, { ...whole, grant });
    rest = rest.filter((other) => other !== holder);
  }
  return { next, displaced: moving.map(({ container, grant }) => ({ id: container.id, from: grant })) };
}

/**
 * The ledger after a creation that failed before it started: those who were moved for it go back, if what they had
 * is still free.
 */
export function moveBack(ledger: Ledger, displaced: readonly Displaced[]): Ledger {
  return displaced.reduce((next, { id, from }) => {
    const holder = next.assignments.get(id);
    const fits = holder !== undefined && isExclusive(holder) && holder.grant.size === from.size &&
      mayMoveAll(next, holder) && canKeep(next, holder, from);
    return fits ? withGrant(next, { ...holder, grant: from }) : next;
  }, ledger);
}

/** Whether it may be moved, with all that share its CPUs. */
function mayMoveAll(ledger: Ledger, holder: ExclusiveAssignment): boolean {
  const all = isOfPod(holder) ? [holder, ...ownersIn(ledger, holder.container)] : [holder];
  return all.every(({ claim, affinity }) => mayMove(claim, affinity));
}

function isBefore<T>(all: readonly T[], one: T, other: T): boolean {
  return all.includes(one) && all.indexOf(one) < all.indexOf(other);
}

/** CPUs that `holder` may be moved to; `before` is the ledger before any move. */
function openTo(before: Ledger, next: Ledger, named: CpuSet, holder: ExclusiveAssignment): CpuSet {
  const { mems } = holder;
  const claim = sized(before, holder);
  const own = before.held(holder);
  const taken = next.claimed.difference(own).union(named);
  return candidatesFor(before, closedTo(before, claim), { mems, own, taken }).difference(
    contestedCpus(before),
  );
}

/** The one with the least to choose from goes first: it has the most to lose by another's choice. */
function mostConstrained(
  before: Ledger,
  next: Ledger,
  named: CpuSet,
  holders: readonly ExclusiveAssignment[],
): ExclusiveAssignment {
  const slack = (holder: ExclusiveAssignment) =>
    openTo(before, next, named, holder).size - sized(before, holder).count;
  return holders.reduce((best, holder) => slack(holder) < slack(best) ? holder : best);
}

function placeFor(
  before: Ledger,
  next: Ledger,
  named: CpuSet,
  holder: ExclusiveAssignment,
): CpuSet | undefined {
  const free = openTo(before, next, named, holder);
  const claimed = next.claimed.difference(before.held(holder)).union(named);
  return ofOneKind(before, free, holder.grant, (free) => {
    const own = holder.grant.intersection(free);
    const request = requestOf(before, holder.container, sized(before, holder), free);
    return retake({ ...request, claimed, own, home: holder.grant });
  });
}

function shortage(before: Ledger, next: Ledger, named: CpuSet, holder: ExclusiveAssignment): string {
  const { count, placement } = sized(before, holder);
  const needs = `${CANNOT} moving it needs ${count} ${count === 1 ? "CPU" : "CPUs"}`;
  const free = largestKind(before, openTo(before, next, named, holder));
  const why = countProblem(before.topology, placement, count, free) ?? countFree(free.size);
  return `${heldBy(before, named, holder)}; ${needs}, ${why}`;
}

function heldBy(before: Ledger, named: CpuSet, holder: ExclusiveAssignment): string {
  const { container } = holder;
  const theirs = named.intersection(before.held(holder));
  return `${theirs} ${theirs.size === 1 ? "is" : "are"} held exclusively by ${describe(container)}`;
}
