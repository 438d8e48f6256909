/** The kernel's cpusets: {@link CpusetPort} on the cgroup tree. */
import { affinityIn, readAffinity } from "./affinity.ts";
import { findCgroup, findGroup, findHierarchy, type FoundCgroup, rootWith } from "./hierarchy.ts";
import { glanceAt } from "./glance.ts";
import { GroupSets } from "./group_sets.ts";
import { isOurs } from "./marker.ts";
import { CgroupDirectory } from "./directory.ts";
import { growLate } from "./late.ts";
import { limitAt, limitAtOneOf, placeAmong } from "./limits.ts";
import { cgroupCandidates } from "./paths.ts";
import { look, withKept, withTasksKept } from "./keep.ts";
import { type CgroupTree, type CpusetHierarchy, readCpuset, readingOf, unverified } from "./read.ts";
import { isPopulated, populationOf } from "./population.ts";
import { KernelMemory } from "./mems.ts";
import { KernelPartitions } from "./kernel_partitions.ts";
import { KernelQuotas } from "./kernel_quotas.ts";
import { allCpus, type CgroupWrite, writeCpusets } from "./write.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { ContainerRef, CpuLimit } from "../ledger/claim.ts";
import type { LogRecord } from "../log_record.ts";
import type { UnitProperties } from "../systemd/port.ts";
import type {
  Absent,
  AffinityOf,
  AffinityReading,
  Apply,
  CpusetPort,
  CpusetReading,
  CpusetWrite,
  CpusetWriteResult,
  Glance,
  GlancedContainer,
  MemoryPort,
  PartitionPort,
  Population,
  QuotaPort,
  Unverified,
} from "./port.ts";

interface Opening {
  readonly cgroupRoot: string;
  readonly apply: Apply;
  /** systemd's units, where it can be asked. */
  readonly units?: UnitProperties | undefined;
}

/** The cpusets below `cgroupRoot`, absent where there are none, and what to log about them. Never throws. */
export function openCpusets(
  { cgroupRoot, apply, units }: Opening,
): { readonly cpusets?: CpusetPort; readonly record: LogRecord } {
  const hierarchy = findHierarchy(cgroupRoot);
  if (hierarchy.kind === "unverified") {
    return { record: fallback(apply, "cpusets not found", hierarchy.reason) };
  }
  const problem = writeProblem(hierarchy);
  const tree = problem === undefined ? withKept(hierarchy) : hierarchy;
  const cpusets = new KernelCpusets(tree, problem === undefined, units);
  if (apply === "runtime") {
    return { cpusets, record: { level: "info", message: "applying CPU changes through runtime updates" } };
  }
  if (problem !== undefined) return { cpusets, record: fallback(apply, "cpusets not writable", problem) };
  const fields = { cgroup: `v${hierarchy.version}`, root: hierarchy.root };
  return { cpusets, record: { level: "info", message: "applying cpusets directly (kernel-first)", fields } };
}

function fallback(apply: Apply, what: string, reason: string): LogRecord {
  const level = apply === "kernel-first" ? "error" : "warn";
  const message = `${what}; falling back to runtime updates, whose failures aren't reported`;
  return { level, message, fields: { reason } };
}

/** Why no set can be written in this tree; undefined where nothing is known against it. */
export function writeProblem({ root }: Pick<CpusetHierarchy, "root">): string | undefined {
  const opened = CgroupDirectory.open(root, "");
  if (opened.kind === "errno") return `${root} can't be opened: ${opened.text} (${opened.errno})`;
  using directory = opened;
  const failure = directory.writeProblem("cgroup.procs");
  if (failure === undefined) return undefined;
  if (failure.errno === "ENOENT") return `${root} is no cgroup tree: it has no cgroup.procs`;
  const remedy = failure.errno === "EROFS"
    ? "mount it writable"
    : "run as root with the cgroup tree writable";
  return `the cgroup tree ${root} can't be written (${failure.errno}): ${remedy}`;
}

const NONE: ReadonlySet<string> = new Set();

const OWN = "the kernel lets an agent in a pod write every container's cpuset but its own (nsdelegate)";

