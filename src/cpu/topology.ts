import { assert } from "../assert.ts";
import { CpuSet } from "./cpu_set.ts";
import type { Withheld } from "./withheld.ts";

/**
 * One online CPU (a hardware thread) and the groups it belongs to. `core`, `cluster`, `cacheGroup` and `die` are
 * keys that are unique on the machine: the lowest online CPU id of the group. The kernel's own core_id, cluster_id
 * and die_id are not: they repeat on every socket. `node` and `socket` are the kernel's numbers.
 */
export interface Cpu {
  readonly id: number;
  /** The lowest CPU id of the core's threads. */
  readonly core: number;
  /**
   * The lowest CPU id of those that share a second-level cache or its tags: four small cores of a hybrid machine,
   * some cores of an ARM server. A core alone where cores share none; the cache group where that is unknown.
   */
  readonly cluster: number;
  /**
   * The lowest CPU id of those that share the last-level cache (L3), or, where there is none, of the NUMA node.
   * Never spans NUMA nodes: sub-NUMA clusters are reported with one L3, but each owns the slices next to it.
   */
  readonly cacheGroup: number;
  /** NUMA node. */
  readonly node: number;
  /** The lowest CPU id of the die, a part of a socket; the socket's where that is unknown. */
  readonly die: number;
  /** physical_package_id. */
  readonly socket: number;
}

/** A {@link Cpu} as discovery found it: cluster and die may be unknown; {@link Topology} replaces them by wider groups. */
export type CpuPlace = Omit<Cpu, "cluster" | "die"> & Partial<Pick<Cpu, "cluster" | "die">>;

/** What is known of the machine's CPUs as a whole, offline ones included; a set is empty where sysfs has nothing. */
export interface CpuFacts {
  /** CPUs that could ever be there. */
  readonly possible: CpuSet;
  /** CPUs that are plugged in. */
  readonly present: CpuSet;
  /** CPUs that the scheduler balances no load over (`isolcpus=`, isolated cpuset partitions). */
  readonly isolated: CpuSet;
  /** CPUs without a timer tick while they run one thread (`nohz_full=`). */
  readonly nohzFull: CpuSet;
  /** CPUs that count as offline here since no container can have them, though they are online. */
  readonly withheld: readonly Withheld[];
}

/** A core as its online threads, with the groups that all of them belong to. */
export interface Core extends Cpu {
  readonly threads: readonly number[];
}

/** The cores that share cache group, node and socket: what lies in one cell differs in nothing above its clusters. */
export interface CacheCell extends Pick<Cpu, "cacheGroup" | "node" | "socket"> {
  /** Ascending by id. */
  readonly cores: readonly Core[];
  readonly cpus: CpuSet;
}

/** A NUMA node with its online CPUs. */
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
export type Level = "core" | "cluster" | "cacheGroup" | "node" | "die" | "socket";

/**
 * Which online CPUs share what. Every core lies within one cluster and one die, every cluster within one cache
 * group, every cache group within one NUMA node, every die within one socket. NUMA nodes usually lie within sockets,
 * but not always: with NUMA switched off one node spans the sockets, and some hypervisors make every CPU its own
 * socket.
 */
export class Topology implements CpuFacts {
  readonly online: CpuSet;
  readonly possible: CpuSet;
  readonly present: CpuSet;
  readonly isolated: CpuSet;
  readonly nohzFull: CpuSet;
  readonly withheld: readonly Withheld[];
  /** Ascending by id. */
  readonly cpus: readonly Cpu[];
  /** Ascending by id. */
  readonly nodes: readonly NumaNode[];
  /** Ascending by id (their lowest thread). */
  readonly cores: readonly Core[];
  /** The cores in their cells, ascending by lowest id. */
  readonly cells: readonly CacheCell[];
  /** The online CPUs, parted by each level; the parts ascending by key. */
  readonly groups: {
    readonly cores: readonly CpuSet[];
    readonly clusters: readonly CpuSet[];
    readonly cacheGroups: readonly CpuSet[];
    readonly numaNodes: readonly CpuSet[];
    readonly dies: readonly CpuSet[];
    readonly sockets: readonly CpuSet[];
  };
  readonly #byId: ReadonlyMap<number, Cpu>;
  readonly #threads: ReadonlyMap<number, CpuSet>;
  /** NUMA node to the node that its CPUs take their memory from. */
  readonly #memoryNode: ReadonlyMap<number, number>;
  /** NUMA node without CPUs to those of the nodes that are nearest to it. */
  readonly #nearestCpus: ReadonlyMap<number, CpuSet>;

