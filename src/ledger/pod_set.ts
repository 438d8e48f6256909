/** What becomes of the set of a pod (see pod_members.ts) when the other claims of the pod, or its limit, have changed. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { grow, shrink } from "../cpu/regrow.ts";
import { type ExclusiveAssignment, isExclusive, isOfPod } from "./assignment.ts";
import { candidatesFor, closedTo, leavesEnough } from "./candidates.ts";
import type { ContainerRef, ExclusiveClaim } from "./claim.ts";
import { heldIn, withoutHeld } from "./held.ts";
import type { Ledger } from "./ledger.ts";
import {
  certainLivingIn,
  type OwnClaim,
  ownersIn,
  sharersIn,
  sized,
  vacated,
  withGrant,
} from "./pod_members.ts";
import { requestOf, shortage } from "./room.ts";

/** The ledger in which the set of its pod has left a certain claim what it may have of the pod's limit. */
export function madeRoomInPod(ledger: Ledger, { container, claim }: OwnClaim): Ledger {
  const [owner] = ownersIn(ledger, container).filter(({ grant }) => !grant.isEmpty);
  if (claim.ofPod || owner === undefined) return ledger;
  const left = owner.claim.count - certainLivingIn(ledger, container) - claim.count;
  return left >= owner.grant.size ? ledger : shrunk(ledger, owner, left);
}

/** The ledger after other claims of a pod have changed: its set is what they leave of its limit, if that can be had. */
export function settledPod(ledger: Ledger, pod: Pick<ContainerRef, "podUid">): Ledger {
  const all = sharersIn(ledger, pod.podUid);
  const owners = all.filter(isExclusive);
  const owner = owners.find(({ grant }) => !grant.isEmpty);
  if (owner === undefined) {
    // Owners without a set are degraded, and retried so.
    const left = all.filter(({ grant }) => !grant.isEmpty);
    return left.reduce((next, each) => next.with({ ...each, grant: CpuSet.empty }), ledger);
  }
  const isOver = sized(ledger, owner).count < owner.grant.size;
  const next = isOver ? withoutHeld(ledger, heldIn(ledger, pod)) : ledger;
  const { count } = sized(next, owner);
  if (count < owner.grant.size) return shrunk(next, owner, count);
  return count === owner.grant.size ? withGrant(next, whole(owner)) : grown(next, owner);
}

/** The ledger in which the sets of pods have what was given up since of the claims that were held for them. */
export function settledHeld(before: Ledger, next: Ledger): Ledger {
  const gone = before.heldClaims.filter(({ container: { id }, grant }) =>
    next.assignments.get(id)?.grant.equals(grant) !== true
  );
  return gone.reduce((settled, { container }) => settledPod(settled, container), next);
}

/**
 * The ledger in which a pod has another limit. A claim that is alone in its pod and asks for all of that is an owner from
 * now on. What has less than it claims is still to be retried.
 */
export function withPodLimit(
  ledger: Ledger,
  { podUid }: Pick<ContainerRef, "podUid">,
  limit: number,
): Ledger {
  const all = podUid === "" ? [] : ledger.ofPod(podUid).filter(isExclusive).filter(({ isHeld }) => !isHeld);
  const next = all.reduce((next, each) => {
    const { podLimit: _, ...claim } = each.claim;
    if (isOfPod(each)) return next.with({ ...each, claim: { ...claim, count: limit, podLimit: limit } });
    const isAll = all.length === 1 && claim.count === limit;
    const known = limit < claim.count ? {} : { podLimit: limit };
    return next.with({ ...each, claim: { ...claim, ...known, ...(isAll ? { ofPod: true } : {}) } });
  }, ledger);
  return settledPod(next, { podUid });
}

/** As many as can be of the set's CPUs, no more than `most`, which is what others leave. */
function shrunk(ledger: Ledger, owner: ExclusiveAssignment, most: number): Ledger {
  const { claim: { count: limit, placement }, grant: own } = owner;
  const { topology, claimed } = vacated(ledger, owner);
  for (let count = most; count > 0; count--) {
    const grant = shrink({ topology, claimed, own, count, placement });
    if (grant !== undefined) return withGrant(ledger, { ...whole(owner), grant });
  }
  const degraded = overLimit(owner.claim, limit - most);
  return withGrant(ledger, { ...owner, grant: CpuSet.empty, degraded });
}

function grown(ledger: Ledger, owner: ExclusiveAssignment): Ledger {
  const { container, grant: own, mems } = owner;
  const others = vacated(ledger, owner);
  const claim = sized(others, owner);
  const free = candidatesFor(others, closedTo(others, claim), { mems, own });
  const grant = grow({ ...requestOf(others, container, claim, free.union(own)), own });
  return grant !== undefined && leavesEnough(others, claim, grant)
    ? withGrant(ledger, { ...whole(owner), grant })
    : withGrant(ledger, { ...owner, degraded: `${shortage(others, claim)}; it has ${own}` });
}

function whole({ degraded: _, ...rest }: ExclusiveAssignment): ExclusiveAssignment {
  return rest;
}

/** Why a claim would take more than its pod has been given for all its containers; undefined where it doesn't. */
export function overPodLimit(ledger: Ledger, own: OwnClaim): string | undefined {
  const { container, claim: { count, podLimit, ofPod } } = own;
  if (podLimit === undefined) return undefined;
  const used = certainLivingIn(ledger, container);
  const isOver = ofPod ? used >= podLimit : used + count > podLimit;
  return isOver ? overLimit(own.claim, used) : undefined;
}

function overLimit({ count, podLimit = count }: ExclusiveClaim, used: number): string {
  return `needs ${count} exclusive CPUs, but its pod's limit is ${podLimit}, ` +
    `and its other containers have ${used} of them`;
}
