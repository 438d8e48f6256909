/**
 * Discovery: a {@link Topology} from the files of sysfs, read through an injected function.
 *
 * Only one thing is indispensable, the list of online CPUs. Whatever else is missing or odd, in virtual machines,
 * sandboxes and on unusual hardware, degrades to something coarser that is still true enough, with one warning for
 * each kind of thing that is unknown. Files are read once a group and not once a CPU: a core's siblings, a
 * cache's and a package's CPUs are all read from the files of the first of them.
 *
 * Sources, in the kernel's tree: Documentation/admin-guide/cputopology.rst,
 * Documentation/ABI/testing/sysfs-devices-system-cpu, Documentation/ABI/stable/sysfs-devices-node.
 */
import { CpuSet } from "./cpu_set.ts";
import { discoverNuma } from "./numa.ts";
import { type Fault, isFault, oddContent, type ReadFile, readList, readNumbers } from "./sysfs_files.ts";
import { type CpuFacts, type CpuPlace, type NumaNode, Topology } from "./topology.ts";
import type { Withheld } from "./withheld.ts";

export type { ReadFile };

const ROOT = "devices/system/cpu";

/** A machine as discovery found it. */
export interface Discovery {
  readonly topology: Topology;
  /** What is unknown about the machine, why, and what is assumed instead: one sentence for each kind of thing. */
  readonly warnings: string[];
}

/** The list of online CPUs is missing or odd: without it there is nothing to decide about. */
export class DiscoverError extends Error {
  override name = "DiscoverError";
  constructor(readonly path: string, readonly found: string) {
    super(`failed to read which CPUs are online: ${found}`);
  }
}

/**
 * The machine below `read`. Throws {@link DiscoverError} where the online CPUs are unknown.
 *
 * @param withheld CPUs that `read` doesn't show as online, since no container can have them
 */
export function discover(read: ReadFile, withheld: readonly Withheld[] = []): Discovery {
  const online = onlineCpus(read);
  const numa = discoverNuma(read, online);
  const siblings = threadSiblings(read, online);
  const caches = lastLevelCaches(read, online);
  const clusters = whereKnown(read, online, "topology/cluster_cpus_list");
  const dies = whereKnown(read, online, "topology/die_cpus_list");
  const sockets = socketIds(read, online);
  const facts = cpuFacts(read);
  const places = assemble(online, numa.nodes, { siblings, clusters, caches, dies, sockets });
  const topology = new Topology(places, numa.nodes, { ...facts.sets, withheld });
  const warnings = [
    ...numa.warnings,
    ...siblings.warn("thread siblings", "each of them counts as a core of its own"),
    ...caches.warn("L3 cache", "their NUMA node stands for it"),
    ...clusters.warn("cluster", "their cache group stands for it"),
    ...dies.warn("die", "their socket stands for it"),
    ...sockets.warn("socket", "socket 0 is assumed"),
    ...facts.warnings,
  ];
  return { topology, warnings };
}

function onlineCpus(read: ReadFile): CpuSet {
  const path = `${ROOT}/online`;
  const online = readList(read, [path], (list) => !list.isEmpty);
  if (isFault(online)) throw new DiscoverError(path, online.reason);
  return online;
}

/** A number for each CPU that is the same where they share something, and what is unknown about it. */
class SharedGroups {
  readonly #keys = new Map<number, number>();
  #unknown = CpuSet.empty;
  #reason: Fault | undefined;

  of(cpu: number): number | undefined {
    return this.#keys.get(cpu);
  }

  set(cpus: CpuSet, key: number): void {
    for (const cpu of cpus) this.#keys.set(cpu, key);
  }

  addUnknown(cpus: CpuSet, reason: Fault): void {
    this.#unknown = this.#unknown.union(cpus);
    this.#reason ??= reason;
  }

  warn(what: string, instead: string): string[] {
    return this.#reason === undefined
      ? []
      : [`${what} of CPUs ${this.#unknown} unknown (${this.#reason.reason}): ${instead}`];
  }
}

/** Parts `online` by the lists that `listOf` finds for the first CPU of each part; the key is that CPU. */
function shareByList(online: CpuSet, listOf: (cpu: number) => CpuSet | Fault): SharedGroups {
  const shared = new SharedGroups();
  let left = online;
  for (const cpu of online) {
    if (!left.has(cpu)) continue;
    const list = listOf(cpu);
    const self = CpuSet.of(cpu);
    const members = isFault(list) ? self : list.intersection(left).union(self);
    if (isFault(list)) shared.addUnknown(self, list);
    else shared.set(members, cpu);
    left = left.difference(members);
  }
  return shared;
}

/** core_id repeats on every socket and die, so cores are distinguished by their lists of siblings. */
function threadSiblings(read: ReadFile, online: CpuSet): SharedGroups {
  return shareByList(
    online,
    (cpu) => listAbout(cpu, read, "topology/core_cpus_list", "topology/thread_siblings_list"),
  );
}

