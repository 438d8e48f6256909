import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { ContainerRef } from "../../src/ledger/claim.ts";
import type { Cpusets, Reading, Write, WriteResult } from "../../src/cgroup/port.ts";

/** The kernel's cpusets, as far as nobody gets in the way. */
export class Kernel implements Cpusets {
  readonly version = 2;
  readonly writable = true;
  readonly #sets = new Map<string, CpuSet>();

  appear(id: string, cpus: CpuSet): void {
    this.#sets.set(id, cpus);
  }

  vanish(id: string): void {
    this.#sets.delete(id);
  }

  read({ id }: ContainerRef): Reading {
    const cpus = this.#sets.get(id);
    return cpus === undefined ? { kind: "vanished" } : { kind: "values", cpus };
  }

  write(writes: readonly Write[]): WriteResult {
    for (const { container: { id }, cpus } of writes) if (this.#sets.has(id)) this.#sets.set(id, cpus);
    return { kind: "done" };
  }
}
