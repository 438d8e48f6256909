/**
 * The kernel's cpusets, by cgroup v1's rules or v2's. Four levels are enough to show what differs: the root, kubepods,
 * the QoS classes and the containers, those of Guaranteed pods right below kubepods; a pod's own cgroup has a set only where
 * another program has given it one.
 * What a container has below its own may hold CPUs.
 *
 *  - v2: what was written stays; what counts is that ∩ what the cgroup above has, and where that is empty, all of the
 *    latter. A CPU that comes back is there again. A set isn't emptied while there are processes in it (ENOSPC).
 *  - v1: no set has more than the one above it (EACCES), nor less than one below it (EBUSY), and a new cgroup has all
 *    that the one above it has. An offlined CPU is taken out of every set for good; when it comes back only the root has
 *    it. Where a set would be empty, its processes go to the cgroup above.
 *  - Another program may narrow kubepods, or take CPUs for a partition beside it: v2 takes these from what is in force in
 *    kubepods and leaves what was written; in v1 they have to leave every set first, and then only kubepods and the classes get them back.
 *  - both: a set without a CPU that is held below it is EBUSY (v2: a deadline task).
 *
 * Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/cpusets.rst.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { setOf } from "./cpus.ts";
import { Masks } from "./masks.ts";

export type WriteError = "ENOENT" | "EACCES" | "ERANGE" | "EBUSY" | "ENOSPC";

interface Cgroup {
  /** The id of the class that it is in; absent: it is right below kubepods. */
  readonly above?: string | undefined;
  /** Its pod. */
  readonly pod: string;
  /** The empty set inherits. */
  readonly written: CpuSet;
}

export class Kernel {
  #online: CpuSet;
  #kubepods: CpuSet;
  /** By pod, what its cgroup has by another program (v2). */
  readonly #limits = new Map<string, CpuSet>();
  /** By a partition of another program's (v2). */
  #taken = CpuSet.empty;
  /** By id, which is a class' path. */
  readonly #cgroups = new Map<string, Cgroup>();
  readonly #classes = new Set<string>();
  /** Containers in whose cgroups nobody lives. */
  readonly #empty = new Set<string>();
  /** What is held below a cgroup, by its id. */
  readonly #held = new Map<string, CpuSet>();

  /** `classes`: the paths of the QoS classes' cgroups, which kubelet makes at its start. */
  constructor(
    readonly version: 1 | 2,
    readonly possible: CpuSet,
    classes: readonly string[] = [],
    readonly masks: Masks = new Masks(version, CpuSet.empty),
  ) {
    this.#online = possible;
    this.#kubepods = possible;
    for (const path of classes) {
      this.#classes.add(path);
      this.#cgroups.set(path, { pod: path, written: this.#inNew() });
    }
  }

  get online(): CpuSet {
    return this.#online;
  }

