/**
 * How kubelet's static CPU manager chooses CPUs, from its documented behaviour: Kubernetes, "Control CPU Management
 * Policies on the Node", and the enhancements 2902 (distribute-cpus-across-numa) and 3570. Without the option
 * prefer-align-cpus-by-uncorecache, which is off unless it is asked for, and without the topology manager's hints.
 */
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { Topology } from "../../../src/cpu/topology.ts";

/**
 * Packed: all of the NUMA nodes and sockets that are free as a whole and no larger than what is still wanted, then
 * whole cores, then single threads. In each step the part with the fewest free CPUs comes first.
 */
export function kubeletPacked(topology: Topology, available: CpuSet, count: number): CpuSet | undefined {
  if (available.size < count) return undefined;
  const { numaNodes, sockets, cores } = topology.groups;
  // The wider of the two levels first; NUMA nodes where there are as many of both.
  const [outer, inner] = sockets.length >= numaNodes.length ? [numaNodes, sockets] : [sockets, numaNodes];
  let [left, taken] = [available, CpuSet.empty];
  const missing = () => count - taken.size;
  const take = (cpus: CpuSet) => {
    taken = taken.union(cpus);
    left = left.difference(cpus);
  };
  const outerParts = () => fullestFirst(outer, left);
  const innerParts = () => outerParts().flatMap((part) => fullestFirst(within(inner, part), left));
  const coreParts = () => innerParts().flatMap((part) => fullestFirst(within(cores, part), left));
  for (const parts of [outerParts, innerParts, coreParts]) {
    for (const part of parts().filter((each) => each.isSubsetOf(left))) {
      if (part.size <= missing()) take(part);
    }
  }
  const threads = coreParts().flatMap((core) => [...core.intersection(left)]);
  take(CpuSet.from(threads.slice(0, missing())));
  return taken;
}

/** Those of `parts` that have free CPUs, the one with the fewest first, then by lowest id. */
function fullestFirst(parts: readonly CpuSet[], free: CpuSet): CpuSet[] {
  return parts.filter((part) => part.intersects(free))
    .toSorted((a, b) => a.intersection(free).size - b.intersection(free).size);
}

function within(parts: readonly CpuSet[], outer: CpuSet): CpuSet[] {
  return parts.filter((part) => part.intersects(outer));
}

/**
 * distribute-cpus-across-numa: over the fewest NUMA nodes that hold the claim in equal shares; of all such sets of
 * nodes the one that leaves the free CPUs of the machine's nodes the most alike. What doesn't divide goes CPU by CPU
 * to the nodes of the set where that again leaves them the most alike.
 */
export function kubeletDistributed(topology: Topology, available: CpuSet, count: number): CpuSet | undefined {
  if (available.size < count) return undefined;
  const nodes = topology.groups.numaNodes;
  const free = nodes.map((node) => node.intersection(available).size);
  const perNode = Math.ceil(topology.online.size / nodes.length);
  const most = Math.min(count, free.filter((size) => size > 0).length);
  for (let size = Math.ceil(count / perNode); size <= most; size++) {
    const share = Math.floor(count / size);
    const deals = [...combinations(nodes.length, size)]
      .filter((set) => set.every((at) => (free[at] ?? 0) >= share))
      .flatMap((set) =>
        [...combinations(size, count - share * size)].map((extra) => {
          const shares = new Map(set.map((at, i) => [at, share + (extra.includes(i) ? 1 : 0)]));
          return { shares, imbalance: deviation(free.map((has, at) => has - (shares.get(at) ?? 0))) };
        })
      ).filter(({ shares }) => [...shares].every(([at, own]) => (free[at] ?? 0) >= own));
    const [first, ...others] = deals;
    if (first === undefined) continue;
    const { shares } = others.reduce((a, b) => b.imbalance < a.imbalance ? b : a, first);
    const parts = [...shares].map(([at, own]) =>
      kubeletPacked(topology, available.intersection(nodes[at] ?? CpuSet.empty), own) ?? CpuSet.empty
    );
    return CpuSet.unionOf(parts);
  }
  return kubeletPacked(topology, available, count);
}

/** The sets of `size` of the numbers below `count`. */
function* combinations(count: number, size: number, from = 0): Generator<number[]> {
  if (size === 0) return yield [];
  for (let first = from; first <= count - size; first++) {
    for (const rest of combinations(count, size - 1, first + 1)) yield [first, ...rest];
  }
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
}
