/**
 * The same containers after a topology change: CPUs have gone offline or come online, or the policy has changed. Whatever
 * can stay stays.
 *
 *  1. pinned containers keep those of their CPUs that are online; one that has none left lives in the pool;
 *  2. exclusive ones whose CPUs are all still good keep them, the oldest first, and so do claims that are held;
 *  3. pinned ones whose CPUs are back get them;
 *  4. the other exclusive ones are placed anew, keeping what they can; where there is no room they keep what is left
 *     of theirs, *degraded*: fewer CPUs of one's own are worth more than a crowded pool;
 *  5. whoever had less than it claims is tried again.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import { type Assignment, type ExclusiveAssignment, isExclusive } from "./assignment.ts";
import { withoutOffline } from "./delivery.ts";
import { Ledger } from "./ledger.ts";
import { offlineOf, openTo } from "./pin.ts";
import { canKeep } from "./candidates.ts";
import { hold } from "./held.ts";
import { withGrant } from "./pod_members.ts";
import { settledPod } from "./pod_set.ts";
import type { Policy } from "./policy.ts";
import { placeExclusive, retryDegraded, retryPinned } from "./degraded.ts";

export interface TopologyChange {
  readonly topology: Topology;
  readonly policy: Policy;
  /** The kernel has removed the CPUs that went offline from every set, for good (cgroup v1). */
  readonly offlineRemoved?: boolean;
}

/** The ledger of the same containers with that topology and policy. */
export function applyTopology(
  ledger: Ledger,
  { topology, policy, offlineRemoved = false }: TopologyChange,
): Ledger {
  const before = ledger.inOrder().filter(({ isHeld }) => !isHeld);
  const all = offlineRemoved
    ? before.map((assignment) => withoutOffline(assignment, topology.online))
    : before;
  const empty = Ledger.empty(topology, policy);
  const bare = all.reduce((next, assignment) => next.with({ ...assignment, grant: CpuSet.empty }), empty);
  const pinned = all.reduce((next, assignment) => keepPinned(next, assignment), bare);
  const holders = all.filter((a): a is ExclusiveAssignment => isExclusive(a) && !a.grant.isEmpty);
  const kept = holders.reduce((next, a) => canKeep(next, a, a.grant, 1) ? withGrant(next, a) : next, pinned);
  const held = ledger.heldClaims.reduce((next, a) => hold(next, a, 1), kept);
  const placed = holders.reduce(
    (next, a) => hasNone(next, a) ? placeExclusive(next, a) : next,
    retryPinned(held),
  );
  return retryDegraded(holders.reduce((next, { container }) => settledPod(next, container), placed));
}

/** Those that share CPUs get them with the first of them. */
function hasNone({ assignments }: Ledger, { container: { id } }: Assignment): boolean {
  return assignments.get(id)?.grant.isEmpty !== false;
}

function keepPinned(ledger: Ledger, assignment: Assignment): Ledger {
  const { claim, grant } = assignment;
  if (claim.kind !== "pinned" || grant.isEmpty) return ledger;
  const missing = offlineOf(ledger, claim);
  return ledger.with({
    ...assignment,
    grant: grant.intersection(openTo(ledger, claim)),
    ...(missing === undefined ? {} : { degraded: missing }),
  });
}
