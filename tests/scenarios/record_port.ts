/** Cgroups of a script's containers as an agent may read them: with what the runtime's record has, and the threads that the script names. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { ContainerRef } from "../../src/ledger/claim.ts";
import type {
  AffinityOf,
  AffinityReading,
  CpusetPort,
  CpusetReading,
  Population,
} from "../../src/cgroup/port.ts";
import { cpuOf, type FakeRuntime } from "./fake_runtime.ts";
import { cpuSet } from "./tell.ts";

export class RecordPort implements CpusetPort {
  readonly version = 2;
  readonly writable = false;
  /** By container: the CPUs to which one of its threads is pinned; all others may use all. */
  readonly pinned = new Map<string, CpuSet>();

  constructor(private readonly runtime: FakeRuntime, private readonly online: () => CpuSet) {}

  read({ id }: ContainerRef): CpusetReading {
    const box = this.runtime.boxes.get(id);
    if (box === undefined) return { kind: "absent" };
    const { cpus } = cpuOf(box);
    return { kind: "values", cpus: cpus === "" ? this.online() : cpuSet(cpus) };
  }

  population({ id }: ContainerRef): Population {
    return this.runtime.boxes.has(id) ? "populated" : "absent";
  }

  affinity(container: ContainerRef, of: AffinityOf): AffinityReading {
    const reading = this.read(container);
    if (reading.kind !== "values") return { kind: "absent" };
    const { cpus } = reading;
    const left = (this.pinned.get(container.id) ?? CpuSet.empty).intersection(cpus);
    const masks = of === "first process" || left.isEmpty || left.equals(cpus) ? [] : [left];
    return { kind: "affinity", cpus, masks, sets: [], hasWhole: true };
  }

  write(): never {
    throw new Error("it isn't writable");
  }
}
