/**
 * Choosing anew for a claim that already has CPUs and has to leave some of them. The ladder of `take.ts`
 * says how good a set is; of the sets that are equally good, the one that keeps the most wins: what stays in
 * place stays warm. The placement holds as it does for a new claim.
 */
import { CpuSet } from "./cpu_set.ts";
import { evenShares } from "./even_shares.ts";
import { cheapest } from "./fewest.ts";
import { footprint, ownsCores } from "./footprint.ts";
import { sharesOf } from "./nearest.ts";
import { shrink } from "./regrow.ts";
import { offers } from "./stock.ts";
import { take, type TakeRequest } from "./take.ts";
import type { Cpu, Level, Topology } from "./topology.ts";

export interface RetakeRequest extends TakeRequest {
  /**
   * Those of `free` that the claim has now. What else it keeps from others (its footprint) is free to it too, as far
   * as nobody has claimed it meanwhile.
   */
  readonly own: CpuSet;
  /** Where the claim runs now, `own` and what it has to leave: its memory is there. Absent: `own`. */
  readonly home?: CpuSet;
}

/**
 * `count` of the free CPUs, no worse on the ladder than what `take` would choose, with as many of `own` as that
 * allows, and then as many as can be of the NUMA nodes of its home; undefined only where `take` has none.
 */
export function retake(asked: RetakeRequest): CpuSet | undefined {
  const request = { ...asked, reluctant: asked.reluctant?.difference(asked.own) ?? CpuSet.empty };
  const fresh = take(request);
  if (fresh === undefined) return undefined;
  if (request.placement === "spread") return respread(request, fresh);
  const suiting = keeping(request).filter((set) => set !== undefined && suits(request, set));
  const cost = costOf(request, fresh);
  const near = nodesOf(request);
  return cheapest(
    [fresh, ...suiting],
    (set) => set && [...cost(set), -set.intersection(request.own).size, set.difference(near).size],
  );
}

/** Sets that keep CPUs: all of them, only the whole cores, and those within one group of each level. */
function keeping(request: RetakeRequest): (CpuSet | undefined)[] {
  const { topology, free, own, home = own } = request;
  const anchors = [own, wholeCores(topology, own)];
  const { cacheGroups, numaNodes, sockets } = topology.groups;
  const near = [...cacheGroups, ...numaNodes, ...sockets].filter((group) => group.intersects(home));
  return [
    ...anchors.map((kept) => complete(request, kept, free)),
    ...near.flatMap((group) => [
      complete(request, own.intersection(group), free.intersection(group)),
      take({ ...request, free: free.intersection(group) }),
    ]),
  ];
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

/**
 * The measure of a set, worst matter first: CPUs of the last resort, CPUs that aren't the preferred ones (where they
 * suffice), how far it spreads, reluctant CPUs, CPUs of CPU 0's core that it doesn't have yet, then its loose CPUs
 * (whose core isn't wholly in the set), then those of them that break a core which nobody else has broken.
 */
function costOf(request: RetakeRequest, fresh: CpuSet): (set: CpuSet) => number[] {
  const { topology, claimed, own, placement = "packed", preferred } = request;
  const zero = topology.threadsOf(0);
  const { reluctant = CpuSet.empty, lastResort = CpuSet.empty } = request;
  const wanted = preferred !== undefined && fresh.isSubsetOf(preferred) ? preferred : topology.online;
  return (set) => {
    const cpus = [...set].map((id) => topology.cpu(id)).filter((cpu) => cpu !== undefined);
    const loose = placement === "single-thread"
      ? []
      : [...set].filter((id) => !topology.threadsOf(id).isSubsetOf(set));
    const breaking = loose.filter((id) => !topology.threadsOf(id).intersects(claimed));
    const [groups, nodes, sockets] = [count(cpus, "cacheGroup"), count(cpus, "node"), count(cpus, "socket")];
    const rung = groups === 1 ? 0 : nodes === 1 ? 1 : sockets === 1 ? 2 : 3;
    return [
      footprint(topology, set, placement).intersection(lastResort).size,
      set.difference(wanted).size,
      ...[rung, sockets, nodes],
      set.intersection(reluctant).size,
      set.difference(own).intersects(zero) ? 1 : 0,
      ...[loose.length, breaking.length],
    ];
  };
}

function count(cpus: readonly Cpu[], level: Level): number {
  return new Set(cpus.map((cpu) => cpu[level])).size;
}

/** A claim that is spread: of nodes alike those are dealt to where it has the most, and on each it is chosen anew. */
function respread(request: RetakeRequest, fresh: CpuSet): CpuSet {
  const { topology, own, count, preferred, lastResort = CpuSet.empty } = request;
  if (fresh.intersects(lastResort)) return fresh; // All others are used up: there is nothing to choose.
  const open = request.free.difference(lastResort);
  const free = preferred !== undefined && fresh.isSubsetOf(preferred) ? open.intersection(preferred) : open;
  for (const { cells } of offers({ ...request, free }, "thread")) {
    const shares = evenShares(cells, count, new Map(), sharesOf(topology, own));
    if (shares === undefined) continue;
    const parts = topology.nodes.map(({ id, cpus }) => {
      const local = {
        free: free.intersection(cpus),
        own: own.intersection(cpus),
        count: shares.get(id) ?? 0,
      };
      return retake({ ...request, ...local, placement: "packed" });
    });
    return CpuSet.unionOf(parts.filter((part) => part !== undefined));
  }
  return fresh;
}
