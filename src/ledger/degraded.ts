/**
 * Degraded containers: they have less than they claim, and are retried at every release. Pinned ones first, since only
 * certain CPUs will do for them; then the oldest.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { ownsCores } from "../cpu/footprint.ts";
import type { Topology } from "../cpu/topology.ts";
import { type Assignment, type ExclusiveAssignment, isExclusive } from "./assignment.ts";
import type { ExclusiveClaim, PinnedClaim } from "./claim.ts";
import type { Ledger } from "./ledger.ts";
import { makeRoom, offlineOf, openTo } from "./pin.ts";
import { candidatesFor, closedTo, freeFor } from "./candidates.ts";
import { chooseBesideHeld } from "./held.ts";
import { podSetOf, sized, vacated, withGrant } from "./pod_members.ts";
import { madeRoomInPod, overPodLimit, settledHeld } from "./pod_set.ts";
import { shortage, takeExclusive } from "./room.ts";

/** The ledger in which every degraded container has been retried. */
export function retryDegraded(ledger: Ledger): Ledger {
  if (ledger.policy.claimsSuspended) return ledger;
  return retryExclusive(retryPinned(ledger));
}

/** The ledger in which pinned containers have all their CPUs that are online and can be had. */
export function retryPinned(ledger: Ledger): Ledger {
  if (ledger.policy.claimsSuspended) return ledger;
  return ledger.degraded.reduce((next, { container: { id } }) => {
    const assignment = next.assignments.get(id);
    return assignment?.claim.kind === "pinned" ? pin(next, { ...assignment, claim: assignment.claim }) : next;
  }, ledger);
}

function retryExclusive(ledger: Ledger): Ledger {
  return ledger.degraded.reduce((next, { container: { id } }) => {
    const assignment = next.assignments.get(id);
    // Those of one pod are served with the first of them.
    if (assignment?.degraded === undefined || !isExclusive(assignment)) return next;
    const served = placeExclusive(next, assignment);
    return served.assignments.get(id)?.degraded === undefined ? served : next;
  }, ledger);
}

/** How an exclusive container is placed anew. */
export interface Replacement {
  /** Only on these CPUs, if that can be. */
  readonly within?: CpuSet | undefined;
  /** Where there is no room it keeps those of its CPUs that are still good; else it lives in the shared pool. */
  readonly keepRemaining: boolean;
}

/**
 * The ledger in which an exclusive container has the CPUs that it claims, with as many as can be of those of its
 * grant; where there is no room it is degraded, with the reason.
 */
export function placeExclusive(
  ledger: Ledger,
  assignment: ExclusiveAssignment,
  { within, keepRemaining }: Replacement = { keepRemaining: true },
): Ledger {
  const { container, mems } = assignment;
  const { degraded: _, ...whole } = assignment;
  const roomy = madeRoomInPod(ledger, assignment);
  const others = vacated(roomy, assignment);
  const claim = sized(others, assignment);
  const set = claim.ofPod ? podSetOf(ledger, container) : CpuSet.empty;
  const grant = set.isEmpty ? assignment.grant : set;
  const closed = closedTo(others, claim);
  const free = freeFor(others, closed, { mems });
  const own = ownable(ledger.topology, claim, grant.intersection(free), free);
  const over = overPodLimit(others, assignment);
  const choice = over !== undefined
    ? undefined
    : chooseBesideHeld(others, assignment, grant, (bare, held) => {
      const claim = sized(bare, assignment);
      const candidates = candidatesFor(bare, closed, { mems });
      const choose = (from: CpuSet) => takeExclusive(bare, container, claim, from, grant.union(held));
      return (within && choose(within.intersection(candidates))) ?? choose(candidates);
    });
  const { order } = ledger.assignments.get(container.id) ?? assignment;
  const placed = { ...whole, ...(order === undefined ? {} : { order }) };
  if (choice !== undefined) return withGrant(choice.ledger, { ...placed, grant: choice.cpus });
  const kept = keepRemaining && !others.sharedPool.isSubsetOf(own) ? own : CpuSet.empty;
  const has = kept.isEmpty ? "" : `; it has ${kept}`;
  return withGrant(ledger, { ...whole, grant: kept, degraded: (over ?? shortage(others, claim)) + has });
}

/** Those of `own` that the claim may keep: where it has its cores to itself, none of their threads may be another's. */
function ownable(topology: Topology, { placement }: ExclusiveClaim, own: CpuSet, free: CpuSet): CpuSet {
  if (!ownsCores(placement)) return own;
  return CpuSet.from(own.toArray().filter((id) => topology.threadsOf(id).isSubsetOf(free)));
}

/** The ledger in which a pinned container has those of its CPUs that are there for it and can be had. */
export function pin(ledger: Ledger, assignment: Assignment & { readonly claim: PinnedClaim }): Ledger {
  const { claim, grant } = assignment;
  const { degraded: _, ...whole } = assignment;
  const cpus = claim.cpus.intersection(openTo(ledger, claim));
  const missing = offlineOf(ledger, claim);
  const less = missing === undefined ? {} : { degraded: missing };
  if (cpus.equals(grant)) return ledger.with({ ...whole, ...less });
  const room = makeRoom(ledger, { ...claim, cpus });
  if ("why" in room) return ledger.with({ ...assignment, degraded: room.why });
  return settledHeld(ledger, room.next.with({ ...whole, ...less, grant: cpus }));
}
