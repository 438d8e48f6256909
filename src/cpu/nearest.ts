/** More CPUs for a claim that has some, or has none yet: by the ladder of `score.ts`, near to what it has. */
import { CpuSet } from "./cpu_set.ts";
import { evenShares } from "./even_shares.ts";
import { footprint } from "./footprint.ts";
import type { Availability, TakeUnit } from "./free_cores.ts";
import { candidates } from "./free_counts.ts";
import { pack } from "./pack.ts";
import type { Placement } from "./placement.ts";
import { groupsByLevel } from "./score.ts";

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
  if (placement === "spread") {
    return spread({ ...request, free }, own, CpuSet.empty, (node, share) => {
      const kept = own.intersection(node);
      const local = { free: free.intersection(node), count: kept.size + share, placement: "packed" as const };
      return nearest({ ...request, ...local }, kept);
    });
  }
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

/**
 * As many CPUs as `request` says, evenly over the NUMA nodes: `kept`, and what `takeOn` finds for the share of each node.
 * Of equal nodes those come first where the claim `had` more. Undefined where that can't be.
 */
export function spread(
  request: Availability & { readonly count: number },
  kept: CpuSet,
  had: CpuSet,
  takeOn: (node: CpuSet, share: number) => CpuSet | undefined,
): CpuSet | undefined {
  const { nodes } = request.topology;
  const sharesOf = (cpus: CpuSet) =>
    new Map(nodes.map((node) => [node.id, node.cpus.intersection(cpus).size]));
  for (const { cells } of candidates(request, UNITS.spread)) {
    const shares = evenShares(cells, request.count - kept.size, sharesOf(kept), sharesOf(had));
    if (shares === undefined) continue;
    const parts = nodes.map(({ id, cpus }) => takeOn(cpus, shares.get(id) ?? 0));
    return CpuSet.unionOf([kept, ...parts.filter((part) => part !== undefined)]);
  }
  return undefined;
}
