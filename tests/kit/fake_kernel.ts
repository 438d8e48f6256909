/** The kernel's cpusets as values, behind the agent's port, with the failures that a test asks for. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { ContainerRef } from "../../src/ledger/claim.ts";
import type { Cpusets, Reading, Write, WriteResult } from "../../src/cgroup/port.ts";

const MAX_WRITTEN = 1000;

export class FakeKernel implements Cpusets {
  writable = true;
  /** By container id; a container that isn't here has no cgroup. */
  readonly sets = new Map<string, CpuSet>();
  /** CPUs that can't be taken from a container, with the kernel's reason. */
  readonly busy = new Map<string, CpuSet>();
  /** Containers whose cgroups can't be read. */
  readonly unreadable = new Set<string>();
  /** The latest writes, as `id=cpus`. */
  readonly written: string[] = [];
  /** The next plan takes too long. */
  late = false;

  constructor(readonly version: 1 | 2 = 1) {}

  /** A cgroup appears, with what the runtime writes into it. */
  appear(id: string, cpus: string | CpuSet): void {
    const set = typeof cpus === "string" ? CpuSet.parse(cpus) : cpus;
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
    const before: [string, CpuSet][] = [];
    for (const [at, { container: { id }, cpus }] of writes.entries()) {
      const now = this.sets.get(id);
      const busy = this.busy.get(id) ?? CpuSet.empty;
      if (now?.difference(cpus).intersects(busy) || this.late) {
        for (const [id, cpus] of before.reverse()) this.sets.set(id, cpus);
        const code = this.late ? "late" : "EBUSY";
        this.late = false;
        return { kind: "undone", failed: at, code, reason: `a child holds ${busy} (${code})`, stuck: [] };
      }
      if (now === undefined || now.equals(cpus)) continue;
      before.push([id, now]);
      this.sets.set(id, cpus);
      this.written.push(`${id}=${cpus}`);
      if (this.written.length > MAX_WRITTEN) this.written.shift();
    }
    return { kind: "done" };
  }

  /** What the kernel has, as `id=cpus`, by id. */
  get all(): string[] {
    return [...this.sets].map(([id, cpus]) => `${id}=${cpus}`).sort();
  }
}
