/**
 * The cgroup tree as the agent's host shows it: containers are found where the runtime's record has them, and writes
 * are made all or nothing (src/cgroup/write.ts), with the faults that were drawn.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { ContainerRef, CpuLimit } from "../../src/ledger/claim.ts";
import type {
  Absent,
  AffinityOf,
  AffinityReading,
  CpusetPort,
  CpusetReading,
  CpusetValues,
  CpusetWrite,
  CpusetWriteFailure,
  CpusetWriteResult,
  Glance,
  GlancedContainer,
  Population,
  Unverified,
} from "../../src/cgroup/port.ts";
import { rereadGlance } from "../../tests/kit/reread_glance.ts";
import type { Kernel } from "./kernel.ts";

/** Faults of the tree; a fault of the next write is over once it has happened. */
export class TreeFaults {
  /** Containers whose cgroups can't be read for a while, though they are there. */
  readonly unreadable = new Set<string>();
  /** Nothing can be read for a while. */
  isGone = false;
  /** The next write passes its deadline after so many containers (at least one). */
  deadlineAfter: number | undefined;
  /** The next container that should be rolled back isn't. */
  keepsNext = false;
  /** Right after the next write another program writes the same cgroup. */
  overwrittenWith: CpuSet | undefined;

  get any(): boolean {
    return this.isGone || this.unreadable.size > 0;
  }

  end(): void {
    this.unreadable.clear();
    this.isGone = this.keepsNext = false;
    this.deadlineAfter = this.overwrittenWith = undefined;
  }
}

/** Observer of the agent's writes. */
export interface TreeWatch {
  /** The write for one container, as it happens, and where all ran before it. */
  wrote(id: string, before: ReadonlyMap<string, CpuSet>, cpus: CpuSet): void;
  /** A write failed and was rolled back, except for those that keep what was written. */
  failed(kept: readonly string[], code: string): void;
  /** The agent has been answered that somebody lives in its cgroup. */
  lived(id: string): void;
  /** The agent has looked at the threads of a container. */
  looked(id: string): void;
  /** The agent has been answered that the sets of these can't be read. */
  unverified(ids: readonly string[]): void;
}

interface Step {
  readonly id: string;
  readonly before: CpuSet;
}

type Problem = Pick<CpusetWriteFailure, "code" | "reason" | "limit">;

/** No observer. */
export const UNWATCHED: TreeWatch = { wrote() {}, failed() {}, lived() {}, looked() {}, unverified() {} };

export class SimCpusets implements CpusetPort {
  readonly writable = true;

  constructor(
    private readonly kernel: Kernel,
    private readonly faults: TreeFaults,
    private readonly watch: TreeWatch,
  ) {}

  get version(): 1 | 2 {
    return this.kernel.version;
  }

  read(container: ContainerRef): CpusetReading {
    const found = this.#find(container);
    if (found.kind === "unverified") this.watch.unverified([container.id]);
    if (found.kind !== "found") return found;
    const values = this.#inForce(found.id);
    if (!values.cpus.isEmpty) return values;
    this.watch.unverified([container.id]);
    return { kind: "unverified", reason: "it has no CPUs", isEmpty: true };
  }

  limitOf(container: ContainerRef, cpus: CpuSet): CpuLimit | undefined {
    const isHidden = this.#find(container).kind === "unverified";
    const limit = isHidden ? undefined : this.kernel.podLimit(container.podUid);
    if (limit === undefined || !limit.intersects(this.kernel.usable) || cpus.isSubsetOf(limit)) {
      return undefined;
    }
    return { cpus: limit, why: `kept from this pod by its cgroup (${limit})` };
  }

  population(container: ContainerRef): Population {
    const found = this.#find(container);
    if (found.kind === "unverified") return "unreadable";
    if (found.kind === "absent") return "absent";
    if (this.kernel.isEmpty(found.id)) return "empty";
    this.watch.lived(found.id);
    return "populated";
  }

  affinity(container: ContainerRef, of: AffinityOf): AffinityReading {
    const found = this.#find(container);
    if (found.kind !== "found") return found;
    if (of === "threads") this.watch.looked(found.id);
    return this.kernel.masks.read(found.id, this.kernel.effective(found.id) ?? CpuSet.empty, of);
  }

  glance(known: readonly GlancedContainer[]): Glance {
    return rereadGlance(this, known);
  }

