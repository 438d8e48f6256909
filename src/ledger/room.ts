/** Room for an exclusive claim: which CPUs it may choose from, how many may leave the pool, and the choice. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { footprint, misfit } from "../cpu/footprint.ts";
import { retake } from "../cpu/retake.ts";
import { take, type TakeRequest } from "../cpu/take.ts";
import type { Topology } from "../cpu/topology.ts";
import { type ContainerRef, describe, type ExclusiveClaim } from "./claim.ts";
import type { ExclusiveAssignment } from "./assignment.ts";
import { contestedIn } from "./contested.ts";
import type { Ledger } from "./ledger.ts";
import { countFree, numbers } from "./refusal.ts";

/** CPUs an exclusive claim may choose from. */
export function freeFor(ledger: Ledger, forbidden: CpuSet): CpuSet {
  return ledger.sharedPool.difference(ledger.policy.systemReserved).difference(forbidden);
}

/** How many CPUs may still leave the shared pool. */
export function spare(ledger: Ledger): number {
  return Math.max(0, ledger.sharedPool.size - ledger.policy.minShared);
}

/** The CPUs that are at home on these memory nodes; all of them where it names none. */
export function cpusNear(topology: Topology, mems: CpuSet | undefined): CpuSet {
  if (mems === undefined) return topology.online;
  const near = topology.nodes.filter(({ cpus }) => topology.memoryNodesOf(cpus).isSubsetOf(mems));
  return CpuSet.unionOf(near.map(({ cpus }) => cpus));
}

/** Whether what the claim would keep from others, `cpus` and maybe more, leaves enough for the shared pool. */
export function leavesEnough(ledger: Ledger, { placement }: ExclusiveClaim, cpus: CpuSet): boolean {
  const left = ledger.sharedPool.difference(footprint(ledger.topology, cpus, placement)).size;
  return left >= ledger.policy.minShared || left === ledger.sharedPool.size;
}

/**
 * Whether an exclusive container could stay on `cpus`: nobody else's, not reserved, and leaving at least `floor` CPUs
 * for the pool.
 */
export function canKeep(
  ledger: Ledger,
  { container, claim }: Pick<ExclusiveAssignment, "container" | "claim">,
  cpus: CpuSet,
  floor = ledger.policy.minShared,
): boolean {
  const others = ledger.without(container.id);
  const free = freeFor(others, CpuSet.empty);
  const kept = footprint(ledger.topology, cpus, claim.placement);
  return cpus.isSubsetOf(free.difference(claim.forbidden)) && kept.isSubsetOf(free) &&
    others.sharedPool.size - kept.size >= floor;
}

/**
 * The CPUs for an exclusive claim, out of `free`: unless there are too few, or the shared pool would fall below its
 * minimum. With `home`, CPUs that it has now, it keeps of them what it can, and stays near. CPUs that somebody can't be made
 * to leave are nobody's to give.
 */
export function takeExclusive(
  ledger: Ledger,
  container: ContainerRef,
  claim: ExclusiveClaim,
  free: CpuSet,
  home = CpuSet.empty,
): CpuSet | undefined {
  if (claim.count > spare(ledger)) return undefined;
  free = free.difference(ledger.contested);
  const request = requestOf(ledger, container, claim, free);
  const cpus = home.isEmpty ? take(request) : retake({ ...request, own: home.intersection(free), home });
  return cpus !== undefined && leavesEnough(ledger, claim, cpus) ? cpus : undefined;
}

/** What is asked of the take ladder on behalf of a claim. */
export function requestOf(
  { topology, policy, claimed, recent }: Ledger,
  { podUid }: ContainerRef,
  { count, placement }: ExclusiveClaim,
  free: CpuSet,
): TakeRequest {
  // Containers of its own pod that have ended, such as init containers, make room for it.
  const others = recent.filter((r) => r.podUid !== podUid).map(({ cpus }) => cpus);
  return {
    topology,
    free,
    claimed,
    count,
    placement,
    ...(others.length === 0 ? {} : { penalized: CpuSet.unionOf(others) }),
    ...(policy.isolatedCpus === "avoid" ? { avoid: topology.isolated } : {}),
    ...(policy.isolatedCpus === "prefer" ? { preferred: topology.isolated } : {}),
  };
}

/** Why there is no room for an exclusive claim: `needs 8 exclusive CPUs, 6 are free (…)`. */
export function shortage(ledger: Ledger, claim: ExclusiveClaim): string {
  const { count, forbidden: named, placement } = claim;
  const wanted = `${count} exclusive ${count === 1 ? "CPU" : "CPUs"}`;
  const candidates = freeFor(ledger, named);
  const unfit = misfit(ledger.topology, placement, count, candidates);
  const free = Math.min(candidates.difference(ledger.contested).size, spare(ledger));
  const forbidden = named.intersection(ledger.topology.online);
  const suffix = (forbidden.isEmpty ? "" : `; ${forbidden.size} forbidden by the pod`) +
    (contestedClause(ledger, candidates) ?? "");
  const why = unfit === undefined || free < count ? countFree(free) : `but ${unfit}`;
  const held = idle(ledger, claim, candidates);
  return `needs ${wanted}${held}, ${why} (${numbers(ledger)}${suffix})`;
}

/** Who can't be made to leave some of these CPUs, and why; undefined where nobody is known to be so. */
function contestedClause(ledger: Ledger, cpus: CpuSet): string | undefined {
  const held = contestedIn(ledger, cpus);
  return held && `; ${held.cpus} still held by ${describe(held.holder.container)}: ${held.reason}`;
}

/** What a claim keeps from others besides its own CPUs, for people; nothing where that is nothing. */
function idle({ topology, claimed }: Ledger, { count, placement }: ExclusiveClaim, free: CpuSet): string {
  const cpus = take({ topology, free, claimed, count, placement }) ?? CpuSet.empty;
  const beside = footprint(topology, cpus, placement).size - cpus.size;
  return beside === 0 ? "" : ` and ${beside} idle beside them`;
}

/** Why a claim would take more than its pod has been given for all its containers; undefined where it doesn't. */
export function overPodLimit(
  ledger: Ledger,
  container: ContainerRef,
  claim: ExclusiveClaim,
): string | undefined {
  if (claim.podLimit === undefined) return undefined;
  const others = ledger.ofPod(container.podUid).filter((a) => a.container.id !== container.id);
  const used = others.reduce((sum, a) => sum + (a.claim.kind === "exclusive" ? a.grant.size : 0), 0);
  if (used + claim.count <= claim.podLimit) return undefined;
  return `needs ${claim.count} exclusive CPUs, but its pod's limit is ${claim.podLimit}, ` +
    `and its other containers have ${used} of them`;
}
