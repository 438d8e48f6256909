/**
 * Estimates which CPUs are claimed, from the CPUs that containers may run on. These don't show which container is
 * pinned, exclusive or shared, so the rule is a cautious one:
 *
 *  1. The CPUs that a container is confined to count as claimed. A container that may run on all usable CPUs shows
 *     nothing, and the CPUs that no container is confined to are the pool. This is certain.
 *  2. Where the agent ran before, shared containers are confined as well, to the pool, and then no CPU is left.
 *     The pool is then the cpuset that most pods have. It is never one that a single Guaranteed pod has: that
 *     may be an exclusive one, which no second pod can have.
 *  3. Without such a set the lowest CPU stays unclaimed, because it is the one that the agent assigns last.
 *
 * Known errors: where more pods are pinned to the same set than share the pool, theirs is taken for the pool; and the
 * CPUs that every shared container of the node forbids count as claimed.
 */
import { CpuSet } from "../cpu/cpu_set.ts";

/** A container that may not run on all CPUs that are usable for containers. */
export interface Confined {
  /** At least one. */
  readonly cpus: CpuSet;
  /** Its pod, by any name that is unique to it. */
  readonly pod: string;
  /** Whether its pod's QoS class is Guaranteed. */
  readonly guaranteed: boolean;
}

/**
 * The claimed ones of the CPUs that containers can use; never all of them. When not every container was read (`seen`),
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
