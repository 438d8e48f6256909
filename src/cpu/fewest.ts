/** Negative where `a` comes first, as numbers, from left to right. */
export function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The first of the `items` with the least cost; one without a cost won't do. Undefined where none will. */
export function cheapest<T>(
  items: readonly T[],
  cost: (item: T) => readonly number[] | undefined,
): T | undefined {
  let best: T | undefined;
  let least: readonly number[] | undefined;
  for (const item of items) {
    const next = cost(item);
    if (next === undefined || (least !== undefined && compare(next, least) >= 0)) continue;
    [best, least] = [item, next];
  }
  return best;
}

/** Anything that has free CPUs. */
interface Sized {
  readonly free: number;
}

/**
 * The fewest `items` that have `count` free CPUs together: the largest, and then, of all that have the rest, the
 * cheapest one by what `costAfter` says of it beside those before it; the first of equals. Undefined where too few
 * are free or none of the last ones will do.
 */
export function fewest<T extends Sized>(
  items: readonly T[],
  count: number,
  costAfter: (before: readonly T[]) => (last: T) => readonly number[] | undefined,
): T[] | undefined {
  const bySize = items.toSorted((a, b) => b.free - a.free);
  let rest = count;
  let used = 0;
  for (const { free } of bySize) {
    if (free >= rest) break;
    rest -= free;
    used++;
  }
  const before = bySize.slice(0, used);
  const able = bySize.slice(used).filter(({ free }) => free >= rest);
  const last = cheapest(able, costAfter(before));
  return last && [...before, last];
}

/** The `items` by their keys, in the order of their first ones. Those of one key come in runs, mostly. */
export function groupsBy<T extends Sized>(items: readonly T[], key: (item: T) => number): Group<T>[] {
  const groups = new Map<number, Group<T>>();
  let group: Group<T> | undefined;
  let last: number | undefined;
  for (const item of items) {
    const own = key(item);
    if (own !== last) group = groups.get(own);
    if (group === undefined) groups.set(own, group = { members: [], free: 0 });
    group.members.push(item);
    group.free += item.free;
    last = own;
  }
  return [...groups.values()];
}

export interface Group<T> extends Sized {
  readonly members: T[];
  free: number;
}
