/** A machine as a document. Pure. */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { TopologyDocument } from "./document.ts";

export function topologyDocument(topology: Topology, warnings: readonly string[]): TopologyDocument {
  const { groups, nodes, online, present, isolated, nohzFull } = topology;
  const lists = (sets: readonly CpuSet[]) => sets.map((set) => `${set}`);
  return {
    service: "weka-cpuset",
    version: 1,
    online: `${online}`,
    offline: `${present.difference(online)}`,
    isolated: `${isolated}`,
    nohzFull: `${nohzFull}`,
    sockets: lists(groups.sockets),
    caches: lists(groups.cacheGroups),
    cores: lists(groups.cores),
    nodes: nodes.map(({ id, cpus, hasMemory, distances }) => ({
      id,
      cpus: `${cpus}`,
      hasMemory,
      distances: Object.fromEntries(distances),
    })),
    warnings: [...warnings],
  };
}
