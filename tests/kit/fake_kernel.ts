/** The kernel's cpusets as values, behind the agent's port, with the failures that a test asks for. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { CgroupHints, ContainerRef, CpuLimit, CpuQuota } from "../../src/ledger/claim.ts";
import type { ErrnoName } from "../../src/platform/errno.ts";
import type {
  AffinityOf,
  AffinityReading,
  CorrectMems,
  CpusetPort,
  CpusetReading,
  CpusetWrite,
  CpusetWriteResult,
  Glance,
  GlancedContainer,
  MemoryPort,
  MemoryResult,
  PartitionPort,
  PartitionResult,
  Population,
  QuotaPort,
  QuotaResult,
} from "../../src/cgroup/port.ts";
import { rereadGlance } from "./reread_glance.ts";

const MAX_WRITTEN = 200;
const NO_HINTS: CgroupHints = { path: "", parent: "", pid: 0 };

export class FakeKernel implements CpusetPort {
  writable = true;
  /** By container id; a container that isn't here has no cgroup. */
  readonly sets = new Map<string, CpuSet>();
  /** What those without a set of their own have. */
  online = CpuSet.empty;
  /** CPUs that can't be taken from a container, with the kernel's reason. */
  readonly busy = new Map<string, CpuSet>();
  /** Cgroups that can't be written at all, with the kernel's error. */
  readonly refused = new Map<string, ErrnoName>();
  /** Groups that another program has narrowed. */
  readonly foreign = new Set<string>();
  /** What another program has left a pod's cgroup, by its path. */
  readonly limits = new Map<string, CpuSet>();
  /** Containers whose cgroups can't be read. */
  readonly unreadable = new Set<string>();
  /** Somebody lives in each cgroup. */
  isPopulated = false;
  /** Containers in whose cgroups nobody lives even then. */
  readonly empty = new Set<string>();
  /** Containers that have processes, which may outlive them. */
  readonly populated = new Set<string>();
  /** The latest writes, as `id=cpus`. */
  readonly written: string[] = [];
  /** The next write passes its deadline. */
  pastDeadline = false;

  /** Masks of a container's threads as they were set, the first process' first; one without an entry has no thread. */
  readonly masks = new Map<string, readonly string[]>();
  /** Sets of cgroups inside a container's. */
  readonly inside = new Map<string, readonly string[]>();
  /** Threads aren't seen, for this reason. */
  hidden: string | undefined;
  /** Whose threads were looked at, as `id of`. */
  readonly looks: string[] = [];

  /** Absent: the kernel has no partitions. */
  partitions?: FakePartitions;
  /** Absent: the cpu controller isn't there. */
  quotas?: FakeQuotas;
  /** Absent: memory nodes can't be written. */
  memory?: FakeMemory;

  constructor(readonly version: 1 | 2 = 1) {}

  /** A cgroup appears, with what the runtime writes into it. */
  appear(id: string, cpus: string | CpuSet): void {
    const set = typeof cpus === "string" ? CpuSet.parse(cpus) : cpus;
    if (set instanceof CpuSet) this.sets.set(id, set);
  }

  read({ id, cgroup }: ContainerRef): CpusetReading {
    if (this.unreadable.has(id)) return { kind: "unverified", reason: `the cgroup of ${id} can't be opened` };
    const cpus = this.sets.get(id);
    if (cpus === undefined) return { kind: "absent" };
    const above = this.sets.get(classOf(cgroup?.parent)) ?? this.online;
    const around = this.#inPod(cgroup?.parent, above.isEmpty ? this.online : above);
    if (around.isEmpty) return { kind: "values", cpus };
    const both = cpus.intersection(around);
    const effective = both.isEmpty ? around : both;
    if (cpus.isEmpty) return { kind: "values", cpus: effective, isInherited: true };
    if (this.foreign.has(id)) return { kind: "values", cpus, effective, isForeign: true };
    if (!effective.isSubsetOf(cpus)) {
      return { kind: "values", cpus: effective, isInherited: true, isVoid: true };
    }
    return { kind: "values", cpus, effective };
  }

  /** What a pod's cgroup has of those around it: all, where what another program has left it has nothing in common with these. */
  #inPod(pod = "", around: CpuSet): CpuSet {
    const left = this.limits.get(pod)?.intersection(around) ?? CpuSet.empty;
    return left.isEmpty ? around : left;
  }

  population({ id }: ContainerRef): Population {
    if (this.unreadable.has(id)) return "unreadable";
    if (!this.sets.has(id)) return "absent";
    if (this.populated.has(id)) return "populated";
    return this.isPopulated && !this.empty.has(id) ? "populated" : "empty";
  }

  glance(known: readonly GlancedContainer[]): Glance {
    return rereadGlance(this, known);
  }

  write(writes: readonly CpusetWrite[], deadlineMs: number): CpusetWriteResult {
    const ids = writes.map(({ container }) => container.id).filter((id) => this.unreadable.has(id));
    if (ids.length > 0) {
      return { kind: "unverified", containers: new Set(ids), reason: "no cgroup", tookMs: 0 };
    }
    const before: [string, CpuSet][] = [];
    for (const { container, cpus, isGranted } of writes) {
      const { id } = container;
      const now = this.sets.get(id);
      const busy = this.busy.get(id) ?? CpuSet.empty;
      if (now?.difference(cpus).intersects(busy) || this.pastDeadline) {
        for (const [id, cpus] of before.reverse()) this.sets.set(id, cpus);
        const failed = { kind: "failed", container: id, notRolledBack: new Set<string>() } as const;
        if (!this.pastDeadline) {
          return { ...failed, code: "EBUSY", reason: `a child holds ${busy} (EBUSY)`, tookMs: 0 };
        }
        this.pastDeadline = false;
        return { ...failed, code: "deadline", reason: "no time was left", tookMs: deadlineMs };
      }
      if (now === undefined) continue;
      const limit = isGranted ? this.limitOf(container, cpus) : undefined;
      if (limit !== undefined) {
        for (const [id, cpus] of before.reverse()) this.sets.set(id, cpus);
        const reason = `${id} can't have all of the CPUs ${cpus}: ${limit.why}`;
        const kept = { container: id, notRolledBack: new Set<string>(), tookMs: 0 };
        return { kind: "failed", code: "narrowed", reason, limit, ...kept };
      }
      if (now.equals(cpus)) continue;
      before.push([id, now]);
      const code = this.refused.get(id);
      if (code !== undefined) {
        const failed = { kind: "failed", container: id, notRolledBack: new Set<string>() } as const;
        return { ...failed, code, reason: `it can't be written (${code})`, tookMs: 0 };
      }
      this.sets.set(id, cpus);
      this.written.push(`${id}=${cpus}`);
      if (this.written.length > MAX_WRITTEN) this.written.shift();
    }
    return { kind: "done", tookMs: 0 };
  }

  limitOf({ cgroup: { parent = "" } = NO_HINTS }: ContainerRef, cpus: CpuSet): CpuLimit | undefined {
    const limit = this.limits.get(parent);
    if (limit === undefined || cpus.isSubsetOf(limit)) return undefined;
    return { cpus: limit, why: `kept from this pod by ${parent} (${limit})` };
  }

  /** As Linux 6.2 and later have it: what a mask leaves of the set; all of it, where that is nothing. */
  affinity(container: ContainerRef, of: AffinityOf): AffinityReading {
    const { id } = container;
    this.looks.push(`${id} ${of}`);
    if (this.looks.length > MAX_WRITTEN) this.looks.shift();
    if (this.hidden !== undefined) return { kind: "unverified", reason: this.hidden };
    const reading = this.read(container);
    const masks = this.masks.get(id);
    if (reading.kind !== "values" || masks === undefined) return { kind: "absent" };
    const cpus = reading.effective ?? reading.cpus;
    const left = (text: string) => {
      const set = CpuSet.parse(text);
      const both = set instanceof CpuSet ? set.intersection(cpus) : cpus;
      return both.isEmpty ? cpus : both;
    };
    const all = (of === "threads" ? masks : masks.slice(0, 1)).map(left);
    const sets = of === "threads" ? (this.inside.get(id) ?? []).map(left) : [];
    const less = (some: readonly CpuSet[]) => [
      ...new Map(some.filter((each) => !each.equals(cpus)).map((each) => [`${each}`, each])).values(),
    ];
    return {
      kind: "affinity",
      cpus,
      masks: less(all),
      sets: less(sets),
      hasWhole: all.some((each) => each.equals(cpus)),
    };
  }

  /** Where the container runs: by its own set and its class's. */
  runsOn(id: string, parent: string): string {
    const reading = this.read({ id, cgroup: { path: "", parent, pid: 0 } } as ContainerRef);
    return reading.kind === "values" ? `${reading.effective ?? reading.cpus}` : reading.kind;
  }

  /** What the kernel has, as `id=cpus`, by id. */
  get all(): string[] {
    return [...this.sets].map(([id, cpus]) => `${id}=${cpus}`).sort();
  }
}

