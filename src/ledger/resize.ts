/** In-place resize: what a running container claims has changed. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { grow, shrink } from "../cpu/regrow.ts";
import { type Assignment, isExclusive, isOfPod, mayMove } from "./assignment.ts";
import type { Claim, ExclusiveClaim, SharedClaim } from "./claim.ts";
import { sameKind } from "./isolated.ts";
import type { Ledger } from "./ledger.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { candidatesFor, canKeep, closedTo, leavesEnough } from "./candidates.ts";
import { chooseBesideHeld } from "./held.ts";
import { certainIn, ownersIn, podSetOf, sized, vacated, withGrant } from "./pod_members.ts";
import { madeRoomInPod, settledPod, withPodLimit } from "./pod_set.ts";
import { requestOf, shortage, takeExclusive } from "./room.ts";
import { retryDegraded } from "./degraded.ts";

/**
 * The ledger in which the container claims `claim`: it keeps the CPUs that it has when it grows, and the best of
 * them when it shrinks. One that had CPUs for itself before it was resized into the shared pool comes back to them; if
 * they aren't free it gets others, or a refusal where it may not be moved. A refusal where there is no room; the old
 * claim stands then. `degraded`: why it is less than the pod asks for, if it is.
 */
export function resize(
  ledger: Ledger,
  assignment: Assignment,
  claim: Claim,
  degraded?: string,
): Ledger | Refusal {
  if (claim.kind === "pinned") return ledger.with({ ...assignment, claim });
  if (claim.kind === "shared") return intoPool(ledger, assignment, claim, degraded);
  if (isShared(ledger, assignment)) return resizedPod(ledger, assignment, claim);
  const { degraded: _, home, container, ...rest } = assignment;
  // What it shares with others of its pod it doesn't take along.
  const grant = isExclusive(assignment) ? assignment.grant : CpuSet.empty;
  const others = vacated(madeRoomInPod(ledger, { container, claim }), assignment);
  const set = claim.ofPod ? podSetOf(others, container) : CpuSet.empty;
  // The pod's own limit isn't checked: the runtime may still report the one from before the resize.
  const choice = set.isEmpty
    ? chooseBesideHeld(
      others,
      { container, claim },
      grant,
      (bare) => resized(bare, { ...assignment, grant }, sized(bare, { container, claim })),
    )
    : { ledger: others, cpus: set };
  if (choice === undefined) {
    const own = grant.isEmpty && home !== undefined && !mayMove(claim, assignment.affinity);
    const why = own
      ? `needs its own CPUs ${home} back (it may not be moved), and they aren't all free; `
      : "";
    return refuse(container, "unavailable", why + shortage(others, claim));
  }
  const placed = withGrant(choice.ledger, { ...rest, container, claim, grant: choice.cpus });
  const next = settledPod(placed, container);
  return choice.cpus.size < grant.size ? retryDegraded(next) : next;
}

/** Whether there are others in its pod, with whom it shares the CPUs of that. */
function isShared(ledger: Ledger, assignment: Assignment): boolean {
  const { container } = assignment;
  return isOfPod(assignment) && isExclusive(assignment) &&
    (ownersIn(ledger, container).length > 0 || certainIn(ledger, container) > 0);
}

/** The figures of a container that has its pod's are those of the pod. */
function resizedPod(ledger: Ledger, before: Assignment, { count }: ExclusiveClaim): Ledger | Refusal {
  const { container } = before;
  const next = withPodLimit(ledger, container, count);
  const { degraded } = next.assignments.get(container.id) ?? {};
  const isGrowth = isExclusive(before) && count > before.claim.count;
  return isGrowth && degraded !== undefined
    ? refuse(container, "unavailable", degraded)
    : retryDegraded(next);
}

/** Its CPUs are free for others; those come to them last as long as it lives. */
function intoPool(ledger: Ledger, assignment: Assignment, claim: SharedClaim, degraded?: string): Ledger {
  const { degraded: _, grant, ...rest } = assignment;
  const less = degraded === undefined ? {} : { degraded };
  const home = grant.isEmpty ? {} : { home: grant };
  const pooled = ledger.with({ ...rest, claim, grant: CpuSet.empty, ...home, ...less });
  return retryDegraded(settledPod(pooled, assignment.container));
}

function resized(others: Ledger, assignment: Assignment, claim: ExclusiveClaim): CpuSet | undefined {
  const { container, grant, mems, home = CpuSet.empty, affinity } = assignment;
  const free = candidatesFor(others, closedTo(others, claim), { mems, own: grant });
  if (!grant.isEmpty) return fromOwn(others, assignment, claim, free, grant);
  if (!home.isEmpty && home.isSubsetOf(free)) {
    const back = fromOwn(others, assignment, claim, free, home);
    if (back !== undefined && canKeep(others, { container, claim }, back)) return back;
  }
  const isFree = home.isEmpty || mayMove(claim, affinity);
  return isFree ? takeExclusive(others, container, claim, free, home) : undefined;
}

/** All of `own` and more, or some of them. */
function fromOwn(
  others: Ledger,
  { container }: Assignment,
  claim: ExclusiveClaim,
  free: CpuSet,
  own: CpuSet,
): CpuSet | undefined {
  const { topology, claimed } = others;
  const { count, placement } = claim;
  if (count <= own.size) return shrink({ topology, claimed, own, count, placement });
  const cpus = grow({ ...requestOf(others, container, claim, sameKind(others, own, free.union(own))), own });
  return cpus !== undefined && leavesEnough(others, claim, cpus) ? cpus : undefined;
}
