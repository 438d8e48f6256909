/** The machines that are simulated: mostly small ones, on which claims hit each other soon. */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Topology } from "../../src/cpu/topology.ts";
import { amd16, bigNode, type MachineSpec, topologyOf, twoCpuVm } from "../../tests/kit/sysfs.ts";

const small = { sockets: 1, nodesPerSocket: 1 };

export const MACHINES: Readonly<Record<string, MachineSpec>> = {
  one: { ...small, coresPerNode: 1, threads: 1 },
  two: twoCpuVm,
  four: { ...small, coresPerNode: 4, threads: 1 },
  smt8: { ...small, coresPerNode: 4, threads: 2 },
  split8: { ...small, coresPerNode: 8, threads: 1, coresPerCache: 4 },
  numa16: { sockets: 2, nodesPerSocket: 1, coresPerNode: 4, threads: 2 },
  memoryless12: { sockets: 1, nodesPerSocket: 3, coresPerNode: 4, threads: 1, memoryLess: [1] },
  smt4: { ...small, coresPerNode: 6, threads: 4, siblings: "adjacent" },
  big64: bigNode,
  amd256: amd16,
};

/** How often each is drawn. */
export const MACHINE_WEIGHTS: Readonly<Record<string, number>> = {
  one: 1,
  two: 4,
  four: 8,
  smt8: 8,
  split8: 5,
  numa16: 5,
  memoryless12: 3,
  smt4: 2,
  big64: 1,
  amd256: 0.3,
};

const topologies = new Map<string, Topology>();

/** The machine with some of its CPUs switched off, remembered. */
export function machineWithout(name: string, offline: CpuSet): Topology {
  const key = `${name} ${offline}`;
  const before = topologies.get(key);
  if (before !== undefined) return before;
  const spec = MACHINES[name];
  if (spec === undefined) {
    throw new Error(`no machine ${name}; there are ${Object.keys(MACHINES).join(", ")}`);
  }
  const topology = topologyOf({ ...spec, offline: offline.toString() });
  if (topologies.size >= 2000) topologies.clear();
  topologies.set(key, topology);
  return topology;
}
