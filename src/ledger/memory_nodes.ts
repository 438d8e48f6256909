/** Which memory nodes belong to a container's CPUs; they are written at creation, and of pinned ones that run by `agent/memory.ts`. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Policy } from "./policy.ts";

type Mems = Policy["exclusiveMems"] | Policy["pinnedMems"];

/** What `cpuset.mems` of a container on `cpus` should name; empty: it is left as the runtime has it. */
export function memsFor(topology: Topology, policy: Mems, cpus: CpuSet): CpuSet {
  return policy === "unset" || policy === "off" ? CpuSet.empty : memoryNear(topology, policy, cpus);
}

/** The nodes that are near to `cpus`, by the policy where it says so. */
export function memoryNear(topology: Topology, policy: Mems, cpus: CpuSet): CpuSet {
  return topology.memoryNodesOf(cpus, { cpuless: policy !== "local" });
}