  constructor(cpus: Iterable<CpuPlace>, nodes: Iterable<NumaNode>, facts: Partial<CpuFacts> = {}) {
    this.cpus = completed([...cpus].sort((a, b) => a.id - b.id));
    this.nodes = [...nodes].sort((a, b) => a.id - b.id);
    this.online = CpuSet.from(this.cpus.map((cpu) => cpu.id));
    this.possible = facts.possible ?? CpuSet.empty;
    this.present = facts.present ?? CpuSet.empty;
    this.isolated = facts.isolated ?? CpuSet.empty;
    this.nohzFull = facts.nohzFull ?? CpuSet.empty;
    this.withheld = facts.withheld ?? [];
    this.#byId = new Map(this.cpus.map((cpu) => [cpu.id, cpu]));
    this.#threads = partition(this.cpus, "core");
    const numaNodes = partition(this.cpus, "node");
    const parts = (level: Level) => [...partition(this.cpus, level).values()];
    this.groups = {
      cores: [...this.#threads.values()],
      clusters: parts("cluster"),
      cacheGroups: parts("cacheGroup"),
      numaNodes: [...numaNodes.values()],
      dies: parts("die"),
      sockets: parts("socket"),
    };
    this.cores = coresOf(this.#byId, this.#threads);
    this.cells = cellsOf(this.cores);
    this.#memoryNode = memoryNodes(this.nodes);
    this.#nearestCpus = nearestCpus(this.nodes);
    checkNesting(this.#byId, this.groups.cores, ["socket", "die", "node", "cacheGroup", "cluster"]);
    checkNesting(this.#byId, this.groups.clusters, ["cacheGroup"]);
    checkNesting(this.#byId, this.groups.cacheGroups, ["node"]);
    checkNesting(this.#byId, this.groups.dies, ["socket"]);
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
   *
   * @param cpuless also nodes with memory and without online CPUs (HBM, CXL, that of a GPU) to which one of these nodes
   * is the nearest with CPUs, or one of several as near
   */
  memoryNodesOf(cpus: CpuSet, { cpuless = false } = {}): CpuSet {
    const ids = new Set<number>();
    for (const node of this.nodes) {
      const id = this.#memoryNode.get(node.id);
      if (id !== undefined && node.cpus.intersects(cpus)) ids.add(id);
      if (cpuless && this.#nearestCpus.get(node.id)?.intersects(cpus)) ids.add(node.id);
    }
    return CpuSet.from(ids);
  }
}

/** `cpus`, which come ascending by id, with what stands for an unknown cluster or die. */
function completed(cpus: readonly CpuPlace[]): Cpu[] {
  const lowest = new Map<number, number>();
  for (const { id, socket } of cpus) if (!lowest.has(socket)) lowest.set(socket, id);
  return cpus.map((cpu) => ({
    id: cpu.id,
    core: cpu.core,
    cluster: cpu.cluster ?? cpu.cacheGroup,
    cacheGroup: cpu.cacheGroup,
    node: cpu.node,
    die: cpu.die ?? lowest.get(cpu.socket) ?? cpu.id,
    socket: cpu.socket,
  }));
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

/** A cache group is a cell, unless it stands for a node that spans sockets. */
function cellsOf(cores: readonly Core[]): CacheCell[] {
  const bySocket = Map.groupBy(cores, ({ cacheGroup, socket }) => `${cacheGroup} ${socket}`);
  return [...bySocket.values()].flatMap((members) => {
    const [first] = members;
    if (first === undefined) return [];
    const { cacheGroup, node, socket } = first;
    const cpus = CpuSet.from(members.flatMap((core) => core.threads));
    return [{ cacheGroup, node, socket, cores: members, cpus }];
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

/** Where the distances of a node are unknown, it is near to none. */
function nearestCpus(nodes: readonly NumaNode[]): Map<number, CpuSet> {
  const withCpus = nodes.filter(({ cpus }) => !cpus.isEmpty);
  const cpuless = nodes.filter(({ cpus, hasMemory, distances }) =>
    cpus.isEmpty && hasMemory && distances.size > 0
  );
  return new Map(cpuless.map(({ id, distances }) => {
    const distance = (other: NumaNode) => distances.get(other.id) ?? Infinity;
    const least = withCpus.reduce((best, other) => Math.min(best, distance(other)), Infinity);
    const near = withCpus.filter((other) => distance(other) === least && least < Infinity);
    return [id, CpuSet.unionOf(near.map(({ cpus }) => cpus))];
  }));
}

function checkNesting(
  byId: ReadonlyMap<number, Cpu>,
  groups: readonly CpuSet[],
  levels: readonly Level[],
): void {
  for (const group of groups) {
    const [first, ...others] = group.toArray().map((id) => byId.get(id));
    const odd = levels.find((level) => others.some((cpu) => cpu?.[level] !== first?.[level]));
    assert(odd === undefined, `CPUs ${group} differ in their ${odd}`);
  }
}