class KernelCpusets implements CpusetPort {
  readonly version: 1 | 2;
  readonly partitions?: PartitionPort;
  readonly quotas?: QuotaPort;
  readonly memory?: MemoryPort;
  /**
   * The root of this process' own cgroup namespace, once the kernel has refused to let it be written from in there
   * (cgroup-v2.rst, "Delegation Containment"): there is one at most.
   */
  #own: string | undefined;

  readonly #groups: GroupSets;
  readonly #pids: CgroupTree | undefined;

  constructor(
    private readonly hierarchy: CpusetHierarchy,
    readonly writable: boolean,
    units: UnitProperties | undefined,
  ) {
    this.version = hierarchy.version;
    this.#groups = new GroupSets(hierarchy.root, units);
    const pids = this.version === 1 ? rootWith("pids", hierarchy) : undefined;
    if (pids !== undefined) this.#pids = hierarchy.kept === undefined ? { root: pids } : withTasksKept(pids);
    if (writable) this.memory = new KernelMemory(hierarchy);
    if (this.version === 2 && writable) this.partitions = new KernelPartitions(hierarchy);
    const quotas = KernelQuotas.beside(hierarchy);
    if (quotas !== undefined) this.quotas = quotas;
  }

  read(container: ContainerRef): CpusetReading {
    look(this.hierarchy, false);
    const kept = this.#kept(container);
    const there = kept && readingOf(kept, this.version);
    if (there?.kind === "values") return there;
    const found = this.#find(container);
    if (found.kind !== "found") return found;
    const reading = readCpuset(this.hierarchy, found.path);
    if (reading.kind === "absent") return this.#absent();
    return container.isGroup ? this.#groups.withOwner(found.path, reading) : reading;
  }

