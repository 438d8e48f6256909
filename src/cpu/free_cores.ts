import type { CpuSet } from "./cpu_set.ts";
import type { Core, Level, Topology } from "./topology.ts";

/**
 * A core that has free CPUs, as one request sees it:
 * - **whole**: all its online threads are free. Taking some of them only *breaks* it;
 * - **orphan**: a thread is claimed by others, so the free ones share the core with a claim whatever happens;
 * - **stray**: a thread is neither free nor claimed. It is reserved, or forbidden to this pod alone.
 */
export interface FreeCore extends Core {
  /** The free ones of its threads, ascending. */
  readonly free: readonly number[];
  readonly kind: "whole" | "orphan" | "stray";
}

/** The cores with free CPUs, ascending by id. */
export function freeCores(topology: Topology, free: CpuSet, claimed: CpuSet): FreeCore[] {
  const cores: FreeCore[] = [];
  for (const core of topology.cores) {
    const left = core.threads.filter((id) => free.has(id));
    if (left.length > 0) cores.push({ ...core, free: left, kind: kindOf(core, left, claimed) });
  }
  return cores;
}

function kindOf(core: Core, left: readonly number[], claimed: CpuSet): FreeCore["kind"] {
  if (left.length === core.threads.length) return "whole";
  return core.threads.some((id) => claimed.has(id)) ? "orphan" : "stray";
}

/** How many CPUs are free in `cores`. */
export function countFree(cores: readonly FreeCore[]): number {
  return cores.reduce((count, core) => count + core.free.length, 0);
}

/** What a group of cores has to give. */
interface Stock {
  readonly free: number;
  /** How many of them are in cores that aren't whole. */
  readonly partial: number;
  /** How many whole cores there are of each number of threads (the index). */
  readonly whole: readonly number[];
}

const NOTHING: Stock = { free: 0, partial: 0, whole: [] };

function stockOf(cores: readonly FreeCore[]): Stock {
  const whole: number[] = [];
  let free = 0;
  let partial = 0;
  for (const core of cores) {
    const width = core.free.length;
    free += width;
    if (core.kind !== "whole") partial += width;
    else whole[width] = (whole[width] ?? 0) + 1;
  }
  return { free, partial, whole };
}

function sum(a: Stock, b: Stock): Stock {
  if (a === NOTHING) return b;
  const widths = Math.max(a.whole.length, b.whole.length);
  const whole = Array.from({ length: widths }, (_, width) => (a.whole[width] ?? 0) + (b.whole[width] ?? 0));
  return { free: a.free + b.free, partial: a.partial + b.partial, whole };
}

/** What taking `count` CPUs from a stock costs; the first difference decides. */
type Cost = readonly [
  /** CPUs taken outside of whole cores (step 2). */
  loose: number,
  /** Whole cores broken for them (step 3). */
  broken: number,
  /** Best fit (step 4). */
  free: number,
];

function costOf(stock: Stock, count: number): Cost {
  let loose = count;
  for (let width = stock.whole.length - 1; width > 0; width--) {
    loose -= width * Math.min(stock.whole[width] ?? 0, Math.floor(loose / width));
  }
  return [loose, loose > stock.partial ? 1 : 0, stock.free];
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
 * The fewest of `items` that together have `count` CPUs, where each has `size` and `items` come largest first.
 * All but the last are used up; the last is the one that costs least after those before it.
 */
function fewestOf<T>(
  items: readonly T[],
  count: number,
  size: (item: T) => number,
  cost: (last: T, before: readonly T[]) => readonly number[],
): T[] {
  let full = 0;
  let rest = count;
  for (const item of items) {
    if (size(item) >= rest) break;
    rest -= size(item);
    full++;
  }
  const before = items.slice(0, full);
  const enough = items.slice(full).filter((item) => size(item) >= rest);
  return [...before, cheapest(enough, (item) => cost(item, before))];
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
    .map((members) => ({ members, ...stockOf(members) }))
    .sort((a, b) => b.free - a.free);
  const chosen = fewestOf(
    groups,
    count,
    (group) => group.free,
    (last, before) => costOf([...before, last].reduce(sum, NOTHING), count),
  );
  return { cores: chosen.flatMap((group) => group.members), groups: chosen.length };
}

/** The fewest cores that together have `count` free CPUs; the last one is the best fit, then the lowest id. */
export function fewestCores(cores: readonly FreeCore[], count: number): FreeCore[] {
  const size = (core: FreeCore) => core.free.length;
  return fewestOf(cores.toSorted((a, b) => size(b) - size(a)), count, size, (last) => [size(last)]);
}
