/**
 * Choosing anew for a claim that already has CPUs and has to leave some of them. The ladder of
 * `score.ts` compares the sets; of those that are equally good, the one that keeps the most wins: what stays in
 * place stays warm. The placement holds as it does for a new claim.
 */
import { CpuSet } from "./cpu_set.ts";
import { footprint, ownsCores } from "./footprint.ts";
import { spread } from "./nearest.ts";
import { shrink } from "./regrow.ts";
import { best, groupsByLevel, scoreOfSet } from "./score.ts";
import { take, type TakeRequest } from "./take.ts";
import type { Topology } from "./topology.ts";

interface RetakeRequest extends TakeRequest {
  /**
   * Those of `free` that the claim has now. What else it keeps from others (its footprint) is free for it too, as far
   * as it isn't claimed by another meanwhile.
   */
  readonly own: CpuSet;
  /** Where the claim runs now, `own` and what it has to give up: its memory is there. Absent: `own`. */
  readonly home?: CpuSet;
}

/**
 * `count` of the free CPUs, no worse on the ladder than what `take` would choose, with as many of `own` as that
 * allows, and then as many as can be of the NUMA nodes of its home; undefined only where `take` has none.
 */
export function retake(asked: RetakeRequest): CpuSet | undefined {
  const penalized = asked.penalized?.difference(asked.own) ?? CpuSet.empty;
  const { placement = "packed", avoid = CpuSet.empty } = asked;
  const request = { ...asked, penalized, placement, avoid };
  const fresh = take(request);
  if (fresh === undefined) return undefined;
  if (placement === "spread") return respread(request, fresh);
  const claim = { ...request, preferred: preferredFor(request, fresh), nearby: nodesOf(request) };
  const keeping = setsThatKeep(request).filter((set) => suits(request, set));
  return best([fresh, ...keeping], (set) => scoreOfSet(claim, set));
}

/** The preferred CPUs, where these suffice; else all. */
function preferredFor({ topology, preferred }: RetakeRequest, fresh: CpuSet): CpuSet {
  return preferred !== undefined && fresh.isSubsetOf(preferred) ? preferred : topology.online;
}

/** Sets that keep CPUs: all of them, only the whole cores, and those within one group of each level. */
function setsThatKeep(request: RetakeRequest): CpuSet[] {
  const { topology, free, own, home = own } = request;
  const near = groupsByLevel(topology).flat().filter((group) => group.intersects(home));
  return [
    ...[own, wholeCores(topology, own)].map((kept) => complete(request, kept, free)),
    ...near.flatMap((group) => [
      complete(request, own.intersection(group), free.intersection(group)),
      take({ ...request, free: free.intersection(group) }),
    ]),
  ].filter((set) => set !== undefined);
}

/** The CPUs of the NUMA nodes of a claim's home. */
function nodesOf({ topology, own, home = own }: RetakeRequest): CpuSet {
  return CpuSet.unionOf(topology.groups.numaNodes.filter((node) => node.intersects(home)));
}

/** `kept`, filled up from the rest of `free`. */
function complete(request: RetakeRequest, kept: CpuSet, free: CpuSet): CpuSet | undefined {
  const { topology, claimed, count, placement = "packed" } = request;
  if (kept.size > count) return shrink({ topology, claimed, own: kept, count, placement });
  const rest = { ...request, free: free.difference(kept), count: count - kept.size };
  return take(rest)?.union(kept);
}

/** Those of `cpus` whose whole core is among them. */
function wholeCores(topology: Topology, cpus: CpuSet): CpuSet {
  return CpuSet.from([...cpus].filter((id) => topology.threadsOf(id).isSubsetOf(cpus)));
}

/** Whether a set keeps what its placement promises. */
function suits({ topology, free, placement = "packed" }: RetakeRequest, set: CpuSet): boolean {
  if (!ownsCores(placement)) return true;
  const cores = footprint(topology, set, placement);
  return cores.isSubsetOf(free) && (placement === "single-thread" || cores.equals(set));
}

/** As {@link retake}, spread; on each node it is chosen anew. */
function respread(request: RetakeRequest, fresh: CpuSet): CpuSet {
  const { own, avoid = CpuSet.empty } = request;
  if (fresh.intersects(avoid)) return fresh; // All others are used up: there is nothing to choose.
  const free = request.free.difference(avoid).intersection(preferredFor(request, fresh));
  return spread({ ...request, free }, CpuSet.empty, own, (node, count) => {
    const local = { free: free.intersection(node), own: own.intersection(node), count };
    return retake({ ...request, ...local, placement: "packed" });
  }) ?? fresh;
}
