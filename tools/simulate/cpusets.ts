/**
 * The cgroup tree as the agent's host shows it: containers are found where their records place them, and plans
 * are carried out wholly or not at all (src/cgroup/write.ts), with whatever goes wrong as it was drawn.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { ContainerRef } from "../../src/ledger/claim.ts";
import type { Cpusets, Reading, Write, WriteResult } from "../../src/cgroup/port.ts";
import type { Kernel } from "./kernel.ts";

/** What is to go wrong in the tree; what is set for once is reset when it has happened. */
export class TreeFaults {
  /** Containers whose cgroups can't be read for a while, though they are there. */
  readonly unreadable = new Set<string>();
  /** Nothing can be read for a while. */
  isGone = false;
  /** There is no more time in the next plan, after so many containers (at least one). */
  lateAfter: number | undefined;
  /** The next container that is put back stays as it is. */
  keepsNext = false;
  /** Right after the next write another program writes the same cgroup. */
  overwrittenWith: CpuSet | undefined;

  get any(): boolean {
    return this.isGone || this.unreadable.size > 0;
  }

  end(): void {
    this.unreadable.clear();
    this.isGone = this.keepsNext = false;
    this.lateAfter = this.overwrittenWith = undefined;
  }
}

/** Observer of the agent's writes. */
export interface TreeWatch {
  /** One write of a plan, as it happens. */
  wrote(id: string, from: CpuSet, cpus: CpuSet): void;
  /** A plan has come to nothing, but for those that keep what was written. */
  undone(kept: readonly string[], code: string): void;
  /** The agent got the result that these can't be read or written. */
  unverified(ids: readonly string[]): void;
}

interface Step {
  readonly id: string;
  readonly at: number;
  readonly before: CpuSet;
}

interface Problem {
  readonly code: string;
  readonly reason: string;
}

/** No observer. */
export const UNWATCHED: TreeWatch = { wrote() {}, undone() {}, unverified() {} };

export class SimCpusets implements Cpusets {
  readonly writable = true;

  constructor(
    private readonly kernel: Kernel,
    private readonly faults: TreeFaults,
    private readonly watch: TreeWatch,
  ) {}

  get version(): 1 | 2 {
    return this.kernel.version;
  }

  read(container: ContainerRef): Reading {
    const found = this.#find(container);
    if (typeof found !== "string") {
      if (found.kind === "unverified") this.watch.unverified([container.id]);
      return found;
    }
    const cpus = this.#inForce(found);
    if (!cpus.isEmpty) return { kind: "values", cpus };
    this.watch.unverified([container.id]);
    return { kind: "unverified", reason: "it has no CPUs" };
  }

  write(writes: readonly Write[], _deadline: number): WriteResult {
    const found = writes.map(({ container }) => this.#find(container));
    const which = found.flatMap((each, at) =>
      typeof each !== "string" && each.kind === "unverified" ? [at] : []
    );
    const ids = (these: readonly number[]) => these.map((at) => writes[at]?.container.id ?? "");
    if (which.length > 0) {
      this.watch.unverified(ids(which));
      return { kind: "unverified", which, reason: "it can't be read" };
    }
    const plan = writes.flatMap(({ cpus }, at) => {
      const id = found[at];
      return typeof id === "string" ? [{ id, cpus, at }] : [];
    });
    const done: Step[] = [];
    for (const [index, { id, cpus, at }] of plan.entries()) {
      const problem = this.#isLate(index) ?? this.#writeOne(id, at, cpus, done);
      if (problem === undefined) continue;
      const stuck = this.#putBack(done);
      this.watch.undone(ids(stuck), problem.code);
      if (problem.code === "unverified" && stuck.length === 0) {
        this.watch.unverified(ids([at]));
        return { kind: "unverified", which: [at], reason: problem.reason };
      }
      if (problem.code === "late") this.watch.unverified(ids(plan.map((each) => each.at)));
      return { kind: "undone", failed: at, ...problem, stuck };
    }
    return { kind: "done" };
  }

  #find({ id, cgroup }: ContainerRef): string | Exclude<Reading, { kind: "values" }> {
    const { path = "" } = cgroup ?? {};
    if (path === "") return { kind: "unverified", reason: `no cgroup path is known of ${id}` };
    if (this.faults.isGone) return { kind: "unverified", reason: "there is no cgroup tree any more" };
    const name = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf(":")) + 1);
    if (this.kernel.written(name) === undefined) return { kind: "vanished" };
    if (this.faults.unreadable.has(name)) return { kind: "unverified", reason: "it can't be read" };
    return name;
  }

  /** What was written, where that counts; in cgroup v1 it always does. */
  #inForce(id: string): CpuSet {
    const written = this.kernel.written(id) ?? CpuSet.empty;
    if (this.version === 1) return written;
    const effective = this.kernel.effective(id) ?? CpuSet.empty;
    return effective.isSubsetOf(written) ? written : effective;
  }

  #isLate(index: number): Problem | undefined {
    const { lateAfter } = this.faults;
    if (lateAfter === undefined || index < lateAfter) return undefined;
    this.faults.lateAfter = undefined;
    return { code: "late", reason: "there is no more time" };
  }

  #writeOne(id: string, at: number, cpus: CpuSet, done: Step[]): Problem | undefined {
    const before = this.kernel.written(id) ?? CpuSet.empty;
    const now = this.version === 2 && before.isEmpty ? this.kernel.effective(id) ?? before : before;
    if (now.equals(cpus)) return this.#confirmed(id, cpus);
    const ran = this.kernel.effective(id) ?? CpuSet.empty;
    const error = this.kernel.write(id, cpus);
    if (error !== undefined) return { code: error, reason: `the kernel returned ${error}` };
    done.push({ id, at, before: now });
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

  /** The last first; what can't be put back is returned by its place in the plan. */
  #putBack(done: readonly Step[]): number[] {
    return done.toReversed().flatMap(({ id, at, before }) => {
      if (this.faults.keepsNext) {
        this.faults.keepsNext = false;
        return [at];
      }
      return this.kernel.write(id, before) === undefined ? [] : [at];
    });
  }
}
