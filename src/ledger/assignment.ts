import type { CpuSet } from "../cpu/cpu_set.ts";
import type { TakeRequest } from "../cpu/take.ts";
import { type Affinity, pinsItself } from "./affinity.ts";
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
  /** It has ended, and its claim is kept for its pod; its id is no container's. See held.ts. */
  readonly isHeld?: true;
  /** It has ended, and some of its processes haven't. See leftover.ts. */
  readonly leftover?: Leftover;
  /** The group that keeps it off exclusive CPUs, by its id: then its own set doesn't have to. */
  readonly fence?: string;
  /** In cgroup v1 its own set has to lie within its fence's, so it has to be kept off exclusive CPUs by that as well. */
  readonly isWithin?: true;
  /** What was seen of the masks of its threads; absent: nothing. */
  readonly affinity?: Affinity;
  /** Why a container has less than it claims: one clause for people. */
  readonly degraded?: string;
  /** How its CPUs were chosen when it was admitted; absent: it had them before, or was found with them. */
  readonly chosen?: Chosen | undefined;
  /** When it was admitted or found, in the milliseconds of whoever admits. */
  readonly since?: number | undefined;
  /** Its place in the order of admissions; given by the ledger. */
  readonly order?: number;
}

/** What the ladder was asked for an exclusive claim, and what it chose. It stays as it was, whatever comes later. */
export interface Chosen {
  readonly request: TakeRequest;
  readonly cpus: CpuSet;
}

/** An exclusive container that was moved, and the CPUs that it had. */
export interface Displaced {
  readonly id: string;
  readonly from: CpuSet;
}

/** Processes that a container has left behind. */
export interface Leftover {
  /** When it ended, in the milliseconds of whoever looks. */
  readonly since: number;
  /** When they were last looked at. */
  readonly lookedAt: number;
  /** Its pod has ended too. */
  readonly isPodOver?: true;
}

export type ExclusiveAssignment = Assignment & { readonly claim: ExclusiveClaim };

export function isExclusive(assignment: Assignment): assignment is ExclusiveAssignment {
  return assignment.claim.kind === "exclusive";
}

/**
 * Whether it may be moved while it runs. Programs that pin their own threads (DPDK, SPDK) have laid them out by the CPUs
 * that they found: after a move the kernel runs them anywhere in the new ones.
 */
export function mayMove({ movable }: ExclusiveClaim, affinity: Affinity | undefined): boolean {
  return movable ?? !pinsItself(affinity);
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

/** Whether it is left where it is: the pool as a list of CPUs would be the size of its virtual machine. */
export function isUnconfined({ grant, claim }: Pick<Assignment, "grant" | "claim">): boolean {
  return grant.isEmpty && claim.kind !== "group" && claim.vm === true;
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