/** Kernels before 5.16 have no files about clusters, those before 5.2 none about dies: the first CPU's stands for all. */
function whereKnown(read: ReadFile, online: CpuSet, name: string): SharedGroups {
  const known = read(`${ROOT}/cpu${online.first()}/${name}`) !== undefined;
  return known ? shareByList(online, (cpu) => listAbout(cpu, read, name)) : new SharedGroups();
}

/** The list in the first of these files of the CPU that holds one; a list without the CPU itself is odd. */
function listAbout(cpu: number, read: ReadFile, ...names: string[]): CpuSet | Fault {
  return readList(read, names.map((name) => `${ROOT}/cpu${cpu}/${name}`), (list) => list.has(cpu));
}

/** index3 describes the L3 nearly everywhere: it is looked at first, the others in order until one is missing. */
const CACHE_INDEXES = [3, 0, 1, 2, 4, 5, 6, 7, 8, 9];

function lastLevelCaches(read: ReadFile, online: CpuSet): SharedGroups {
  return shareByList(online, (cpu) => {
    for (const index of CACHE_INDEXES) {
      const level = readNumbers(read, `${ROOT}/cpu${cpu}/cache/index${index}/level`);
      if (!isFault(level) && level[0] === 3) {
        return listAbout(cpu, read, `cache/index${index}/shared_cpu_list`);
      }
      if (isFault(level) && index !== 3) break;
    }
    return { kind: "fault", reason: `${ROOT}/cpu${cpu}/cache has no cache of level 3` };
  });
}

/** physical_package_id, read once a package. It is -1 where firmware has none. */
function socketIds(read: ReadFile, online: CpuSet): SharedGroups {
  const packages = shareByList(
    online,
    (cpu) => listAbout(cpu, read, "topology/package_cpus_list", "topology/core_siblings_list"),
  );
  const sockets = new SharedGroups();
  for (const [key, cpus] of Map.groupBy(online, (cpu) => packages.of(cpu) ?? cpu)) {
    const id = readNumbers(read, `${ROOT}/cpu${key}/topology/physical_package_id`);
    if (isFault(id)) sockets.addUnknown(CpuSet.from(cpus), id);
    else sockets.set(CpuSet.from(cpus), id[0] ?? 0);
  }
  return sockets;
}

type FactSet = Exclude<keyof CpuFacts, "withheld">;

const FACT_FILES = { possible: "possible", present: "present", isolated: "isolated", nohzFull: "nohz_full" };

/** A missing file means no CPU; so does an empty one, and "(null)", as nohz_full has it without its option. */
function cpuFacts(read: ReadFile): { sets: Partial<CpuFacts>; warnings: string[] } {
  const sets: Partial<Record<FactSet, CpuSet>> = {};
  const warnings: string[] = [];
  for (const [fact, file] of Object.entries(FACT_FILES) as [FactSet, string][]) {
    const content = read(`${ROOT}/${file}`) ?? "";
    const list = CpuSet.parse(content.trim() === "(null)" ? "" : content);
    if (list instanceof CpuSet) sets[fact] = list;
    else warnings.push(`${oddContent(`${ROOT}/${file}`, content).reason}: no CPU counts as ${file}`);
  }
  return { sets, warnings };
}

/** The groups of the CPUs at each level, as the files have them. */
interface FoundGroups {
  readonly siblings: SharedGroups;
  readonly clusters: SharedGroups;
  readonly caches: SharedGroups;
  readonly dies: SharedGroups;
  readonly sockets: SharedGroups;
}

/**
 * The CPUs, with groups cut so that they nest as {@link Topology} requires: a core and a cache group end where their
 * NUMA node ends, a core and a die also where their socket does, a cluster where its cache group does. A core is in
 * the groups of its lowest thread.
 */
function assemble(online: CpuSet, nodes: readonly NumaNode[], groups: FoundGroups): CpuPlace[] {
  const nodeOf = new Map(nodes.flatMap((node) => node.cpus.toArray().map((cpu) => [cpu, node.id])));
  const lowest = new Map<string, number>();
  const key = (cpu: number, ...parts: (string | number | undefined)[]) => {
    const text = parts.join();
    if (!lowest.has(text)) lowest.set(text, cpu);
    return lowest.get(text) ?? cpu;
  };
  return online.toArray().map((id) => {
    const node = nodeOf.get(id) ?? 0;
    const socket = groups.sockets.of(id) ?? 0;
    const core = key(id, "core", node, socket, groups.siblings.of(id) ?? `alone${id}`);
    const cacheGroup = key(id, "cache", node, groups.caches.of(core));
    const cluster = groups.clusters.of(core);
    const die = groups.dies.of(core);
    return {
      id,
      core,
      cacheGroup,
      node,
      socket,
      ...(cluster !== undefined && { cluster: key(id, "cluster", cacheGroup, cluster) }),
      ...(die !== undefined && { die: key(id, "die", socket, die) }),
    };
  });
}
