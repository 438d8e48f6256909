/** More CPUs for a claim that has some, or has none yet: by the ladder of `score.ts`, near to what it has. */
import { CpuSet } from "./cpu_set.ts";
import { evenShares } from "./even_shares.ts";
import { footprint } from "./footprint.ts";
import type { Availability, TakeUnit } from "./free_cores.ts";
import { candidates } from "./free_counts.ts";
import { pack } from "./pack.ts";
import type { Placement } from "./placement.ts";
import { groupsByLevel } from "./score.ts";
import type { Topology } from "./topology.ts";

/** As many CPUs as a claim is to have in all, and what there is for it. */
interface NearestRequest extends Availability {
  readonly count: number;
  readonly placement: Placement;
}

/** What a claim of each placement takes. */
export const UNITS: Record<Placement, TakeUnit> = {
  "packed": "thread",
  "spread": "thread",
  "full-cores": "core",
  "single-thread": "thread of a core",
};

/**
 * `count` CPUs: all of `own`, then what its cores have left, then the rest from its cache groups, else its NUMA
 * nodes, else its sockets, else from anywhere. Undefined where that can't be.
 */
export function nearest(request: NearestRequest, own: CpuSet): CpuSet | undefined {
  const { topology, count, placement } = request;
  const free = request.free.difference(own);
  if (placement === "spread") return spread({ ...request, free }, own);
  if (own.isEmpty) return choose(request);
  const siblings = placement === "single-thread"
    ? CpuSet.empty
    : footprint(topology, own, "full-cores").intersection(free);
  const cores = own.union(siblings);
  const more = (from: CpuSet, base: CpuSet) =>
    choose({ ...request, free: from, count: count - base.size })?.union(base);
  if (cores.size === count) return cores;
  if (cores.size > count) return placement === "packed" ? more(siblings, own) : undefined;
  const rest = free.difference(siblings);
  for (const groups of groupsByLevel(topology)) {
    const near = CpuSet.unionOf(groups.filter((group) => group.intersects(own)));
    const cpus = more(rest.intersection(near), cores);
    if (cpus !== undefined) return cpus;
  }
  return more(rest, cores);
}

function choose(request: NearestRequest): CpuSet | undefined {
  const cpus = pack(candidates(request, UNITS[request.placement]), request.count);
  return cpus && CpuSet.from(cpus);
}

/** Evenly over the NUMA nodes, and packed in each of them. */
function spread(request: NearestRequest, own: CpuSet): CpuSet | undefined {
  const { topology, free, count } = request;
  const has = sharesOf(topology, own);
  for (const { cells } of candidates(request, UNITS.spread)) {
    const shares = evenShares(cells, count - own.size, has, new Map());
    if (shares === undefined) continue;
    const parts = topology.nodes.map(({ id, cpus }) => {
      const kept = own.intersection(cpus);
      const share = kept.size + (shares.get(id) ?? 0);
      return nearest({ ...request, placement: "packed", free: free.intersection(cpus), count: share }, kept);
    });
    return CpuSet.unionOf([own, ...parts.filter((part) => part !== undefined)]);
  }
  return undefined;
}

/** How many of `cpus` each NUMA node has. */
export function sharesOf(topology: Topology, cpus: CpuSet): Map<number, number> {
  return new Map(topology.nodes.map((node) => [node.id, node.cpus.intersection(cpus).size]));
}
