/**
 * The kernel's cpusets of containers, by cgroup v1's rules or v2's. Three levels are enough to show what differs:
 * the root, kubepods (with all its pods) and the containers; what a container has below its own may hold CPUs.
 *
 *  - v2: what was written stays; what counts is that ∩ the online CPUs, and where that is empty, the parent's.
 *    A CPU that comes back is there again.
 *  - v1: an offlined CPU is taken out of every set for good, in the ancestors too. When it comes back only the root
 *    has it, and writing it to a container is EACCES. A set that would be empty inherits.
 *  - both: a set without a CPU that is held below it is EBUSY (v1: a child's set; v2: a deadline task).
 *
 * Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/cpusets.rst.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { setOf } from "./cpus.ts";

export type WriteError = "ENOENT" | "EACCES" | "ERANGE" | "EBUSY";

export class Kernel {
  #online: CpuSet;
  #kubepods: CpuSet;
  /** What was written to each container's cgroup; the empty set inherits. */
  readonly #groups = new Map<string, CpuSet>();
  /** What is held below a container's cgroup, by its id. */
  readonly #held = new Map<string, CpuSet>();

  constructor(readonly version: 1 | 2, readonly possible: CpuSet) {
    this.#online = possible;
    this.#kubepods = possible;
  }

  get online(): CpuSet {
    return this.#online;
  }

  /** What containers can have at all. */
  get usable(): CpuSet {
    return this.#kubepods.intersection(this.#online);
  }

  /** The container has these CPUs, written a while ago: on v1 without those that were offline since. */
  holds(id: string, cpus: string | undefined): boolean {
    const written = this.#groups.get(id);
    if (cpus === undefined) return written === undefined || written.isEmpty || this.version === 1;
    const left = this.version === 1 ? setOf(cpus).intersection(this.#kubepods) : setOf(cpus);
    return written !== undefined && left.equals(written);
  }

  /** runc creates the cgroup and writes what the record holds; on an error it takes it away again. */
  create(id: string, cpus: CpuSet): WriteError | undefined {
    this.#groups.set(id, this.version === 1 ? this.#kubepods : CpuSet.empty);
    const error = cpus.isEmpty ? undefined : this.write(id, cpus);
    if (error !== undefined) this.#groups.delete(id);
    return error;
  }

  write(id: string, cpus: CpuSet): WriteError | undefined {
    if (!this.#groups.has(id)) return "ENOENT";
    if (!cpus.isSubsetOf(this.possible)) return "ERANGE";
    if (this.version === 1 && !cpus.isSubsetOf(this.#kubepods)) return "EACCES";
    if (!this.held(id).isSubsetOf(cpus)) return "EBUSY";
    this.#groups.set(id, cpus);
    return undefined;
  }

  /** CPUs that the container can't be made to give up; the empty set: none. */
  held(id: string): CpuSet {
    return this.#held.get(id) ?? CpuSet.empty;
  }

  /** Something below the container's cgroup holds these CPUs, as far as it has them; or nothing any more. */
  hold(id: string, cpus: CpuSet): void {
    const held = cpus.intersection(this.effective(id) ?? CpuSet.empty);
    if (held.isEmpty) this.#held.delete(id);
    else this.#held.set(id, held);
  }

  remove(id: string): void {
    this.#groups.delete(id);
    this.#held.delete(id);
  }

  /** What the cgroup's file holds; undefined without a cgroup. */
  written(id: string): CpuSet | undefined {
    return this.#groups.get(id);
  }

  /** The CPUs on which the container really runs; undefined without a cgroup. */
  effective(id: string): CpuSet | undefined {
    const own = this.#groups.get(id)?.intersection(this.usable);
    return own?.isEmpty ? this.usable : own;
  }

  /** Where all containers run, by id. */
  get all(): ReadonlyMap<string, CpuSet> {
    return new Map([...this.#groups.keys()].map((id) => [id, this.effective(id) ?? CpuSet.empty]));
  }

  /** A CPU goes or comes back. The last one can't go. */
  hotplug(cpu: number, on: boolean): void {
    const one = CpuSet.of(cpu).intersection(this.possible);
    const next = on ? this.#online.union(one) : this.#online.difference(one);
    if (next.isEmpty || next.equals(this.#online)) return;
    if (this.version === 1 && !on) {
      if (one.equals(this.#kubepods)) return;
      this.#kubepods = this.#kubepods.difference(one);
      for (const [id, set] of this.#groups) this.#groups.set(id, set.difference(one));
    }
    this.#online = next;
    if (!on) { for (const [id, held] of this.#held) this.hold(id, held.difference(one)); }
  }
}