/** Partitions by container id, with the failures that a test asks for. */
export class FakePartitions implements PartitionPort {
  readonly all = new Map<string, string>();
  /** What was called, as `partition id=cpus`. */
  readonly calls: string[] = [];
  /** Why none is made, or none ended. */
  refusal: string | undefined;
  releaseRefusal: string | undefined;

  partition({ id }: ContainerRef, cpus: CpuSet): PartitionResult {
    if (this.refusal !== undefined) return { kind: "failed", reason: this.refusal };
    const isNew = this.all.get(id) !== `${cpus}`;
    if (isNew) this.calls.push(`partition ${id}=${cpus}`);
    this.all.set(id, `${cpus}`);
    return { kind: "done", isNew };
  }

  release({ id }: ContainerRef): PartitionResult {
    if (this.releaseRefusal !== undefined) return { kind: "failed", reason: this.releaseRefusal };
    if (this.all.delete(id)) this.calls.push(`release ${id}`);
    return { kind: "done", isNew: false };
  }

  clearStale(known: readonly ContainerRef[]): PartitionResult {
    for (const id of [...this.all.keys()].filter((id) => !known.some((each) => each.id === id))) {
      this.all.delete(id);
      this.calls.push(`clear ${id}`);
    }
    return { kind: "done", isNew: false };
  }
}

