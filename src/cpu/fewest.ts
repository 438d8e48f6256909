/**
 * Choosing groups of cores: the fewest that hold a claim, and of these the ones that serve it best. Groups are
 * compared by what they have to give ({@link Stock}), without trying what a claim would get from each.
 */
import type { FreeCore } from "./free_cores.ts";
import type { Level } from "./topology.ts";

/** What a group of cores has to give. */
interface Stock {
  readonly free: number;
  /** How many of them are in orphaned cores. */
  readonly orphans: number;
  /** How many of them are strays. */
  readonly strays: number;
  /** How many whole cores there are of each number of threads (the index). */
  readonly whole: readonly number[];
}

const NOTHING: Stock = { free: 0, orphans: 0, strays: 0, whole: [] };

function stockOf(cores: readonly FreeCore[]): Stock {
  const whole: number[] = [];
  let [free, orphans, strays] = [0, 0, 0];
  for (const core of cores) {
    const width = core.free.length;
    free += width;
    if (core.kind === "whole") whole[width] = (whole[width] ?? 0) + 1;
    else if (core.kind === "orphan") orphans += width;
    else strays += width;
  }
  return { free, orphans, strays, whole };
}

function sum(a: Stock, b: Stock): Stock {
  if (a === NOTHING) return b;
  const whole: number[] = [];
  for (let width = 0; width < Math.max(a.whole.length, b.whole.length); width++) {
    whole.push((a.whole[width] ?? 0) + (b.whole[width] ?? 0));
  }
  return { free: a.free + b.free, orphans: a.orphans + b.orphans, strays: a.strays + b.strays, whole };
}

/** What taking `count` CPUs from a stock costs; the first difference decides. */
type Cost = readonly [
  /** CPUs taken outside of whole cores (step 2). */
  loose: number,
  /** Whole cores broken for them; then, those of them that aren't orphans (step 3). */
  broken: number,
  unorphaned: number,
  /** Best fit (step 4). */
  free: number,
];

function costOf(stock: Stock, count: number): Cost {
  let loose = count;
  for (let width = stock.whole.length - 1; width > 0; width--) {
    loose -= width * Math.min(stock.whole[width] ?? 0, Math.floor(loose / width));
  }
  const unorphaned = Math.max(0, loose - stock.orphans);
  return [loose, unorphaned > stock.strays ? 1 : 0, unorphaned, stock.free];
}

/** Negative where `a` comes first, as numbers, from left to right. */
export function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return (a[at] ?? 0) - (b[at] ?? 0);
}

/** The first of the `items` with the least cost. There must be one. */
function cheapest<T>(items: readonly T[], cost: (item: T) => readonly number[]): T {
  const priced = items.map((item) => ({ item, cost: cost(item) }));
  return priced.reduce((best, next) => compare(next.cost, best.cost) < 0 ? next : best).item;
}

/**
 * How to have `count` CPUs from the fewest of `items`, which come largest first: all of `full` are used up, and
 * any one of `last` has the rest.
 */
function split<T>(items: readonly T[], size: (item: T) => number, count: number): { full: T[]; last: T[] } {
  let rest = count;
  let used = 0;
  for (const item of items) {
    if (size(item) >= rest) break;
    rest -= size(item);
    used++;
  }
  return { full: items.slice(0, used), last: items.slice(used).filter((item) => size(item) >= rest) };
}

/** Some of the cores, and in how many groups they are. */
export interface Choice {
  readonly cores: readonly FreeCore[];
  readonly groups: number;
}

/**
 * The fewest groups at `level` that together have `count` free CPUs; the last one (the only one, where one is
 * enough) is that of the least {@link Cost}, then of the lowest ids. `cores` must have `count` free CPUs.
 */
export function fewestGroups(cores: readonly FreeCore[], level: Level, count: number): Choice {
  const groups = [...Map.groupBy(cores, (core) => core[level]).values()]
    .map((members) => ({ members, stock: stockOf(members) }))
    .sort((a, b) => b.stock.free - a.stock.free);
  const { full, last } = split(groups, (group) => group.stock.free, count);
  const before = full.reduce((stock, group) => sum(stock, group.stock), NOTHING);
  const chosen = [...full, cheapest(last, (group) => costOf(sum(before, group.stock), count))];
  return { cores: chosen.flatMap((group) => group.members), groups: chosen.length };
}

/** The fewest cores that together have `count` free CPUs; the last one is the best fit, then the lowest id. */
export function fewestCores(cores: readonly FreeCore[], count: number): FreeCore[] {
  const size = (core: FreeCore) => core.free.length;
  const { full, last } = split(cores.toSorted((a, b) => size(b) - size(a)), size, count);
  return [...full, cheapest(last, (core) => [size(core)])];
}
