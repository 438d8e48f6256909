/**
 * The masks of containers' threads (sched_setaffinity(2)): what the first process was given by the runtime, and that of one
 * more thread, which its program pins. Since Linux 6.2 (here with cgroup v2) a mask is intersected with the set for good, and
 * counts for nothing while that leaves no CPU; before (v1) each write of the set was the end of it.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { AffinityOf, AffinityValues } from "../../src/cgroup/port.ts";

export class Masks {
  readonly #first = new Map<string, CpuSet>();
  readonly #own = new Map<string, CpuSet>();

  constructor(private readonly version: 1 | 2, private readonly ofRuntime: CpuSet) {}

  /** The container has a process. */
  create(id: string): void {
    if (this.version === 2 && !this.ofRuntime.isEmpty) this.#first.set(id, this.ofRuntime);
  }

  /** Its program pins a thread; the empty set: it does so no more. */
  pin(id: string, cpus: CpuSet): void {
    if (cpus.isEmpty) this.#own.delete(id);
    else this.#own.set(id, cpus);
  }

  /** Its set was written. */
  written(id: string): void {
    if (this.version === 1) this.remove(id);
  }

  remove(id: string): void {
    this.#first.delete(id);
    this.#own.delete(id);
  }

  /** Its first process was given one. */
  isInherited(id: string): boolean {
    return this.#first.has(id);
  }

  /** One of its own leaves it less of these CPUs than it would have. */
  pinsItself(id: string, cpus: CpuSet): boolean {
    const own = left(this.#own.get(id), cpus);
    return !own.equals(cpus) && !own.equals(left(this.#first.get(id), cpus));
  }

  /** What its threads are left of the CPUs in force. */
  read(id: string, cpus: CpuSet, of: AffinityOf): AffinityValues {
    const first = left(this.#first.get(id), cpus);
    const own = this.#own.get(id);
    const all = of === "threads" && own !== undefined ? [first, left(own, cpus)] : [first];
    const less = all.filter((mask) => !mask.equals(cpus));
    return {
      kind: "affinity",
      cpus,
      masks: [...new Map(less.map((mask) => [`${mask}`, mask])).values()],
      sets: [],
      hasWhole: less.length < all.length,
    };
  }
}

function left(mask: CpuSet | undefined, cpus: CpuSet): CpuSet {
  const both = mask?.intersection(cpus) ?? CpuSet.empty;
  return both.isEmpty ? cpus : both;
}
