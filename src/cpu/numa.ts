import { CpuSet } from "./cpu_set.ts";
import { type Fault, isFault, oddContent, type ReadFile, readList, readNumbers } from "./sysfs_files.ts";
import type { NumaNode } from "./topology.ts";

const ROOT = "devices/system/node";

/** The NUMA nodes that were found, and what is unknown about them. */
interface FoundNuma {
  /** Ascending by id. Each CPU is in exactly one. */
  readonly nodes: readonly NumaNode[];
  readonly warnings: readonly string[];
}

/** The NUMA nodes of the online CPUs (kernel: Documentation/ABI/stable/sysfs-devices-node). */
export function discoverNuma(read: ReadFile, online: CpuSet): FoundNuma {
  const ids = readList(read, [`${ROOT}/online`], (list) => !list.isEmpty);
  if (isFault(ids)) return withoutNuma(online, ids.reason);
  const cpus = cpusOfNodes(read, ids, online);
  if (isFault(cpus)) return withoutNuma(online, cpus.reason);
  const memory = nodesWithMemory(read, ids);
  const distances = new Map(ids.toArray().map((id) => [id, distancesOf(read, id, ids)]));
  const nodes = ids.toArray().map((id) => {
    const known = distances.get(id);
    return {
      id,
      cpus: cpus.byNode.get(id) ?? CpuSet.empty,
      hasMemory: !isFault(memory) && memory.has(id),
      distances: known instanceof Map ? known : new Map<number, number>(),
    };
  });
  const unmeasured = [...distances.values()].find(isFault);
  const warnings = [
    cpus.warning,
    isFault(memory) &&
    `it is unknown which NUMA nodes have memory (${memory.reason}): memory nodes are left alone`,
    unmeasured && ids.size > 1 &&
    `NUMA distances are unknown (${unmeasured.reason}): the lowest node counts as nearest`,
  ];
  return { nodes, warnings: warnings.filter((warning) => typeof warning === "string") };
}

function withoutNuma(online: CpuSet, reason: string): FoundNuma {
  return {
    nodes: [{ id: 0, cpus: online, hasMemory: false, distances: new Map() }],
    warnings: [
      `NUMA nodes are unknown (${reason}): all CPUs count as one node, and memory nodes are left alone`,
    ],
  };
}

interface NodeCpus {
  readonly byNode: ReadonlyMap<number, CpuSet>;
  readonly warning: string | undefined;
}

/**
 * The online CPUs of each node. A CPU in two nodes (fake NUMA of old kernels) belongs to the lower; CPUs that no
 * node lists join the lowest node, since every CPU must be somewhere. A fault where no node lists any.
 */
function cpusOfNodes(read: ReadFile, ids: CpuSet, online: CpuSet): NodeCpus | Fault {
  const byNode = new Map<number, CpuSet>();
  let left = online;
  let reason: Fault | undefined;
  for (const id of ids) {
    const list = readList(read, [`${ROOT}/node${id}/cpulist`], () => true);
    if (isFault(list)) reason ??= list;
    else byNode.set(id, list.intersection(left));
    left = left.difference(byNode.get(id) ?? CpuSet.empty);
  }
  const lowest = ids.first();
  if (lowest === undefined || left === online) {
    return reason ?? { kind: "fault", reason: "no node lists an online CPU" };
  }
  if (left.isEmpty) return { byNode, warning: undefined };
  byNode.set(lowest, left.union(byNode.get(lowest) ?? CpuSet.empty));
  return {
    byNode,
    warning: `NUMA node of CPUs ${left} unknown (${
      reason?.reason ?? "no node lists them"
    }): node ${lowest} is assumed`,
  };
}

/** has_memory is missing in kernels before 3.8; has_normal_memory leaves out nodes whose memory is all movable. */
function nodesWithMemory(read: ReadFile, ids: CpuSet): CpuSet | Fault {
  return readList(read, [`${ROOT}/has_memory`, `${ROOT}/has_normal_memory`], (list) => list.intersects(ids));
}

/** The kernel prints one distance for each online node, ascending by node. */
function distancesOf(read: ReadFile, id: number, ids: CpuSet): ReadonlyMap<number, number> | Fault {
  const path = `${ROOT}/node${id}/distance`;
  const numbers = readNumbers(read, path);
  if (isFault(numbers)) return numbers;
  if (numbers.length !== ids.size) return oddContent(path, numbers.join(" "));
  return new Map(ids.toArray().map((other, i) => [other, numbers[i] ?? Infinity]));
}
