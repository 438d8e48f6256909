import { assert } from "../assert.ts";
import { CpuSet } from "../cpu/cpu_set.ts";

/** By pod: what each of the containers holds that share CPUs there. */
type PodSets = ReadonlyMap<string, readonly CpuSet[]>;

/**
 * Who holds which CPU, as sums over all containers: the CPUs held exclusively, and for each CPU how many pinned
 * containers share it. Immutable; one container more or less costs nothing but its own CPUs, and the table of the pods that
 * have CPUs for themselves.
 */
export class ClaimedCpus {
  static readonly none = new ClaimedCpus(CpuSet.empty, CpuSet.empty, new Uint32Array(0), new Map());

  /** `exclusive` ∪ `pinned`. */
  readonly claimed: CpuSet;

  private constructor(
    readonly exclusive: CpuSet,
    readonly pinned: CpuSet,
    private readonly sharers: Uint32Array,
    private readonly pods: PodSets,
  ) {
    this.claimed = exclusive.union(pinned);
  }

  /** With `cpus` held exclusively; throws where another container has one of them. */
  withExclusive(cpus: CpuSet): ClaimedCpus {
    assert(!cpus.intersects(this.exclusive), `CPUs ${cpus} have two exclusive owners`);
    assert(!cpus.intersects(this.pinned), `CPUs ${cpus} are pinned and held exclusively`);
    return new ClaimedCpus(this.exclusive.union(cpus), this.pinned, this.sharers, this.pods);
  }

  withoutExclusive(cpus: CpuSet): ClaimedCpus {
    return new ClaimedCpus(this.exclusive.difference(cpus), this.pinned, this.sharers, this.pods);
  }

  /** With one more container of a pod on `cpus`, which others of it may have too; throws as {@link withExclusive} does. */
  withOfPod(pod: string, cpus: CpuSet): ClaimedCpus {
    const held = this.pods.get(pod) ?? [];
    const { exclusive } = this.withExclusive(cpus.difference(CpuSet.unionOf(held)));
    return new ClaimedCpus(
      exclusive,
      this.pinned,
      this.sharers,
      new Map(this.pods).set(pod, [...held, cpus]),
    );
  }

  withoutOfPod(pod: string, cpus: CpuSet): ClaimedCpus {
    const held = this.pods.get(pod) ?? [];
    const left = held.toSpliced(held.findIndex((each) => each.equals(cpus)), 1);
    const pods = new Map(this.pods);
    if (left.length === 0) pods.delete(pod);
    else pods.set(pod, left);
    const { exclusive } = this.withoutExclusive(cpus.difference(CpuSet.unionOf(left)));
    return new ClaimedCpus(exclusive, this.pinned, this.sharers, pods);
  }

  /** With one more container pinned to `cpus`; throws where one of them is held exclusively. */
  withPinned(cpus: CpuSet): ClaimedCpus {
    assert(!cpus.intersects(this.exclusive), `CPUs ${cpus} are held exclusively and pinned`);
    const ids = cpus.toArray();
    const sharers = new Uint32Array(Math.max(this.sharers.length, (ids.at(-1) ?? -1) + 1));
    sharers.set(this.sharers);
    for (const id of ids) sharers[id] = (sharers[id] ?? 0) + 1;
    return new ClaimedCpus(this.exclusive, this.pinned.union(cpus), sharers, this.pods);
  }

  withoutPinned(cpus: CpuSet): ClaimedCpus {
    const sharers = this.sharers.slice();
    for (const id of cpus) sharers[id] = (sharers[id] ?? 1) - 1;
    const left = CpuSet.from(cpus.toArray().filter((id) => sharers[id] === 0));
    return new ClaimedCpus(this.exclusive, this.pinned.difference(left), sharers, this.pods);
  }
}
