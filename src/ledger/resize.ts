/** In-place resize: what a running container claims has changed. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { grow, shrink } from "../cpu/regrow.ts";
import type { Assignment } from "./assignment.ts";
import type { Claim, ExclusiveClaim } from "./claim.ts";
import type { Ledger } from "./ledger.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { candidatesFor, leavesEnough } from "./candidates.ts";
import { requestOf, shortage, takeExclusive } from "./room.ts";
import { retryDegraded } from "./degraded.ts";

/**
 * The ledger in which the container claims `claim`: it keeps the CPUs that it has when it grows, and the best of
 * them when it shrinks. A refusal where there is no room; the old claim stands then. `degraded`: why it is less than
 * the pod asks for, if it is.
 */
export function resize(
  ledger: Ledger,
  assignment: Assignment,
  claim: Claim,
  degraded?: string,
): Ledger | Refusal {
  const { degraded: _, ...rest } = assignment;
  if (claim.kind === "pinned") return ledger.with({ ...assignment, claim });
  if (claim.kind === "shared") {
    const less = degraded === undefined ? {} : { degraded };
    return retryDegraded(ledger.with({ ...rest, claim, grant: CpuSet.empty, ...less }));
  }
  const { container, grant } = assignment;
  const others = ledger.without(container.id);
  // The pod's own limit isn't checked: the runtime may still report the one from before the resize.
  const cpus = resized(others, assignment, claim);
  if (cpus === undefined) return refuse(container, "unavailable", shortage(others, claim));
  const next = ledger.with({ ...rest, claim, grant: cpus });
  return cpus.size < grant.size ? retryDegraded(next) : next;
}

function resized(
  others: Ledger,
  { container, grant, mems }: Assignment,
  claim: ExclusiveClaim,
): CpuSet | undefined {
  const { topology, claimed } = others;
  const { count, placement } = claim;
  const free = candidatesFor(others, claim.forbidden, { mems, own: grant });
  if (grant.isEmpty) return takeExclusive(others, container, claim, free);
  if (count <= grant.size) return shrink({ topology, claimed, own: grant, count, placement });
  const cpus = grow({ ...requestOf(others, container, claim, free.union(grant)), own: grant });
  return cpus !== undefined && leavesEnough(others, claim, cpus) ? cpus : undefined;
}