  /** The paths of the QoS classes' cgroups. */
  get classes(): string[] {
    return [...this.#classes];
  }

  /** What containers can have at all. */
  get usable(): CpuSet {
    const left = this.#online.difference(this.#taken);
    const around = left.isEmpty ? this.#online : left;
    const own = this.#kubepods.intersection(around);
    return own.isEmpty ? around : own;
  }

  /** The path of the class that a container is in; undefined: it is in none. */
  classOf(id: string): string | undefined {
    return this.#cgroups.get(id)?.above;
  }

  /** The CPUs of the cgroup above. */
  around(id: string): CpuSet {
    const above = this.#cgroups.get(id)?.above;
    const around = (above === undefined ? undefined : this.effective(above)) ?? this.usable;
    const left = this.limit(id)?.intersection(around);
    return left === undefined || left.isEmpty ? around : left;
  }

  /** What another program has given the pod's cgroup of a container; undefined: nothing. */
  limit(id: string): CpuSet | undefined {
    return this.#limits.get(this.#cgroups.get(id)?.pod ?? "");
  }

  /** It has nothing in common with what is above it, and so doesn't count, until that grows. */
  isLimitVoid(id: string): boolean {
    const limit = this.limit(id);
    return limit !== undefined && !this.around(id).isSubsetOf(limit);
  }

  /** Pods whose cgroups have a set of another program's. */
  get limited(): string[] {
    return [...this.#limits.keys()];
  }

  /** What another program has given the cgroup of a pod; undefined: nothing. */
  podLimit(pod: string): CpuSet | undefined {
    return this.#limits.get(pod);
  }

  /** The containers of a pod that have a cgroup. */
  inPod(pod: string): string[] {
    return [...this.#cgroups].flatMap(([id, each]) => each.pod === pod ? [id] : []);
  }

  /** Another program gives the cgroup of a pod this set; the empty one: it takes it back. */
  limitPod(pod: string, cpus: CpuSet): void {
    if (cpus.isEmpty) this.#limits.delete(pod);
    else this.#limits.set(pod, cpus);
  }

  /** The container has these CPUs, written a while ago: on v1 without those that were offline since. */
  holds(id: string, cpus: string | undefined): boolean {
    const written = this.written(id);
    if (cpus === undefined) return written === undefined || written.isEmpty || this.version === 1;
    const left = this.version === 1 ? setOf(cpus).intersection(this.#kubepods) : setOf(cpus);
    return written !== undefined && left.equals(written);
  }

  /** runc creates the cgroup and writes what the record holds; on an error it takes it away again. */
  create(id: string, cpus: CpuSet, above?: string, pod = id): WriteError | undefined {
    this.#cgroups.set(id, { above, pod, written: this.#inNew(above) });
    const error = cpus.isEmpty ? undefined : this.write(id, cpus);
    if (error !== undefined) this.#cgroups.delete(id);
    else this.masks.create(id);
    return error;
  }

  #inNew(above?: string): CpuSet {
    if (this.version === 2) return CpuSet.empty;
    return above === undefined ? this.#kubepods : this.written(above) ?? this.#kubepods;
  }

  /** The empty set is written only by who takes a class' set away (v2). */
  write(id: string, cpus: CpuSet): WriteError | undefined {
    const cgroup = this.#cgroups.get(id);
    if (cgroup === undefined) return "ENOENT";
    if (!cpus.isSubsetOf(this.possible)) return "ERANGE";
    if (cpus.isEmpty && (!this.#classes.has(id) || this.#below(id).length > 0)) return "ENOSPC";
    if (this.version === 1 && !cpus.isSubsetOf(this.#inNew(cgroup.above))) return "EACCES";
    const below = this.#below(id);
    const isLess = (other: string) => this.version === 1 && this.written(other)?.isSubsetOf(cpus) === false;
    if (below.some(isLess)) return "EBUSY";
    if (![id, ...below].every((other) => this.held(other).isSubsetOf(cpus))) return "EBUSY";
    this.#cgroups.set(id, { ...cgroup, written: cpus });
    for (const other of [id, ...below]) this.masks.written(other);
    return undefined;
  }

  #below(id: string): string[] {
    return this.#classes.has(id)
      ? [...this.#cgroups].flatMap(([other, { above }]) => above === id ? [other] : [])
      : [];
  }

  /** CPUs that the container can't be made to give up; the empty set: none. */
  held(id: string): CpuSet {
    return this.#held.get(id) ?? CpuSet.empty;
  }

  /** Something below the container's cgroup holds these CPUs, as far as it has them; or nothing any more. */
  hold(id: string, cpus: CpuSet): void {
    const held = this.#empty.has(id) ? CpuSet.empty : cpus.intersection(this.effective(id) ?? CpuSet.empty);
    if (held.isEmpty) this.#held.delete(id);
    else this.#held.set(id, held);
  }

  /** Nobody lives in the container's cgroup, which stays. */
  desert(id: string): void {
    this.#empty.add(id);
    this.#held.delete(id);
  }

  isEmpty(id: string): boolean {
    return this.#empty.has(id);
  }

  remove(id: string): void {
    this.#cgroups.delete(id);
    this.#empty.delete(id);
    this.#held.delete(id);
    this.masks.remove(id);
  }

  /** What the cgroup's file holds; undefined without a cgroup. */
  written(id: string): CpuSet | undefined {
    return this.#cgroups.get(id)?.written;
  }

  /** The CPUs on which the container, or all that is in the class, really runs; undefined without a cgroup. */
  effective(id: string): CpuSet | undefined {
    const written = this.written(id);
    if (written === undefined) return undefined;
    const around = this.around(id);
    const own = written.intersection(around);
    return own.isEmpty ? around : own;
  }

  /** Where all containers run, by id. */
  get all(): ReadonlyMap<string, CpuSet> {
    const ids = [...this.#cgroups.keys()].filter((id) => !this.#classes.has(id));
    return new Map(ids.map((id) => [id, this.effective(id) ?? CpuSet.empty]));
  }

  /** Another program gives kubepods this set; the empty one: all CPUs. */
  narrow(cpus: CpuSet): void {
    if (this.version === 1 && !cpus.isEmpty) return void this.#strike(this.#kubepods.difference(cpus));
    this.#kubepods = !cpus.isEmpty ? cpus : this.version === 1 ? this.#online : this.possible;
    if (this.version === 2) return;
    for (const path of this.#classes) this.#cgroups.set(path, { pod: path, written: this.#kubepods });
  }

  /** Another program has these CPUs for itself, in a cgroup beside kubepods; the empty set: no more. */
  take(cpus: CpuSet): void {
    const left = cpus.isEmpty ? cpus : this.#online.difference(cpus);
    if (this.version === 2) this.#taken = cpus;
    else if (cpus.isEmpty || !left.isEmpty) this.narrow(left);
  }

  /** They leave every set for good (v1). False: kubepods has no others. */
  #strike(cpus: CpuSet): boolean {
    const left = this.#kubepods.difference(cpus);
    if (left.isEmpty) return false;
    this.#kubepods = left;
    for (const [id, cgroup] of this.#cgroups) {
      this.#cgroups.set(id, { ...cgroup, written: cgroup.written.difference(cpus) });
    }
    for (const [id, held] of this.#held) this.hold(id, held.difference(cpus));
    return true;
  }

  /** A CPU goes or comes back. The last one can't go. */
  hotplug(cpu: number, on: boolean): void {
    const one = CpuSet.of(cpu).intersection(this.possible);
    const next = on ? this.#online.union(one) : this.#online.difference(one);
    if (next.isEmpty || next.equals(this.#online)) return;
    if (this.version === 1 && !on && !this.#strike(one)) return;
    this.#online = next;
    if (!on) { for (const [id, held] of this.#held) this.hold(id, held.difference(one)); }
  }
}
