import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { ContainerRef } from "../../src/ledger/claim.ts";
import type { CpusetPort, CpusetReading, CpusetWrite, CpusetWriteResult } from "../../src/cgroup/port.ts";

/** The kernel's cpusets, without failures. */
export class Kernel implements CpusetPort {
  readonly version = 2;
  readonly writable = true;
  readonly #sets = new Map<string, CpuSet>();

  appear(id: string, cpus: CpuSet): void {
    this.#sets.set(id, cpus);
  }

  remove(id: string): void {
    this.#sets.delete(id);
  }

  read({ id }: ContainerRef): CpusetReading {
    const cpus = this.#sets.get(id);
    return cpus === undefined ? { kind: "absent" } : { kind: "values", cpus };
  }

  write(writes: readonly CpusetWrite[]): CpusetWriteResult {
    for (const { container: { id }, cpus } of writes) if (this.#sets.has(id)) this.#sets.set(id, cpus);
    return { kind: "done" };
  }
}
