/**
 * Leftovers: an ended container's processes that live on in its cgroup, as with a pid namespace that the pod's containers
 * share, or in an uninterruptible call of the kernel. Its CPUs aren't free as long as they are there. Where that takes too
 * long they go to the shared pool, as far as the cgroup is written: then it is a container there, and the claim is held.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment, Leftover } from "./assignment.ts";
import { hasNoProcess, isConfirmed } from "./delivery.ts";
import { hold } from "./held.ts";
import type { Ledger } from "./ledger.ts";
import { settledPod } from "./pod_set.ts";

/** Whether it may leave processes behind that matter: it has had some, and CPUs of its own, or those of another that it has yet to leave. */
export function mayLeave(ledger: Ledger, assignment: Assignment): boolean {
  const { grant, delivery, isHeld, leftover } = assignment;
  if (isHeld || hasNoProcess(delivery)) return false;
  return !grant.isEmpty || leftover !== undefined || ledger.overhang(assignment).intersects(ledger.claimed);
}

/** It has ended, and its processes are still there; they may not be moved for a pinned container. */
export function leftBehind(assignment: Assignment, now: number, isPodOver = false): Assignment {
  const { claim, leftover, degraded: _, ...rest } = assignment;
  const { since = now } = leftover ?? {};
  const next: Leftover = {
    since,
    lookedAt: now,
    ...(isPodOver || leftover?.isPodOver ? { isPodOver: true } : {}),
  };
  const { grant } = rest;
  if (claim.kind !== "exclusive") return { ...rest, claim, leftover: next };
  // The figure of one that shares its pod's CPUs is the pod's limit.
  const count = claim.ofPod ? claim.count : grant.size;
  return { ...rest, claim: { ...claim, count, movable: false }, leftover: next };
}

/** Its processes belong to the shared pool from now on. */
function pooled({ mems: _, ...assignment }: Assignment): Assignment {
  return { ...assignment, claim: { kind: "shared", forbidden: CpuSet.empty }, grant: CpuSet.empty };
}

/** The ledger without a container that is succeeded. Processes that it has left behind on pinned CPUs may share these with others. */
export function withoutPredecessor(ledger: Ledger, before: Assignment): Ledger {
  const { claim, leftover } = before;
  return leftover !== undefined && claim.kind === "pinned" ? ledger : withoutClaim(ledger, before);
}

/** The ledger without the claim of one that has ended: what it has left behind leaves its CPUs, if it is written. */
function withoutClaim(ledger: Ledger, before: Assignment): Ledger {
  const { container: { id }, leftover } = before;
  return leftover !== undefined && isConfirmed(before) ? ledger.with(pooled(before)) : ledger.without(id);
}

/** The ledger in which the processes may stay no longer on the claim's CPUs, which are held for the pod unless that has ended. */
export function expired(ledger: Ledger, left: Assignment): Ledger {
  const others = ledger.without(left.container.id);
  // A set of its pod's is held without those that have had it: what they have left behind comes back into the ledger after that.
  const next = left.leftover?.isPodOver ? others : hold(others, left, 0);
  return settledPod(withoutClaim(next, left), left.container);
}
