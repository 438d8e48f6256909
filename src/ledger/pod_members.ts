/**
 * The CPUs that the containers of a pod share, which nobody else uses: with resources of the pod's own (KEP-2837) kubelet
 * gives the pod's figures to each container without any of its own. What the *certain* claims of the pod leave of its limit
 * is the *set* of all others, as kubelet's managers have it for such pods (KEP-5526). It is there as long as a container
 * with the pod's figures is, its *owner*; one alone in its pod is the same as one that asks for all of it, and has all.
 *
 * Every owner has the set as its grant, and so has each container of the pod with another limit of its own that isn't
 * whole. The set is placed, grown and moved as one container's CPUs are, and always for all of them at once.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, byOrder, type ExclusiveAssignment, isExclusive, isOfPod } from "./assignment.ts";
import type { ContainerRef, ExclusiveClaim } from "./claim.ts";
import type { Ledger } from "./ledger.ts";

/** An exclusive claim, and whose it is. */
export type OwnClaim = Pick<ExclusiveAssignment, "container" | "claim">;

/** The containers with the pod's figures besides `id`, oldest first. */
export function ownersIn(ledger: Ledger, { podUid, id }: ContainerRef): ExclusiveAssignment[] {
  return sharersIn(ledger, podUid).filter(isExclusive).filter(({ container }) => container.id !== id);
}

/**
 * The claim in a pod whose limit the claims of others have shown: one with that limit is an owner too, and one with another isn't. What the
 * runtime says of the pod may be from before a resize.
 */
export function asInPod(ledger: Ledger, { container, claim }: OwnClaim): ExclusiveClaim {
  const [owner] = ownersIn(ledger, container);
  if (owner === undefined) return claim;
  const { ofPod: _, ...own } = claim;
  const podLimit = owner.claim.count;
  return { ...own, podLimit, ...(claim.count === podLimit ? { ofPod: true } : {}) };
}

/** The set of the pod of `container`; empty: it has none. */
export function podSetOf(ledger: Ledger, { podUid }: Pick<ContainerRef, "podUid">): CpuSet {
  const holder = sharersIn(ledger, podUid).find((each) => isExclusive(each) && !each.grant.isEmpty);
  return holder?.grant ?? CpuSet.empty;
}

/** How many CPUs the certain claims of a pod besides `id` have together, those that are held for ended containers too. */
export function certainIn(ledger: Ledger, container: ContainerRef): number {
  return sizeOf(certain(ledger, container));
}

/** The same of living containers, to which what is held gives way. */
export function certainLivingIn(ledger: Ledger, container: ContainerRef): number {
  return sizeOf(certain(ledger, container).filter(({ isHeld }) => !isHeld));
}

function certain(ledger: Ledger, { podUid, id }: ContainerRef): Assignment[] {
  return podUid === ""
    ? []
    : ledger.ofPod(podUid).filter((each) => isExclusive(each) && !isOfPod(each) && each.container.id !== id);
}

function sizeOf(all: readonly Assignment[]): number {
  return all.reduce((sum, { grant }) => sum + grant.size, 0);
}

/** The claim as it can be served now: of an owner for as many CPUs as the set has (at most 0: none), where all owners may run. */
export function sized(ledger: Ledger, { container, claim }: OwnClaim): ExclusiveClaim {
  if (!claim.ofPod) return claim;
  const all = [claim, ...ownersIn(ledger, container).map((each) => each.claim)];
  const limits = all.flatMap(({ limit }) => limit ?? []);
  const [limit] = limits;
  const cpus = limits.reduce((left, { cpus }) => left.intersection(cpus), ledger.topology.online);
  return {
    ...claim,
    count: claim.count - certainIn(ledger, container),
    forbidden: CpuSet.unionOf(all.map(({ forbidden }) => forbidden)),
    ...(limit === undefined ? {} : { limit: { ...limit, cpus } }),
  };
}

/** The ledger without a container, and without the set that it shares: what both have is free. */
export function vacated(
  ledger: Ledger,
  { container: { id, podUid }, claim }: Pick<Assignment, "container" | "claim">,
): Ledger {
  const others = ledger.without(id);
  if (claim.kind !== "exclusive" || !claim.ofPod) return others;
  return sharersIn(others, podUid).reduce(
    (next, each) => each.grant.isEmpty ? next : next.with({ ...each, grant: CpuSet.empty }),
    others,
  );
}

/** The ledger with an assignment whose grant has changed; the grant of an owner is that of all that share it. */
export function withGrant(ledger: Ledger, assignment: Assignment): Ledger {
  const next = ledger.with(assignment);
  if (!isExclusive(assignment) || !isOfPod(assignment)) return next;
  const { container: { podUid, id }, grant, degraded } = assignment;
  return sharersIn(next, podUid).filter(({ container }) => container.id !== id).reduce(
    (next, each) => next.with(shared(each, grant, degraded)),
    next,
  );
}

function shared(each: Assignment, set: CpuSet, degraded: string | undefined): Assignment {
  const forbidden = each.claim.kind === "exclusive" || each.claim.kind === "shared"
    ? each.claim.forbidden.intersection(set)
    : CpuSet.empty;
  const grant = forbidden.isEmpty ? set : CpuSet.empty;
  if (!isExclusive(each)) return grant.equals(each.grant) ? each : { ...each, grant };
  const { degraded: before, ...whole } = each;
  const why = forbidden.isEmpty
    ? degraded
    : `forbids ${forbidden} of the CPUs ${set} that the containers of its pod share`;
  if (grant.equals(each.grant) && before === why) return each;
  return { ...whole, grant, ...(why === undefined ? {} : { degraded: why }) };
}

/** All containers of a pod that share its set, where there is one; oldest first. */
export function sharersIn(ledger: Ledger, podUid: string): Assignment[] {
  return podUid === "" ? [] : ledger.ofPod(podUid).filter(isOfPod).sort(byOrder);
}