/** The path of the QoS class that a pod's cgroup is in, where its name says so. */
function classOf(parent = ""): string {
  return /^(.*\/(burstable|besteffort))\//.exec(parent)?.[1] ?? "";
}

/** CFS quotas of containers, by id, and of pods, by uid; as `quota/period`, or `max`. */
export class FakeQuotas implements QuotaPort {
  readonly all = new Map<string, CpuQuota>();
  readonly written: string[] = [];
  readonly stops = new Map<string, number>();
  refusal?: string;

  ofContainer({ id }: ContainerRef, limit: CpuQuota | undefined): QuotaResult {
    return this.#set(id, limit);
  }

  ofPod({ podUid }: ContainerRef, limit: CpuQuota | undefined): QuotaResult {
    return this.#set(podUid, limit);
  }

  throttled({ id }: ContainerRef): number | undefined {
    return this.stops.get(id);
  }

  #set(name: string, limit: CpuQuota | undefined): QuotaResult {
    if (this.refusal !== undefined) return { kind: "failed", reason: this.refusal };
    const before = this.all.get(name);
    const beside = before === undefined ? {} : { before };
    const text = (each: CpuQuota | undefined) => each === undefined ? "max" : `${each.quota}/${each.period}`;
    if (text(before) === text(limit)) return { kind: "done", isNew: false, ...beside };
    if (limit === undefined) this.all.delete(name);
    else this.all.set(name, limit);
    this.written.push(`${name}=${text(limit)}`);
    if (this.written.length > MAX_WRITTEN) this.written.shift();
    return { kind: "done", isNew: true, ...beside };
  }
}

/** Memory nodes of containers, by id, as the kernel has them. */
export class FakeMemory implements MemoryPort {
  readonly nodes = new Map<string, CpuSet>();
  /** MiB that it uses; absent: few. */
  readonly used = new Map<string, number>();
  /** The latest writes, as `id=nodes`. */
  readonly written: string[] = [];
  /** Who was looked at. */
  readonly looks: string[] = [];

  bind({ id }: ContainerRef, nodes: CpuSet, correct: CorrectMems): MemoryResult {
    this.looks.push(id);
    if (this.looks.length > MAX_WRITTEN) this.looks.shift();
    const before = this.nodes.get(id);
    if (before === undefined || before.equals(nodes)) return { kind: "done" };
    const used = this.used.get(id) ?? 1;
    if (correct === "never" || (correct === "young" && used >= 256)) {
      return { kind: "failed", reason: `it has ${before} and uses ${used} MiB (correctMems: ${correct})` };
    }
    this.nodes.set(id, nodes);
    this.written.push(`${id}=${nodes}`);
    return { kind: "done", before };
  }
}
