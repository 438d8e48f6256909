/** What the placements mean for others, and which counts they suit. */
import { CpuSet } from "./cpu_set.ts";
import type { Placement } from "./placement.ts";
import type { Topology } from "./topology.ts";

/**
 * The CPUs that a claim on `cpus` keeps from all others: `cpus`, and where the placement promises cores of its own,
 * all online threads of their cores.
 */
export function footprint(topology: Topology, cpus: CpuSet, placement: Placement): CpuSet {
  if (!ownsCores(placement)) return cpus;
  return CpuSet.unionOf([cpus, ...[...cpus].map((id) => topology.threadsOf(id))]);
}

/** Whether claims of that placement share no core with others. */
export function ownsCores(placement: Placement): boolean {
  return placement === "full-cores" || placement === "single-thread";
}

/**
 * Why `count` CPUs can't be had with the placement, though `free` may have as many: one clause, or undefined where
 * they can. Where `free` is all that is ever assignable, they never can.
 */
export function countProblem(
  topology: Topology,
  placement: Placement,
  count: number,
  free: CpuSet,
): string | undefined {
  if (!ownsCores(placement)) return undefined;
  const widths = topology.groups.cores.filter((core) => core.isSubsetOf(free)).map((core) => core.size);
  if (placement === "single-thread") {
    return widths.length >= count
      ? undefined
      : `placement single-thread needs ${count} whole cores, ${areFree(widths.length)}`;
  }
  const known = widths.length > 0 ? widths : topology.groups.cores.map((core) => core.size);
  const unit = known.reduce(commonDivisor);
  if (count % unit !== 0) return `placement full-cores needs a multiple of ${unit} CPUs`;
  if (fits(widths, count)) return undefined;
  const cores = widths.length === 0
    ? "no whole core is free"
    : `${widths.length} whole ${widths.length === 1 ? "core is" : "cores are"} free`;
  return `placement full-cores needs ${count} CPUs on whole cores, ${cores}`;
}

function areFree(count: number): string {
  return count === 1 ? "1 is free" : `${count} are free`;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** Whether some of the cores have `count` threads together; the widest first finds it where each width divides the next. */
function fits(widths: readonly number[], count: number): boolean {
  return widths.toSorted((a, b) => b - a).reduce(
    (left, width) => width <= left ? left - width : left,
    count,
  ) === 0;
}
