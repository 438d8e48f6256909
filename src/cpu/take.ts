/**
 * The take ladder: which CPUs an exclusive claim gets (the policy `packed`).
 *
 * The words. A CPU is *free* where the claim may have it. A *cache group* shares a last-level cache. A core is
 * *whole* where all its online threads are free, *orphaned* where others have claimed some of them, and has
 * *strays* where the rest is reserved or forbidden (see {@link FreeCore}). *Loose* CPUs are those taken other
 * than by the whole core.
 *
 * The steps; each decides only where all before it leave a choice.
 * 1. Everything in one cache group; else in one NUMA node; else in one socket; else in the fewest sockets and,
 *    there, the fewest nodes.
 * 2. Whole cores: as few loose CPUs as can be, whatever number of threads a core has.
 * 3. Loose CPUs come from orphans, then from strays, and only then is a whole core broken.
 * 4. Best fit: the group with the least free CPUs that is enough.
 * 5. The lowest ids.
 * CPU 0 is where the kernel and its interrupts like to be. Its core is left out at first, and let in only where
 * that reaches an earlier rung of step 1 (or makes the claim possible at all); CPU 0 is then the last to go.
 *
 * Whole groups are compared by what they have to give (`fewest.ts`), so that nothing is searched: the work
 * grows with the number of cores. Two limits follow. Of several sets of equally few sockets it takes the ones with
 * the most free CPUs, where another might span a node less. And cores of one machine that differ in their number
 * of threads are taken widest first, which is exact as long as each width divides the next.
 *
 * Built to be extended: another reason to prefer CPUs is another tier in `fill`, and another policy is another
 * order of the same parts.
 */
import { assert } from "../assert.ts";
import { CpuSet } from "./cpu_set.ts";
import { type Choice, compare, fewestCores, fewestGroups } from "./fewest.ts";
import { countFree, type FreeCore, freeCores } from "./free_cores.ts";
import type { Topology } from "./topology.ts";

export interface TakeRequest {
  readonly topology: Topology;
  /** What may be taken: online, and already without what is claimed, reserved or forbidden. */
  readonly free: CpuSet;
  /** Held by other claims; tells orphans from strays. */
  readonly claimed: CpuSet;
  /** How many CPUs; a whole number, not negative. */
  readonly count: number;
}

/** The CPUs to take; the same ones for the same request. `undefined` only where fewer than `count` are free. */
export function take({ topology, free, claimed, count }: TakeRequest): CpuSet | undefined {
  assert(Number.isInteger(count) && count >= 0, `${count} is not a number of CPUs`);
  if (count === 0) return CpuSet.empty;
  const cores = freeCores(topology, free, claimed);
  const placement = place(cores, count);
  return placement && CpuSet.from(fill(placement.cores, count));
}

/** The cores to take from, and how far down step 1 they are: lower is better, compared from left to right. */
interface Placement {
  readonly rung: readonly number[];
  readonly cores: readonly FreeCore[];
}

/** Step 1, without the core of CPU 0 where that is as good. */
function place(cores: readonly FreeCore[], count: number): Placement | undefined {
  const others = cores.filter((core) => core.id !== 0);
  const without = placeIn(others, count);
  if (others.length === cores.length || without?.rung[0] === 0) return without;
  const withZero = placeIn(cores, count);
  if (without === undefined || withZero === undefined) return withZero;
  return compare(withZero.rung, without.rung) < 0 ? withZero : without;
}

function placeIn(cores: readonly FreeCore[], count: number): Placement | undefined {
  if (countFree(cores) < count) return undefined;
  for (const [rung, level] of (["cacheGroup", "node"] as const).entries()) {
    const choice = fewestGroups(cores, level, count);
    if (choice.groups === 1) return { rung: [rung], cores: narrow(choice.cores, count).nodes.cores };
  }
  const { sockets, nodes } = narrow(cores, count);
  return { rung: sockets.groups === 1 ? [2] : [3, sockets.groups, nodes.groups], cores: nodes.cores };
}

/** The fewest sockets, and of these the fewest NUMA nodes. (A node may span sockets, see {@link Topology}.) */
function narrow(cores: readonly FreeCore[], count: number): { sockets: Choice; nodes: Choice } {
  const sockets = fewestGroups(cores, "socket", count);
  return { sockets, nodes: fewestGroups(sockets.cores, "node", count) };
}

/** Steps 2 to 5: `count` of the free CPUs of `cores`. Tier by tier, and of each the core of CPU 0 last. */
function fill(cores: readonly FreeCore[], count: number): number[] {
  const taken: number[] = [];
  const drain = (tier: readonly FreeCore[], unit: number) => {
    for (const part of [tier.filter((core) => core.id !== 0), tier.filter((core) => core.id === 0)]) {
      const wanted = Math.min(count - taken.length, countFree(part));
      taken.push(...pick(part, wanted - wanted % unit));
    }
  };
  const whole = cores.filter((core) => core.kind === "whole");
  const byWidth = Map.groupBy(whole, (core) => core.free.length);
  for (const [width, tier] of [...byWidth].sort(([a], [b]) => b - a)) drain(tier, width);
  if (taken.length === count) return taken;
  drain(cores.filter((core) => core.kind === "orphan"), 1);
  drain(cores.filter((core) => core.kind === "stray"), 1);
  const used = new Set(taken);
  drain(whole.filter((core) => !core.free.some((id) => used.has(id))), 1);
  return taken;
}

/** `count` CPUs in the fewest cache groups and, there, the fewest cores. */
function pick(cores: readonly FreeCore[], count: number): number[] {
  if (count === 0) return [];
  const near = fewestGroups(cores, "cacheGroup", count).cores;
  return fewestCores(near, count).flatMap(zeroLast).slice(0, count);
}

/** The free CPUs of a core, CPU 0 as the last. */
function zeroLast({ free }: FreeCore): readonly number[] {
  return free[0] === 0 ? [...free.slice(1), 0] : free;
}
