/** In-place resize: what a running container claims has changed. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { grow, shrink } from "../cpu/regrow.ts";
import { type Assignment, mayMove } from "./assignment.ts";
import type { Claim, ExclusiveClaim, SharedClaim } from "./claim.ts";
import { sameKind } from "./isolated.ts";
import type { Ledger } from "./ledger.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { candidatesFor, canKeep, closedTo, leavesEnough } from "./candidates.ts";
import { chooseBesideHeld } from "./held.ts";
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
  const { container, grant, affinity } = assignment;
  if (claim.kind === "shared") return intoPool(ledger, assignment, claim, degraded);
  const { degraded: _, home, ...rest } = assignment;
  const others = ledger.without(container.id);
  // The pod's own limit isn't checked: the runtime may still report the one from before the resize.
  const choice = chooseBesideHeld(
    others,
    { container, claim },
    grant,
    (ledger) => resized(ledger, assignment, claim),
  );
  if (choice === undefined) {
    const own = grant.isEmpty && home !== undefined && !mayMove(claim, affinity);
    const why = own
      ? `needs its own CPUs ${home} back (it may not be moved), and they aren't all free; `
      : "";
    return refuse(container, "unavailable", why + shortage(others, claim));
  }
  const next = choice.ledger.with({ ...rest, claim, grant: choice.cpus });
  return choice.cpus.size < grant.size ? retryDegraded(next) : next;
}

/** Its CPUs are free for others; those come to them last as long as it lives. */
function intoPool(ledger: Ledger, assignment: Assignment, claim: SharedClaim, degraded?: string): Ledger {
  const { degraded: _, grant, ...rest } = assignment;
  const less = degraded === undefined ? {} : { degraded };
  const home = grant.isEmpty ? {} : { home: grant };
  return retryDegraded(ledger.with({ ...rest, claim, grant: CpuSet.empty, ...home, ...less }));
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
