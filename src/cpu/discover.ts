/**
 * Discovery: a {@link Topology} from the files of sysfs, read through an injected function.
 *
 * Only one thing is indispensable, the list of online CPUs. Whatever else is missing or odd, in virtual machines,
 * sandboxes and on unusual hardware, degrades to something coarser that is still true enough, with one warning for
 * each kind of thing that is unknown. Files are read once a group and not once a CPU: a core's siblings, a
 * cache's and a package's CPUs are all told by the first of them.
 *
 * Sources, in the kernel's tree: Documentation/admin-guide/cputopology.rst,
 * Documentation/ABI/testing/sysfs-devices-system-cpu, Documentation/ABI/stable/sysfs-devices-node.
 */
import { CpuSet } from "./cpu_set.ts";
import { discoverNuma } from "./numa.ts";
import { Fault, type ReadFile, readList, readNumbers } from "./sysfs_files.ts";
import { type Cpu, type NumaNode, Topology } from "./topology.ts";

export type { ReadFile };

const ROOT = "devices/system/cpu";

export interface Discovery {
  readonly topology: Topology;
  /** What is unknown about the machine, why, and what is assumed instead: one sentence for each kind. */
  readonly warnings: string[];
}

/** The online CPUs can't be known; there is nothing to decide about. */
export class DiscoverError extends Error {
  override name = "DiscoverError";
  constructor(readonly path: string, readonly found: string) {
    super(`can't tell which CPUs are online: ${found}`);
  }
}

/** Throws {@link DiscoverError} where the online CPUs can't be known. */
export function discover(read: ReadFile): Discovery {
  const online = onlineCpus(read);
  const numa = discoverNuma(read, online);
  const siblings = threadSiblings(read, online);
  const caches = lastLevelCaches(read, online);
  const sockets = socketIds(read, online);
  const topology = new Topology(assemble(online, numa.nodes, siblings, caches, sockets), numa.nodes);
  const warnings = [
    ...numa.warnings,
    ...siblings.warn("thread siblings", "each of them counts as a core of its own"),
    ...caches.warn("L3 cache", "their NUMA node stands for it"),
    ...sockets.warn("socket", "socket 0 is assumed"),
  ];
  return { topology, warnings };
}

function onlineCpus(read: ReadFile): CpuSet {
  const path = `${ROOT}/online`;
  const online = readList(read, [path], (list) => !list.isEmpty);
  if (online instanceof Fault) throw new DiscoverError(path, online.reason);
  return online;
}

/** A number for each CPU that is the same where they share something, and what is unknown about it. */
class Shared {
  readonly #keys = new Map<number, number>();
  #unknown = CpuSet.empty;
  #fault: Fault | undefined;

  of(cpu: number): number | undefined {
    return this.#keys.get(cpu);
  }

  set(cpus: CpuSet, key: number): void {
    for (const cpu of cpus) this.#keys.set(cpu, key);
  }

  miss(cpus: CpuSet, fault: Fault): void {
    this.#unknown = this.#unknown.union(cpus);
    this.#fault ??= fault;
  }

  warn(what: string, instead: string): string[] {
    return this.#fault === undefined
      ? []
      : [`the ${what} of CPUs ${this.#unknown} can't be told (${this.#fault}): ${instead}`];
  }
}

/** Parts `online` by the lists that `listOf` finds for the first CPU of each part; the key is that CPU. */
function shareByList(online: CpuSet, listOf: (cpu: number) => CpuSet | Fault): Shared {
  const shared = new Shared();
  let left = online;
  for (const cpu of online) {
    if (!left.has(cpu)) continue;
    const list = listOf(cpu);
    const self = CpuSet.of(cpu);
    const members = list instanceof Fault ? self : list.intersection(left).union(self);
    if (list instanceof Fault) shared.miss(self, list);
    else shared.set(members, cpu);
    left = left.difference(members);
  }
  return shared;
}

/** core_id repeats on every socket and die, so the list of siblings is what tells cores apart. */
function threadSiblings(read: ReadFile, online: CpuSet): Shared {
  return shareByList(
    online,
    (cpu) => listAbout(cpu, read, "topology/core_cpus_list", "topology/thread_siblings_list"),
  );
}

/** The list in the first of these files of the CPU that holds one; a list without the CPU itself is odd. */
function listAbout(cpu: number, read: ReadFile, ...names: string[]): CpuSet | Fault {
  return readList(read, names.map((name) => `${ROOT}/cpu${cpu}/${name}`), (list) => list.has(cpu));
}

/** index3 describes the L3 nearly everywhere: it is looked at first, the others in order until one is missing. */
const CACHE_INDEXES = [3, 0, 1, 2, 4, 5, 6, 7, 8, 9];

function lastLevelCaches(read: ReadFile, online: CpuSet): Shared {
  return shareByList(online, (cpu) => {
    for (const index of CACHE_INDEXES) {
      const level = readNumbers(read, `${ROOT}/cpu${cpu}/cache/index${index}/level`);
      if (!(level instanceof Fault) && level[0] === 3) {
        return listAbout(cpu, read, `cache/index${index}/shared_cpu_list`);
      }
      if (level instanceof Fault && index !== 3) break;
    }
    return new Fault(`${ROOT}/cpu${cpu}/cache has no cache of level 3`);
  });
}

/** physical_package_id, read once a package. It is -1 where firmware tells nothing. */
function socketIds(read: ReadFile, online: CpuSet): Shared {
  const packages = shareByList(
    online,
    (cpu) => listAbout(cpu, read, "topology/package_cpus_list", "topology/core_siblings_list"),
  );
  const sockets = new Shared();
  for (const [key, cpus] of Map.groupBy(online, (cpu) => packages.of(cpu) ?? cpu)) {
    const id = readNumbers(read, `${ROOT}/cpu${key}/topology/physical_package_id`);
    if (id instanceof Fault) sockets.miss(CpuSet.from(cpus), id);
    else sockets.set(CpuSet.from(cpus), id[0] ?? 0);
  }
  return sockets;
}

/**
 * The CPUs, with groups cut so that they nest as {@link Topology} wants: a core and a cache group end where their
 * NUMA node ends, a core also where its socket does. A core has the cache group of its lowest thread.
 */
function assemble(
  online: CpuSet,
  nodes: readonly NumaNode[],
  siblings: Shared,
  caches: Shared,
  sockets: Shared,
): Cpu[] {
  const nodeOf = new Map(nodes.flatMap((node) => node.cpus.toArray().map((cpu) => [cpu, node.id])));
  const lowest = new Map<string, number>();
  const key = (cpu: number, ...parts: (string | number | undefined)[]) => {
    const text = parts.join();
    if (!lowest.has(text)) lowest.set(text, cpu);
    return lowest.get(text) ?? cpu;
  };
  return online.toArray().map((id) => {
    const node = nodeOf.get(id) ?? 0;
    const socket = sockets.of(id) ?? 0;
    const core = key(id, "core", node, socket, siblings.of(id) ?? `alone${id}`);
    const cacheGroup = key(id, "cache", node, caches.of(core));
    return { id, core, cacheGroup, node, socket };
  });
}
