import { assert } from "../assert.ts";
import { CpuSet } from "../cpu/cpu_set.ts";

/**
 * Who holds which CPU, as sums over all containers: the CPUs held exclusively, and for each CPU how many pinned
 * containers share it. Immutable; one container more or less costs nothing but its own CPUs.
 */
export class ClaimedCpus {
  static readonly none = new ClaimedCpus(CpuSet.empty, CpuSet.empty, new Uint32Array(0));

  /** `exclusive` ∪ `pinned`. */
  readonly claimed: CpuSet;

  private constructor(
    readonly exclusive: CpuSet,
    readonly pinned: CpuSet,
    private readonly sharers: Uint32Array,
  ) {
    this.claimed = exclusive.union(pinned);
  }

  /** With `cpus` held exclusively; throws where another container has one of them. */
  withExclusive(cpus: CpuSet): ClaimedCpus {
    assert(!cpus.intersects(this.exclusive), `CPUs ${cpus} have two exclusive owners`);
    assert(!cpus.intersects(this.pinned), `CPUs ${cpus} are pinned and held exclusively`);
    return new ClaimedCpus(this.exclusive.union(cpus), this.pinned, this.sharers);
  }

  withoutExclusive(cpus: CpuSet): ClaimedCpus {
    return new ClaimedCpus(this.exclusive.difference(cpus), this.pinned, this.sharers);
  }

  /** With one more container pinned to `cpus`; throws where one of them is held exclusively. */
  withPinned(cpus: CpuSet): ClaimedCpus {
    assert(!cpus.intersects(this.exclusive), `CPUs ${cpus} are held exclusively and pinned`);
    const ids = cpus.toArray();
    const sharers = new Uint32Array(Math.max(this.sharers.length, (ids.at(-1) ?? -1) + 1));
    sharers.set(this.sharers);
    for (const id of ids) sharers[id] = (sharers[id] ?? 0) + 1;
    return new ClaimedCpus(this.exclusive, this.pinned.union(cpus), sharers);
  }

  withoutPinned(cpus: CpuSet): ClaimedCpus {
    const sharers = this.sharers.slice();
    for (const id of cpus) sharers[id] = (sharers[id] ?? 1) - 1;
    const left = CpuSet.from(cpus.toArray().filter((id) => sharers[id] === 0));
    return new ClaimedCpus(this.exclusive, this.pinned.difference(left), sharers);
  }
}
