/** Which CPUs an exclusive claim may choose from, or keep. */
import { CpuSet } from "../cpu/cpu_set.ts";
import { footprint } from "../cpu/footprint.ts";
import type { Topology } from "../cpu/topology.ts";
import type { ExclusiveAssignment } from "./assignment.ts";
import type { ExclusiveClaim } from "./claim.ts";
import { contestedCpus } from "./contested.ts";
import { isOfOneKind, keptIsolated } from "./isolated.ts";
import type { Ledger } from "./ledger.ts";
import { sized, vacated } from "./pod_members.ts";

export interface CandidateOptions {
  /** Memory nodes that the container is bound to; absent: none. */
  readonly mems?: CpuSet | undefined;
  /** CPUs that the container has now. */
  readonly own?: CpuSet;
  /** CPUs that others get at the same time. */
  readonly taken?: CpuSet;
}

/** The CPUs that an exclusive claim can't have besides those that others have: forbidden ones, and those beyond its limit. */
export function closedTo({ topology: { online } }: Ledger, { forbidden, limit }: ExclusiveClaim): CpuSet {
  return limit === undefined ? forbidden : forbidden.union(online.difference(limit.cpus));
}

/**
 * CPUs that are free for an exclusive claim: in the shared pool or its own, or isolated and kept for claims; not reserved and
 * not closed to it.
 */
export function freeFor(
  { topology, policy, sharedPool, claimed }: Ledger,
  closed: CpuSet,
  { mems, own = CpuSet.empty, taken = CpuSet.empty }: CandidateOptions = {},
): CpuSet {
  const unclaimed = sharedPool.union(keptIsolated({ topology, policy }).difference(claimed));
  const pool = unclaimed.union(own).difference(taken);
  const free = pool.difference(policy.systemReserved).difference(closed);
  return mems === undefined ? free : free.intersection(cpusNear(topology, mems));
}

/** The free CPUs without those that a container couldn't be made to give up. */
export function candidatesFor(ledger: Ledger, closed: CpuSet, options: CandidateOptions = {}): CpuSet {
  const { own = CpuSet.empty } = options;
  return freeFor(ledger, closed, options).difference(contestedCpus(ledger).difference(own));
}

/** How many CPUs may still leave the shared pool. */
export function spare(ledger: Ledger): number {
  return Math.max(0, ledger.sharedPool.size - ledger.policy.minShared);
}

/** How many of `free` one claim could have. */
export function mostFor(ledger: Ledger, free: CpuSet): number {
  const isolated = free.difference(ledger.sharedPool).size;
  return Math.max(isolated, Math.min(free.size - isolated, spare(ledger)));
}

/**
 * Whether what the claim would keep from others, `cpus` and maybe more, leaves enough for the shared pool: at least `floor`
 * CPUs.
 */
export function leavesEnough(
  ledger: Ledger,
  { placement }: ExclusiveClaim,
  cpus: CpuSet,
  floor = ledger.policy.minShared,
): boolean {
  const left = ledger.sharedPool.difference(footprint(ledger.topology, cpus, placement)).size;
  return left >= floor || left === ledger.sharedPool.size;
}

/**
 * Whether an exclusive container could stay on `cpus`: not claimed by others, not reserved, all or none of them kept for
 * claims, and leaving at least `floor` CPUs for the shared pool.
 */
export function canKeep(
  ledger: Ledger,
  own: Pick<ExclusiveAssignment, "container" | "claim">,
  cpus: CpuSet,
  floor = ledger.policy.minShared,
): boolean {
  const others = vacated(ledger, own);
  const claim = sized(others, own);
  const kept = footprint(ledger.topology, cpus, claim.placement);
  return cpus.isSubsetOf(freeFor(others, closedTo(others, claim))) &&
    kept.isSubsetOf(freeFor(others, CpuSet.empty)) && isOfOneKind(others, kept) &&
    leavesEnough(others, claim, cpus, floor);
}

/** The CPUs that are at home on these memory nodes. */
function cpusNear(topology: Topology, mems: CpuSet): CpuSet {
  const near = topology.nodes.filter(({ cpus }) => topology.memoryNodesOf(cpus).isSubsetOf(mems));
  return CpuSet.unionOf(near.map(({ cpus }) => cpus));
}
