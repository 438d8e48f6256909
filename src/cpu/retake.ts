/**
 * Choosing anew for a claim that already has CPUs and has to leave some of them. The ladder of `take.ts`
 * says how good a set is; of the sets that are equally good, the one that keeps the most wins: what stays in
 * place stays warm.
 */
import { CpuSet } from "./cpu_set.ts";
import { compare } from "./fewest.ts";
import { take, type TakeRequest } from "./take.ts";
import type { Cpu, Level, Topology } from "./topology.ts";

export interface RetakeRequest extends TakeRequest {
  /** Those of `free` that the claim has now. */
  readonly own: CpuSet;
}

/**
 * `count` of the free CPUs, no worse on the ladder than what `take` would choose, with as many of `own` as that
 * allows; undefined only where fewer are free.
 */
export function retake(request: RetakeRequest): CpuSet | undefined {
  const candidates = [take(request), ...keeping(request)].filter((set) => set !== undefined);
  const rank = (set: CpuSet) => [...cost(request, set), -set.intersection(request.own).size];
  return candidates.map((set) => ({ set, rank: rank(set) }))
    .reduce<{ set: CpuSet; rank: number[] } | undefined>(
      (best, next) => best === undefined || compare(next.rank, best.rank) < 0 ? next : best,
      undefined,
    )?.set;
}

/** Sets that keep CPUs: all of them, only the whole cores, and those within one group of each level. */
function keeping(request: RetakeRequest): (CpuSet | undefined)[] {
  const { topology, free, own } = request;
  const anchors = [own, wholeCores(topology, own)];
  const { cacheGroups, numaNodes, sockets } = topology.groups;
  const near = [...cacheGroups, ...numaNodes, ...sockets].filter((group) => group.intersects(own));
  return [
    ...anchors.map((kept) => complete(request, kept, free)),
    ...near.flatMap((group) => [
      complete(request, own.intersection(group), free.intersection(group)),
      take({ ...request, free: free.intersection(group) }),
    ]),
  ];
}

/** `kept`, filled up from the rest of `free`. */
function complete(request: RetakeRequest, kept: CpuSet, free: CpuSet): CpuSet | undefined {
  if (kept.size > request.count) return take({ ...request, free: kept });
  const more = take({ ...request, free: free.difference(kept), count: request.count - kept.size });
  return more?.union(kept);
}

/** Those of `cpus` whose whole core is among them. */
function wholeCores(topology: Topology, cpus: CpuSet): CpuSet {
  return CpuSet.from([...cpus].filter((id) => topology.threadsOf(id).isSubsetOf(cpus)));
}

/**
 * The ladder's measure of a set, worst matter first: how far it spreads, then its loose CPUs (whose core isn't
 * wholly in the set), then those of them that break a core which nobody else has broken.
 */
function cost({ topology, claimed }: RetakeRequest, set: CpuSet): number[] {
  const cpus = [...set].map((id) => topology.cpu(id)).filter((cpu) => cpu !== undefined);
  const loose = [...set].filter((id) => !topology.threadsOf(id).isSubsetOf(set));
  const breaking = loose.filter((id) => !topology.threadsOf(id).intersects(claimed));
  const [groups, nodes, sockets] = [count(cpus, "cacheGroup"), count(cpus, "node"), count(cpus, "socket")];
  const rung = groups === 1 ? 0 : nodes === 1 ? 1 : sockets === 1 ? 2 : 3;
  return [rung, sockets, nodes, loose.length, breaking.length];
}

function count(cpus: readonly Cpu[], level: Level): number {
  return new Set(cpus.map((cpu) => cpu[level])).size;
}
