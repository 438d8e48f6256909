/**
 * Taking CPUs for an exclusive claim, by the ladder of `score.ts`.
 *
 * CPU 0's core and penalized CPUs are left out at first, and let in, in this order, only where that reaches an
 * earlier rung of step 1 (or makes the claim possible at all); CPU 0 is then the last to go.
 *
 * The placements. `packed` is the ladder as it stands. `full-cores` is the ladder with whole cores alone: none is
 * broken, nothing loose is taken. `single-thread` is the ladder with one thread, the lowest, of each whole core.
 * `spread` deals whole cores over the NUMA nodes one by one: each to the node that has the fewest CPUs of the claim
 * so far, of those with such a core left; of equals to the one with the most free CPUs, then to the lowest. What is
 * then needed and is less than a core, or more than there are whole ones, is dealt CPU by CPU in the same way, from
 * orphans as long as a node has some, then from strays; what is still left breaks one core, on one node. So two nodes
 * differ by more than one core only where the smaller share is all that its node has. Within each node its share is
 * packed. Here CPU 0's core and penalized CPUs are let in only where the claim isn't possible without them.
 *
 * Whole groups are compared by what they have to give (`free_counts.ts`), so that nothing is searched: the work
 * grows with the number of cores. Two limits follow. Where one group isn't enough it uses up the ones with the most
 * free CPUs, where others, as few, might span a node less or break a core less: of random states of a machine of three
 * sockets with two nodes that is so in 3 of 100, of one socket with four nodes in 1 of 2000, and never where there are
 * two of each. And cores of one machine that differ in their number of threads are taken widest first, which is exact
 * as long as each width divides the next.
 *
 * Built to be extended: another reason to prefer CPUs is another rung in `score.ts` or tier in `pack.ts`, and another
 * placement is another order of the same parts.
 */
import { assert } from "../assert.ts";
import { CpuSet } from "./cpu_set.ts";
import { ownsCores } from "./footprint.ts";
import { type Availability, freeCores } from "./free_cores.ts";
import { nearest, UNITS } from "./nearest.ts";
import type { Placement } from "./placement.ts";
import type { Topology } from "./topology.ts";

export interface TakeRequest extends Availability {
  /** How many CPUs; a whole number, not negative. */
  readonly count: number;
  /** How they should lie to each other; absent: packed. */
  readonly placement?: Placement;
  /**
   * Used only where the claim isn't possible without them, and then as few as can be. (For `full-cores` on cores
   * that differ in their number of threads: as few as the widest first leads to.)
   */
  readonly avoid?: CpuSet;
  /** Where the claim fits wholly in these, they alone are taken; else they make no difference. */
  readonly preferred?: CpuSet;
}

/** The CPUs to take; the same ones for the same request. `undefined` only where its placement isn't possible. */
export function take(request: TakeRequest): CpuSet | undefined {
  return extend(request, CpuSet.empty);
}

/** As {@link take}, with all of `own` among the CPUs and the others as near to them as can be. */
export function extend(request: TakeRequest, own: CpuSet): CpuSet | undefined {
  const { free, count, preferred, avoid, placement = "packed" } = request;
  assert(Number.isInteger(count) && count >= 0, `${count} is not a number of CPUs`);
  if (count <= own.size) return count === own.size ? own : undefined;
  const open = avoid === undefined ? free : free.difference(avoid);
  if (preferred !== undefined && own.isSubsetOf(preferred)) {
    const cpus = nearest({ ...request, placement, free: open.intersection(preferred) }, own);
    if (cpus !== undefined) return cpus;
  }
  return nearest({ ...request, placement, free: open }, own) ??
    (open === free ? undefined : withAvoided({ ...request, placement }, own, open));
}

/**
 * As {@link extend} where all that is `open` isn't enough: it is used up, and the rest comes from the CPUs to avoid.
 * Where only whole cores are taken these are let in by degrees: first cores with one of them, then with two, and so on.
 */
function withAvoided(
  request: TakeRequest & { readonly placement: Placement },
  own: CpuSet,
  open: CpuSet,
): CpuSet | undefined {
  const { topology, free, placement } = request;
  const degrees = ownsCores(placement) ? degreesOf(topology, free, open) : [free];
  let before = open;
  for (const degree of degrees) {
    const usable = freeCores(topology.cores, { ...request, free: before.difference(own) }, UNITS[placement]);
    const base = own.union(CpuSet.from(usable.flatMap((core) => core.threads)));
    const cpus = nearest({ ...request, free: degree }, base) ?? nearest({ ...request, free: degree }, own);
    if (cpus !== undefined) return cpus;
    before = degree;
  }
  return undefined;
}

/** `open` with the free cores that have up to one other CPU, up to two, and so on to all. */
function degreesOf(topology: Topology, free: CpuSet, open: CpuSet): CpuSet[] {
  const cores = topology.groups.cores.map((core) => core.intersection(free));
  const others = cores.map((core) => core.difference(open).size);
  const most = others.reduce((a, b) => Math.max(a, b), 0);
  return Array.from(
    { length: most },
    (_, i) => CpuSet.unionOf([open, ...cores.filter((_, at) => (others[at] ?? 0) <= i + 1)]),
  );
}