  limitOf(container: ContainerRef, cpus: CpuSet): CpuLimit | undefined {
    const found = this.#find(container);
    if (found.kind === "found") return limitAt(this.hierarchy, found.path, cpus);
    return limitAtOneOf(this.hierarchy, this.#placesOf(container), cpus);
  }

  growPod(container: ContainerRef, cpus: CpuSet): void {
    const place = this.version === 1 ? placeAmong(this.hierarchy, this.#placesOf(container)) : undefined;
    if (place !== undefined) growLate(this.hierarchy, place.slice(0, place.lastIndexOf("/")), cpus);
  }

  population(container: ContainerRef): Population {
    if (this.#pids !== undefined) look(this.#pids, false);
    const kept = this.#kept(container);
    if (kept !== undefined && isPopulated(kept, this.version, this.#pids)) return "populated";
    const found = this.#find(container);
    if (found.kind === "unverified") return "unreadable";
    const population = found.kind === "absent"
      ? found.kind
      : populationOf(this.hierarchy, found.path, this.#pids);
    return population === "absent" && this.#absent().kind === "unverified" ? "unreadable" : population;
  }

  affinity(container: ContainerRef, of: AffinityOf): AffinityReading {
    const look = { of, pid: container.cgroup?.pid ?? 0 };
    const kept = this.#kept(container);
    const there = kept && affinityIn(this.hierarchy, kept, look);
    if (there?.kind === "affinity") return there;
    const found = this.#find(container);
    return found.kind === "found" ? readAffinity(this.hierarchy, found.path, look) : found;
  }

  glance(known: readonly GlancedContainer[]): Glance {
    const found = known.map((each) => ({ ...each, directory: this.#kept(each.container) }));
    return glanceAt(this.hierarchy, found, this.#pids);
  }

  write(writes: readonly CpusetWrite[], deadlineMs: number): CpusetWriteResult {
    look(this.hierarchy, true);
    const located: (CgroupWrite & { readonly isGroup: boolean })[] = [];
    const reasons = new Map<string, string>();
    for (const { container, ...write } of writes) {
      const found = this.#find(container);
      if (found.kind === "found") {
        located.push({ id: container.id, path: found.path, isGroup: container.isGroup === true, ...write });
      }
      if (found.kind === "unverified") reasons.set(container.id, found.reason);
    }
    const [reason] = reasons.values();
    if (reason !== undefined) {
      return { ...unverified(reason), containers: new Set(reasons.keys()), tookMs: 0 };
    }
    const startMs = performance.now();
    const groups = located.filter(({ isGroup }) => isGroup);
    for (const { id, path, cpus } of groups) {
      const foreign = this.#foreign(path);
      const problem = foreign ?? this.#groups.willBeWritten(path, cpus);
      if (problem === undefined) continue;
      const tookMs = performance.now() - startMs;
      if (foreign !== undefined) return { ...unverified(foreign), containers: new Set([id]), tookMs };
      return { kind: "failed", container: id, code: "EAGAIN", reason: problem, notRolledBack: NONE, tookMs };
    }
    const result = writeCpusets(this.hierarchy, located, deadlineMs);
    // After all files: these are in force at once, and the property is only so that they stay.
    if (result.kind === "done") { for (const { path, cpus } of groups) this.#groups.written(path, cpus); }
    const tookMs = performance.now() - startMs;
    if (result.kind === "done" || result.notRolledBack.size > 0) return { ...result, tookMs };
    const { container, code } = result;
    const path = located.find(({ id }) => id === container)?.path ?? "";
    const isOwn = code === "EPERM" && this.#isOwn(path);
    if (isOwn) this.#own = path;
    if (!isOwn && code !== "unverified") return { ...result, tookMs };
    return { ...unverified(isOwn ? OWN : result.reason), containers: new Set([container]), tookMs };
  }

  /** Why a group isn't written: another program has narrowed it. */
  #foreign(path: string): string | undefined {
    if (isOurs(this.hierarchy.root, path)) return undefined;
    const reading = readCpuset(this.hierarchy, path);
    if (reading.kind !== "values" || reading.isInherited) return undefined;
    // In cgroup v1 it begins with what the cgroup above has.
    const above = this.version === 1
      ? readCpuset(this.hierarchy, path.slice(0, path.lastIndexOf("/")))
      : undefined;
    const all = above?.kind === "values" ? above.cpus : allCpus(this.hierarchy);
    if (all === undefined || all.isSubsetOf(reading.cpus)) return undefined;
    return `another program has given ${path} the CPUs ${reading.cpus}; write all CPUs there`;
  }

  /** Whether this process is in that cgroup: a pid namespace shows its own processes there by their ids in it. */
  #isOwn(path: string): boolean {
    const opened = CgroupDirectory.open(this.hierarchy.root, path);
    if (opened.kind !== "directory") return false;
    using directory = opened;
    const processes = directory.read("cgroup.procs");
    return processes.kind === "text" && processes.text.split("\n").includes(`${Deno.pid}`);
  }

  /** Where a container's cgroup may be, likeliest first. */
  #placesOf({ id, cgroup }: ContainerRef): string[] {
    return cgroup === undefined ? [] : cgroupCandidates(id, cgroup, this.hierarchy.nestings);
  }

  /** Its cgroup where that is kept open: unless it has been removed, it needs not be found anew. */
  #kept(container: ContainerRef): CgroupDirectory | undefined {
    const kept = container.isGroup ? undefined : this.hierarchy.kept?.foundAt(container);
    return kept?.path === this.#own ? undefined : kept;
  }

  #find(container: ContainerRef): FoundCgroup | Absent | Unverified {
    const found = container.isGroup
      ? findGroup(this.hierarchy, container.id)
      : findCgroup(this.hierarchy, container);
    if (found.kind === "found" && found.path === this.#own) return unverified(OWN);
    return found.kind === "absent" ? this.#absent() : found;
  }

  /** Where the whole tree has been removed, no container is known to be absent. */
  #absent(): Absent | Unverified {
    const { root } = this.hierarchy;
    const opened = CgroupDirectory.open(root, "");
    if (opened.kind === "directory") {
      using directory = opened;
      if (directory.read("cgroup.procs").kind === "text") return { kind: "absent" };
    }
    return unverified(`there is no cgroup tree at ${root} any more`);
  }
}
