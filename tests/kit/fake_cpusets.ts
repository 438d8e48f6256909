/** A kernel's cpusets as values, with the failures that are asked for. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { ContainerRef } from "../../src/ledger/claim.ts";
import type { Cpusets, Reading, Write, WriteResult } from "../../src/cgroup/port.ts";

export class FakeCpusets implements Cpusets {
  writable = true;
  /** By container id; who isn't here has no cgroup. */
  readonly sets = new Map<string, CpuSet>();
  /** CPUs that can't be taken from a container, with the kernel's reason. */
  readonly busy = new Map<string, CpuSet>();
  /** Containers whose cgroups can't be read. */
  readonly unreadable = new Set<string>();
  /** The writes that have been made, as `id=cpus`. */
  readonly written: string[] = [];
  /** The next plan takes too long. */
  late = false;

  constructor(readonly version: 1 | 2 = 1) {}

  /** A cgroup appears, with what the runtime writes into it. */
  appear(id: string, cpus: string): void {
    const set = CpuSet.parse(cpus);
    if (set instanceof CpuSet) this.sets.set(id, set);
  }

  read({ id }: ContainerRef): Reading {
    if (this.unreadable.has(id)) return { kind: "unverified", reason: `the cgroup of ${id} can't be opened` };
    const cpus = this.sets.get(id);
    return cpus === undefined ? { kind: "vanished" } : { kind: "values", cpus };
  }

  write(writes: readonly Write[]): WriteResult {
    const which = [...writes.keys()].filter((at) => this.unreadable.has(writes[at]?.container.id ?? ""));
    if (which.length > 0) return { kind: "unverified", which, reason: "no cgroup" };
    const before = new Map(this.sets);
    for (const [at, { container: { id }, cpus }] of writes.entries()) {
      const now = this.sets.get(id);
      const busy = this.busy.get(id) ?? CpuSet.empty;
      if (now?.difference(cpus).intersects(busy) || this.late) {
        for (const [id, cpus] of before) this.sets.set(id, cpus);
        const code = this.late ? "late" : "EBUSY";
        this.late = false;
        return { kind: "undone", failed: at, code, reason: `a child holds ${busy} (${code})`, stuck: [] };
      }
      if (now === undefined || now.equals(cpus)) continue;
      this.sets.set(id, cpus);
      this.written.push(`${id}=${cpus}`);
    }
    return { kind: "done" };
  }

  /** What the kernel has, as `id=cpus`, by id. */
  get all(): string[] {
    return [...this.sets].map(([id, cpus]) => `${id}=${cpus}`).sort();
  }
}
