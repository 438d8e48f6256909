/**
 * The ladder: what makes one choice of CPUs better than another. Its order stands here alone; `take.ts`, `retake.ts`
 * and `regrow.ts`, and the parts that they are made of, compare scores.
 *
 * The terms. A CPU is *free* where the claim may have it. A *cache group* shares a last-level cache. A core is
 * *whole* where all its online threads are free, *orphaned* where others have claimed some of them, and has
 * *strays* where the rest is reserved or forbidden (see `CoreState`). *Loose* CPUs are those taken other than by the
 * whole core.
 *
 * The steps; each decides only where all before it leave a choice.
 * 1. Everything in one cache group; else in one NUMA node; else in one socket and, there, the fewest nodes; else in
 *    the fewest sockets and, there, the fewest nodes.
 * 2. Whole cores: as few loose CPUs as can be, whatever number of threads a core has; cores of more threads first.
 * 3. Loose CPUs come from orphans, then from strays, and only then is a whole core broken.
 * 4. Best fit: the group with the least free CPUs that is enough.
 * 5. The fewest cache groups, and there the fewest clusters.
 * 6. The lowest ids.
 *
 * Steps 5 and 6, and within a group also 2 and 3, are not compared but built in (`pack.ts`): CPUs are taken tier by
 * tier from the fewest groups, and of equal scores the first one is {@link best}.
 */
import type { CpuSet } from "./cpu_set.ts";
import { footprint } from "./footprint.ts";
import type { Placement } from "./placement.ts";
import type { Topology } from "./topology.ts";

/** The rungs, each a number of which the lower is better; the first difference decides. */
export const RUNGS = [
  "avoided", // CPUs of `avoid` that it keeps from others.
  "unpreferred", // CPUs that aren't the preferred ones, where these suffice.
  "level", // Step 1: the index in LEVELS of the first of which one group holds all of it.
  "sockets",
  "nodes",
  "penalty", // See penaltyOf: so the penalized CPUs are let in only where that gains one of the rungs above.
  "loose", // Step 2: CPUs taken outside of whole cores.
  "broken", // Step 3: whole cores broken for them; then, those of them that aren't orphans.
  "unorphaned",
  "free", // Step 4: CPUs that the group has free.
  "share", // Of NUMA nodes to spread over: CPUs of the claim that the node has already.
  "moved", // Of a claim that runs: CPUs that it doesn't have yet; of such a node, fewer where it has more.
  "foreign", // Of a claim that runs: CPUs on NUMA nodes that don't hold its memory.
  "scarcity", // Of NUMA nodes to spread over: less where the node has more free CPUs.
] as const;

export type Rung = (typeof RUNGS)[number];

/** Score is what a candidate is worth on each rung. What candidates of one kind don't differ in is left out. */
export type Score = { readonly [rung in Rung]?: number };

/** Negative where `a` is better, positive where `b` is, 0 where they are equally good. */
export function compare(a: Score, b: Score): number {
  for (const rung of RUNGS) {
    const difference = (a[rung] ?? 0) - (b[rung] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The first of the `items` with the best score; undefined where none has a score, since none will do. */
export function best<T>(items: readonly T[], scoreOf: (item: T) => Score | undefined): T | undefined {
  let found: T | undefined;
  let least: Score | undefined;
  for (const item of items) {
    const score = scoreOf(item);
    if (score === undefined || (least !== undefined && compare(score, least) >= 0)) continue;
    [found, least] = [item, score];
  }
  return found;
}

/** The levels of step 1, the closest first. */
export const LEVELS = ["cacheGroup", "node", "socket"] as const;

/** The groups of a machine at each of the {@link LEVELS}. */
export function groupsByLevel({ groups }: Topology): readonly (readonly CpuSet[])[] {
  return [groups.cacheGroups, groups.numaNodes, groups.sockets];
}

/**
 * What using so many penalized CPUs costs, or CPU 0's core, which is where the kernel and its interrupts like to be:
 * that core alone costs less than any penalized CPU.
 */
export function penaltyOf(penalized: number, usesCoreOfZero: boolean): number {
  return 2 * penalized + (usesCoreOfZero ? 1 : 0);
}

/** What a part of the machine has to give to one claim, in numbers. */
export interface FreeCounts {
  readonly free: number;
  /** How many of them are in orphaned cores. */
  readonly orphans: number;
  /** How many of them are strays. */
  readonly strays: number;
  /** How many whole cores there are of each number of CPUs to give (the index). */
  readonly whole: readonly number[];
}

/** The score of taking `count` CPUs from one part of the machine, by what it has. */
export function scoreOfPart(counts: FreeCounts, count: number): Score {
  const loose = looseOf(counts, count);
  const unorphaned = Math.max(0, loose - counts.orphans);
  return { loose, broken: unorphaned > counts.strays ? 1 : 0, unorphaned, free: counts.free };
}

/** What is left of `count` when as much of it as can be is served by whole cores, the widest first. */
export function looseOf({ whole }: FreeCounts, count: number): number {
  let loose = count;
  for (let width = whole.length - 1; width > 0; width--) {
    loose -= width * Math.min(whole[width] ?? 0, Math.floor(loose / width));
  }
  return loose;
}

/** A claim that runs, and what a set of CPUs is compared by on its behalf. */
export interface ScoredClaim {
  readonly topology: Topology;
  readonly claimed: CpuSet;
  /** What it has. */
  readonly own: CpuSet;
  /** The CPUs of the NUMA nodes that hold its memory. */
  readonly nearby: CpuSet;
  readonly preferred: CpuSet;
  readonly penalized: CpuSet;
  readonly avoid: CpuSet;
  readonly placement: Placement;
}

/** The score of one set of CPUs for a claim that runs. CPU 0's core costs nothing where the claim is on it. */
export function scoreOfSet(claim: ScoredClaim, cpus: CpuSet): Score {
  const { topology, claimed, own, placement } = claim;
  const added = cpus.difference(own);
  const [cacheGroups = 0, nodes = 0, sockets = 0] = groupsByLevel(topology)
    .map((groups) => groups.filter((group) => group.intersects(cpus)).length);
  const level = [cacheGroups, nodes, sockets].indexOf(1);
  const loose = placement === "single-thread"
    ? []
    : [...cpus].map((id) => topology.threadsOf(id)).filter((core) => !core.isSubsetOf(cpus));
  return {
    avoided: footprint(topology, cpus, placement).intersection(claim.avoid).size,
    unpreferred: cpus.difference(claim.preferred).size,
    level: level < 0 ? LEVELS.length : level,
    sockets,
    nodes,
    penalty: penaltyOf(cpus.intersection(claim.penalized).size, added.intersects(topology.threadsOf(0))),
    loose: loose.length,
    unorphaned: loose.filter((core) => !core.intersects(claimed)).length,
    moved: added.size,
    foreign: cpus.difference(claim.nearby).size,
  };
}
