import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Claim, ContainerRef, ExclusiveClaim, GroupClaim } from "./claim.ts";
import type { Delivered } from "./delivery.ts";

/** One container that the agent places: what it should have, and where it may be running. */
export interface Assignment extends Delivered {
  readonly container: ContainerRef;
  readonly claim: Claim | GroupClaim;
  /** The CPUs granted to a pinned or exclusive claim; empty for a container that lives in the shared pool. */
  readonly grant: CpuSet;
  /** The memory nodes that an exclusive container is bound to, once and for all; absent: none. */
  readonly mems?: CpuSet;
  /**
   * Of a pinned container that hasn't started yet: the containers that were moved for it, and from where. If its
   * creation fails, they are moved back.
   */
  readonly displaced?: readonly Displaced[];
  /** The CPUs that it had for itself before a resize put it in the shared pool: another resize gives them back. */
  readonly home?: CpuSet;
  /** The group that keeps it off exclusive CPUs, by its id: then its own set doesn't have to. */
  readonly fence?: string;
  /** In cgroup v1 its own set has to lie within its fence's, so it has to be kept off exclusive CPUs by that as well. */
  readonly isWithin?: true;
  /** Why a container has less than it claims: one clause for people. */
  readonly degraded?: string;
  /** When it was admitted or found, in the milliseconds of whoever admits. */
  readonly since?: number | undefined;
  /** Its place in the order of admissions; given by the ledger. */
  readonly order?: number;
}

/** An exclusive container that was moved, and the CPUs that it had. */
export interface Displaced {
  readonly id: string;
  readonly from: CpuSet;
}

export type ExclusiveAssignment = Assignment & { readonly claim: ExclusiveClaim };

export function isExclusive(assignment: Assignment): assignment is ExclusiveAssignment {
  return assignment.claim.kind === "exclusive";
}

/** Whether a fence keeps it off exclusive CPUs whatever its own set is (cgroup v2). */
export function isBehindFence({ fence, isWithin }: Assignment): boolean {
  return fence !== undefined && !isWithin;
}

/** Whether its own set changes with the exclusive CPUs; what it forbids may come to all of the pool. */
export function followsExclusive(assignment: Assignment): boolean {
  const { grant, claim } = assignment;
  if (!grant.isEmpty) return false;
  const isForbidding = claim.kind !== "pinned" && claim.kind !== "group" && !claim.forbidden.isEmpty;
  return !isBehindFence(assignment) || isForbidding;
}

/** Whether its claim asks for a partition. */
export function isIsolated({ claim }: Assignment): boolean {
  return (claim.kind === "exclusive" || claim.kind === "pinned") && claim.isolation === "partition";
}

/** Whether it shares CPUs with others of its pod, where the pod has some for that: see pod_set.ts. */
export function isOfPod({ claim }: Pick<Assignment, "claim">): boolean {
  return (claim.kind === "exclusive" || claim.kind === "shared") && claim.ofPod === true;
}

/** Whether two containers may run on one CPU: both pinned, both in the shared pool, or both on the CPUs that their pod shares. */
export function mayShare(a: Assignment, b: Assignment): boolean {
  if (a.grant.isEmpty || b.grant.isEmpty) return a.grant.isEmpty && b.grant.isEmpty;
  if (a.claim.kind === "pinned") return b.claim.kind === "pinned";
  return isOfPod(a) && isOfPod(b) && podOf(a) === podOf(b);
}

/** Its pod; one whose pod isn't known is a pod of its own. */
export function podOf({ container: { podUid, id } }: Assignment): string {
  return podUid === "" ? id : podUid;
}

/** Oldest first. */
export function byOrder(a: Assignment, b: Assignment): number {
  return (a.order ?? 0) - (b.order ?? 0);
}
