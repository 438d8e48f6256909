/**
 * Cgroups above a container that leave it fewer CPUs than the node's containers can have, by another program: for its claim the
 * others are as if they were offline.
 */
import { type Assignment, isExclusive } from "./assignment.ts";
import type { CpuLimit, ExclusiveClaim, PinnedClaim } from "./claim.ts";
import { placeExclusive } from "./degraded.ts";
import type { Ledger } from "./ledger.ts";
import { offlineOf } from "./pin.ts";
import { type OwnClaim, ownersIn, sharersIn } from "./pod_members.ts";

/** The claim with that limit, or without one. */
export function limited<C extends ExclusiveClaim | PinnedClaim>(claim: C, limit: CpuLimit | undefined): C {
  const { limit: _, ...rest } = claim;
  return (limit === undefined ? rest : { ...rest, limit }) as C;
}

/**
 * The ledger with what is known by now of the cgroups above a container: one with a claim loses what of its grant isn't in
 * force, and an exclusive one gets others, as where CPUs go offline. The same ledger where nothing has changed.
 */
export function withLimit(ledger: Ledger, id: string, limit: CpuLimit | undefined): Ledger {
  const known = ledger.assignments.get(id);
  const before = known && limitedIn(ledger, known);
  if (before === undefined || isSame(limitOf(before), limit)) return ledger;
  if (isExclusive(before)) {
    const after = { ...before, claim: limited(before.claim, limit) };
    const isKept = limit === undefined || after.grant.isSubsetOf(limit.cpus);
    return isKept ? ledger.with(after) : placeExclusive(ledger, after);
  }
  const { claim, grant } = before;
  if (claim.kind !== "pinned") return ledger;
  const after = limited(claim, limit);
  const missing = offlineOf(ledger, after);
  const kept = limit === undefined ? grant : grant.intersection(limit.cpus);
  // What it may have again it gets when degraded containers are retried.
  const less = missing === undefined ? {} : { degraded: missing };
  return ledger.with({ ...before, claim: after, grant: kept, ...less });
}

/** The ledger in which what is shared in the pod of a claim lies within its limit, which is that of the pod. */
export function limitedInPod(ledger: Ledger, { container, claim: { ofPod, limit } }: OwnClaim): Ledger {
  if (!ofPod || limit === undefined) return ledger;
  return ownersIn(ledger, container).reduce(
    (next, owner) => withLimit(next, owner.container.id, limit),
    ledger,
  );
}

/** Whose claim has the limit of a container: where that has no claim of its own and shares its pod's CPUs, one with the pod's figures. */
export function limitedIn(ledger: Ledger, assignment: Assignment): Assignment {
  const { claim, grant, container: { podUid } } = assignment;
  if (claim.kind !== "shared" || grant.isEmpty) return assignment;
  return sharersIn(ledger, podUid).find(isExclusive) ?? assignment;
}

/** The CPUs above a container, as far as they are limited. */
export function limitOf({ claim }: Assignment): CpuLimit | undefined {
  return claim.kind === "exclusive" || claim.kind === "pinned" ? claim.limit : undefined;
}

function isSame(a: CpuLimit | undefined, b: CpuLimit | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.why === b.why && a.cpus.equals(b.cpus);
}