  write(writes: readonly CpusetWrite[], _deadlineMs: number): CpusetWriteResult {
    const places = writes.map((each) => ({ ...each, found: this.#find(each.container) }));
    const hidden = places.filter(({ found }) => found.kind === "unverified").map(({ container }) =>
      container.id
    );
    if (hidden.length > 0) return this.#unverified(hidden, "it can't be read");
    const plan = places.flatMap(({ found, ...write }) =>
      found.kind === "found" ? [{ id: found.id, ...write }] : []
    );
    const done: Step[] = [];
    for (const [index, { id, cpus, container, isGranted }] of plan.entries()) {
      const written = this.#pastDeadline(index) ?? this.#writeOne(id, cpus, done);
      const mayBeLimited = isGranted && (written === undefined || written.code === "unverified");
      const problem = (mayBeLimited ? this.#narrowed(container, cpus) : undefined) ?? written;
      if (problem === undefined) continue;
      const notRolledBack = this.#rollBack(done);
      this.watch.failed([...notRolledBack], problem.code);
      if (problem.code === "unverified" && notRolledBack.size === 0) {
        return this.#unverified([id], problem.reason);
      }
      if (problem.code === "deadline") this.watch.unverified(plan.map((each) => each.id));
      return { kind: "failed", container: id, ...problem, notRolledBack, tookMs: 0 };
    }
    return { kind: "done", tookMs: 0 };
  }

  #unverified(ids: readonly string[], reason: string): CpusetWriteResult {
    this.watch.unverified(ids);
    return { kind: "unverified", containers: new Set(ids), reason, tookMs: 0 };
  }

  #find(
    { id, cgroup, isGroup }: ContainerRef,
  ): { readonly kind: "found"; readonly id: string } | Absent | Unverified {
    const { path = "" } = cgroup ?? {};
    if (path === "") return { kind: "unverified", reason: `the cgroups path of ${id} is unknown` };
    if (this.faults.isGone) return { kind: "unverified", reason: "there is no cgroup tree any more" };
    const name = isGroup ? id : path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf(":")) + 1);
    if (this.kernel.written(name) === undefined) return { kind: "absent" };
    if (this.faults.unreadable.has(name)) return { kind: "unverified", reason: "it can't be read" };
    return { kind: "found", id: name };
  }

  /** What was written, where that counts, which in cgroup v1 it always does; and what of it is in force. */
  #inForce(id: string): CpusetValues {
    const kind = "values";
    const written = this.kernel.written(id) ?? CpuSet.empty;
    if (this.version === 1) return { kind, cpus: written };
    const effective = this.kernel.effective(id) ?? CpuSet.empty;
    if (!effective.isSubsetOf(written)) {
      return { kind, cpus: effective, isInherited: true, ...(written.isEmpty ? {} : { isVoid: true }) };
    }
    return effective.equals(written) ? { kind, cpus: written } : { kind, cpus: written, effective };
  }

  #pastDeadline(index: number): Problem | undefined {
    const { deadlineAfter } = this.faults;
    if (deadlineAfter === undefined || index < deadlineAfter) return undefined;
    this.faults.deadlineAfter = undefined;
    return { code: "deadline", reason: "the deadline has passed" };
  }

  #writeOne(id: string, cpus: CpuSet, done: Step[]): Problem | undefined {
    const before = this.kernel.written(id) ?? CpuSet.empty;
    // What is unset can't be unset again while it has processes.
    const now = this.version === 2 && before.isEmpty ? this.kernel.online : before;
    if (before.equals(cpus)) return this.#confirmed(id, cpus);
    const ran = this.kernel.all;
    const error = this.kernel.write(id, cpus);
    if (error !== undefined) return { code: error, reason: `the kernel answers ${error}` };
    done.push({ id, before: now });
    const other = this.faults.overwrittenWith;
    this.faults.overwrittenWith = undefined;
    if (other !== undefined && !other.equals(cpus) && this.kernel.write(id, other) === undefined) {
      return { code: "overwritten", reason: "another program has written it" };
    }
    this.watch.wrote(id, ran, cpus);
    return this.#confirmed(id, cpus);
  }

  /** In cgroup v2 a set that names no CPU that is there doesn't count. */
  #confirmed(id: string, cpus: CpuSet): Problem | undefined {
    const runs = this.version === 1 ? cpus : this.kernel.effective(id) ?? cpus;
    return runs.isSubsetOf(cpus) ? undefined : { code: "unverified", reason: `it runs on ${runs}` };
  }

  #narrowed(container: ContainerRef, cpus: CpuSet): Problem | undefined {
    const limit = this.limitOf(container, cpus.intersection(this.kernel.usable));
    return limit && { code: "narrowed", reason: `${cpus} aren't all in force: ${limit.why}`, limit };
  }

  /** The last first. Ids of those that keep what was written. */
  #rollBack(done: readonly Step[]): Set<string> {
    const kept = done.toReversed().filter(({ id, before }) => {
      if (!this.faults.keepsNext) return this.kernel.write(id, before) !== undefined;
      this.faults.keepsNext = false;
      return true;
    });
    return new Set(kept.map(({ id }) => id));
  }
}
