import { best, type Score } from "./score.ts";

/** Anything that has free CPUs. */
interface HasFree {
  readonly free: number;
}

/** Items that share a key, and the free CPUs that they have together. */
interface FreeGroup<T> extends HasFree {
  readonly members: T[];
  free: number;
}

/** The `items` by their keys, in the order of their first ones. Those of one key come in runs, mostly. */
export function groupsBy<T extends HasFree>(items: readonly T[], key: (item: T) => number): FreeGroup<T>[] {
  const groups = new Map<number, FreeGroup<T>>();
  let group: FreeGroup<T> | undefined;
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

/**
 * Those of the `items` that are in the fewest groups by `key` that have `count` free CPUs together: in the largest,
 * and in the one that, of all that have the rest, is best beside those; the first of equals. All items where too few
 * are free or none has a score.
 */
export function inFewest<T extends HasFree>(
  items: readonly T[],
  key: (item: T) => number,
  count: number,
  scoreOf: (last: FreeGroup<T>, before: readonly T[]) => Score | undefined,
): readonly T[] {
  const groups = groupsBy(items, key);
  if (groups.length === 1) return items;
  groups.sort((a, b) => b.free - a.free);
  let rest = count;
  let used = 0;
  for (const { free } of groups) {
    if (free >= rest) break;
    rest -= free;
    used++;
  }
  const before = groups.slice(0, used).flatMap(({ members }) => members);
  const able = groups.slice(used).filter(({ free }) => free >= rest);
  const last = best(able, (group) => scoreOf(group, before));
  return last === undefined ? items : [...before, ...last.members];
}

/** The free CPUs of all `parts` together. */
export function countIn(parts: readonly HasFree[]): number {
  let count = 0;
  for (const { free } of parts) count += free;
  return count;
}
