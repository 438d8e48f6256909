import { assert } from "../assert.ts";
import { CpuSet } from "./cpu_set.ts";

/**
 * One online CPU (a hardware thread) and the groups it belongs to. `core` and `cacheGroup` are keys that are
 * unique on the machine: the lowest online CPU id of the group. The kernel's own core_id is not: it repeats on
 * every socket and die. `node` and `socket` are the kernel's numbers.
 */
export interface Cpu {
  readonly id: number;
  /** The lowest CPU id of the core's threads. */
  readonly core: number;
  /**
   * The lowest CPU id of those that share the last-level cache (L3), or, where there is none, of the NUMA node.
   * Never spans NUMA nodes: sub-NUMA clusters are reported with one L3, but each owns the slices next to it.
   */
  readonly cacheGroup: number;
  /** NUMA node. */
  readonly node: number;
  /** physical_package_id. */
  readonly socket: number;
}

/** A core as its online threads, with the groups that all of them belong to. */
export interface Core extends Cpu {
  readonly threads: readonly number[];
}

export interface NumaNode {
  readonly id: number;
  /** Its online CPUs; none for a node that is memory only. */
  readonly cpus: CpuSet;
  /** Known to have memory. */
  readonly hasMemory: boolean;
  /** Node id to the kernel's relative distance (10 is local); empty where it is unknown. */
  readonly distances: ReadonlyMap<number, number>;
}

/** What the levels of a {@link Cpu} are called where they are used as keys. */
export type Level = "core" | "cacheGroup" | "node" | "socket";

/**
 * Which online CPUs share what. Every core lies within one cache group and within one socket, every cache group
 * within one NUMA node. NUMA nodes usually lie within sockets, but not always: with NUMA switched off one node
 * spans the sockets, and some hypervisors make every CPU its own socket.
 */
export class Topology {
  readonly online: CpuSet;
  /** Ascending by id. */
  readonly cpus: readonly Cpu[];
  /** Ascending by id. */
  readonly nodes: readonly NumaNode[];
  /** Ascending by id (their lowest thread). */
  readonly cores: readonly Core[];
  /** The online CPUs, parted by each level; the parts ascending by key. */
  readonly groups: {
    readonly cores: readonly CpuSet[];
    readonly cacheGroups: readonly CpuSet[];
    readonly numaNodes: readonly CpuSet[];
    readonly sockets: readonly CpuSet[];
  };
  readonly #byId: ReadonlyMap<number, Cpu>;
  readonly #threads: ReadonlyMap<number, CpuSet>;
  /** NUMA node to the node that its CPUs take their memory from. */
  readonly #memoryNode: ReadonlyMap<number, number>;

  constructor(cpus: Iterable<Cpu>, nodes: Iterable<NumaNode>) {
    this.cpus = [...cpus].sort((a, b) => a.id - b.id);
    this.nodes = [...nodes].sort((a, b) => a.id - b.id);
    this.online = CpuSet.from(this.cpus.map((cpu) => cpu.id));
    this.#byId = new Map(this.cpus.map((cpu) => [cpu.id, cpu]));
    this.#threads = partition(this.cpus, "core");
    const numaNodes = partition(this.cpus, "node");
    this.groups = {
      cores: [...this.#threads.values()],
      cacheGroups: [...partition(this.cpus, "cacheGroup").values()],
      numaNodes: [...numaNodes.values()],
      sockets: [...partition(this.cpus, "socket").values()],
    };
    this.cores = coresOf(this.#byId, this.#threads);
    this.#memoryNode = memoryNodes(this.nodes);
    checkNesting(this.#byId, this.groups.cores, ["cacheGroup", "node", "socket"]);
    checkNesting(this.#byId, this.groups.cacheGroups, ["node"]);
    for (const node of this.nodes) {
      assert(node.cpus.equals(numaNodes.get(node.id) ?? CpuSet.empty), `NUMA node ${node.id} has other CPUs`);
    }
  }

  /** The online CPU of that id. */
  cpu(id: number): Cpu | undefined {
    return this.#byId.get(id);
  }

  /** The online threads of the CPU's core, itself among them; none where the CPU isn't online. */
  threadsOf(cpuId: number): CpuSet {
    const cpu = this.cpu(cpuId);
    return (cpu && this.#threads.get(cpu.core)) ?? CpuSet.empty;
  }

  /**
   * The NUMA nodes whose memory belongs to `cpus`, for `cpuset.mems`: the union of the nodes of the CPUs, where
   * a node without memory stands for its nearest node with memory (by distance, then by lowest id). CPUs that
   * aren't online are skipped. Empty where nothing is known about memory: then nothing should be written.
   */
  memoryNodesOf(cpus: CpuSet): CpuSet {
    const ids = new Set<number>();
    for (const node of this.nodes) {
      const id = this.#memoryNode.get(node.id);
      if (id !== undefined && node.cpus.intersects(cpus)) ids.add(id);
    }
    return CpuSet.from(ids);
  }
}

/** The CPUs by their key at `level`, ascending by key. */
function partition(cpus: readonly Cpu[], level: Level): Map<number, CpuSet> {
  const parts = Map.groupBy(cpus, (cpu) => cpu[level]);
  return new Map(
    [...parts].sort(([a], [b]) => a - b).map(([key, part]) => [key, CpuSet.from(part.map((cpu) => cpu.id))]),
  );
}

function coresOf(byId: ReadonlyMap<number, Cpu>, threads: ReadonlyMap<number, CpuSet>): Core[] {
  return [...threads].map(([key, set]) => {
    const lowest = byId.get(key);
    assert(lowest !== undefined && set.first() === key, `core ${key} is not named after its lowest CPU`);
    return { ...lowest, threads: set.toArray() };
  });
}

function memoryNodes(nodes: readonly NumaNode[]): Map<number, number> {
  const homes = new Map<number, number>();
  const withMemory = nodes.filter((node) => node.hasMemory);
  for (const node of nodes) {
    const distance = (other: NumaNode) => node.distances.get(other.id) ?? Infinity;
    const [first, ...others] = withMemory;
    if (first === undefined) break;
    const nearest = others.reduce((best, other) => distance(other) < distance(best) ? other : best, first);
    homes.set(node.id, node.hasMemory ? node.id : nearest.id);
  }
  return homes;
}

function checkNesting(
  byId: ReadonlyMap<number, Cpu>,
  groups: readonly CpuSet[],
  levels: readonly Level[],
): void {
  for (const group of groups) {
    const [first, ...others] = group.toArray().map((id) => byId.get(id));
    for (const level of levels) {
      assert(
        others.every((cpu) => cpu?.[level] === first?.[level]),
        `CPUs ${group} differ in their ${level}`,
      );
    }
  }
}
