import { type CellCounts, sumOf } from "./free_counts.ts";
import { best, type FreeCounts } from "./score.ts";

/** NUMA node to a number of CPUs. */
type Shares = ReadonlyMap<number, number>;

/** A node, what it has, and its share so far. */
interface NodeDeal {
  readonly node: number;
  readonly counts: FreeCounts;
  /** Whole cores that are left. */
  whole: number;
  share: number;
}

/**
 * How many of `count` CPUs each NUMA node gives to a claim that is spread; undefined where there are too few. `take.ts`
 * has the order in which they are dealt.
 *
 * @param has What the claim has on each node already, beside these.
 * @param had Of nodes that are equal in that, the one with more of these comes first: what the claim ran on before.
 */
export function evenShares(
  cells: readonly CellCounts[],
  count: number,
  has: Shares,
  had: Shares,
): Shares | undefined {
  if (sumOf(cells).free < count) return undefined;
  const deals = [...Map.groupBy(cells, ({ cell }) => cell.node)].map(([node, members]): NodeDeal => {
    const counts = sumOf(members);
    return { node, counts, whole: counts.whole.reduce((sum, cores) => sum + cores, 0), share: 0 };
  }).sort((a, b) => a.node - b.node);
  const scoreOf = ({ node, share, counts }: NodeDeal) => ({
    share: (has.get(node) ?? 0) + share,
    moved: -(had.get(node) ?? 0),
    scarcity: -counts.free,
  });
  /** Deals pieces of `unit` CPUs as long as they are needed and there; returns how many CPUs are needed then. */
  const deal = (
    needed: number,
    unit: number,
    pieces: (counts: FreeCounts) => number,
    dealt?: (node: NodeDeal) => void,
  ) => {
    const left = new Map(deals.map((node) => [node, pieces(node.counts)]));
    let rest = needed;
    while (rest >= unit) {
      const node = best(deals, (each) => (left.get(each) ?? 0) > 0 ? scoreOf(each) : undefined);
      if (node === undefined) break;
      left.set(node, (left.get(node) ?? 0) - 1);
      node.share += unit;
      dealt?.(node);
      rest -= unit;
    }
    return rest;
  };
  const widest = deals.reduce((most, { counts }) => Math.max(most, counts.whole.length - 1), 0);
  let rest = count;
  for (let width = widest; width > 0; width--) {
    rest = deal(rest, width, ({ whole }) => whole[width] ?? 0, (node) => node.whole--);
  }
  rest = deal(rest, 1, ({ orphans }) => orphans);
  rest = deal(rest, 1, ({ strays }) => strays);
  const broken = rest > 0 ? best(deals, (each) => each.whole > 0 ? scoreOf(each) : undefined) : undefined;
  if (broken !== undefined) broken.share += rest;
  return new Map(deals.map(({ node, share }) => [node, share]));
}
