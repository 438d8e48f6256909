/**
 * Which CPUs are claimed, by where containers may run alone. That doesn't say which of them is pinned, exclusive
 * or shared, so the rule is a cautious one:
 *
 *  1. What a container is confined to counts as claimed. Those that may run on all usable CPUs say nothing, and
 *     the CPUs that nobody is confined to are the pool. There is no guessing in this.
 *  2. Where the agent ran before, shared containers are confined as well, to the pool, and then no CPU is left.
 *     The pool is then the cpuset that most pods have. It is never one that a single Guaranteed pod has: that
 *     may be an exclusive one, which no second pod can have.
 *  3. Without such a set the lowest CPU stays, because that is the one which the agent gives away last.
 *
 * What this gets wrong: where more pods are pinned to the same set than share the pool, theirs is taken for the
 * pool. What it gives away needlessly: the CPUs that every shared container of the node forbids.
 */
import { CpuSet } from "../cpu/cpu_set.ts";

/** A container that may not run on all CPUs that are usable for containers. */
export interface Confined {
  /** At least one. */
  readonly cpus: CpuSet;
  /** Its pod, by any name that is that pod's alone. */
  readonly pod: string;
  /** Whether its pod's QoS class is Guaranteed. */
  readonly guaranteed: boolean;
}

/**
 * The claimed ones of the CPUs that containers can use; never all of them. When not every container was `seen`,
 * everything but the pool counts.
 */
export function likelyClaims(confined: readonly Confined[], usable: CpuSet, seen = true): CpuSet {
  const claimed = CpuSet.unionOf(confined.map(({ cpus }) => cpus)).intersection(usable);
  if (seen && !claimed.equals(usable)) return claimed;
  return usable.difference(likelyPool(confined) ?? lowest(usable));
}

/** The cpuset that most pods have; of two such the larger one, of two equal ones the lower one. */
function likelyPool(confined: readonly Confined[]): CpuSet | undefined {
  const sameSet = Map.groupBy(confined, ({ cpus }) => cpus.toString()).values();
  const candidates = [...sameSet].map((containers) => ({
    cpus: CpuSet.unionOf(containers.map(({ cpus }) => cpus)),
    pods: new Set(containers.map(({ pod }) => pod)).size,
    guaranteed: containers.every(({ guaranteed }) => guaranteed),
  })).filter(({ pods, guaranteed }) => pods > 1 || !guaranteed);
  candidates.sort((a, b) =>
    b.pods - a.pods || b.cpus.size - a.cpus.size || (a.cpus.first() ?? 0) - (b.cpus.first() ?? 0)
  );
  return candidates[0]?.cpus;
}

function lowest(cpus: CpuSet): CpuSet {
  const first = cpus.first();
  return first === undefined ? CpuSet.empty : CpuSet.of(first);
}
