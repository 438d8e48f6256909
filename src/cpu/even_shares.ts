import { cheapest } from "./fewest.ts";
import { type CellStock, type Stock, sumOf } from "./stock.ts";

/** NUMA node to a number of CPUs. */
export type Shares = ReadonlyMap<number, number>;

/** A node, what it has, and what it has been dealt. */
interface Hand {
  readonly node: number;
  readonly stock: Stock;
  /** Whole cores that are left. */
  whole: number;
  share: number;
}

/**
 * How many of `count` CPUs each NUMA node gives to a claim that is spread; undefined where there are too few. What
 * "evenly" means is said in `take.ts`.
 *
 * @param has What the claim has on each node already, beside these.
 * @param likes Of nodes that would be dealt to alike, the one with more of these comes first.
 */
export function evenShares(
  cells: readonly CellStock[],
  count: number,
  has: Shares,
  likes: Shares,
): Shares | undefined {
  if (sumOf(cells).free < count) return undefined;
  const hands = [...Map.groupBy(cells, ({ cell }) => cell.node)].map(([node, members]): Hand => {
    const stock = sumOf(members);
    return { node, stock, whole: stock.whole.reduce((sum, cores) => sum + cores, 0), share: 0 };
  });
  const order = ({ node, share, stock }: Hand) => [
    (has.get(node) ?? 0) + share,
    -(likes.get(node) ?? 0),
    -stock.free,
    node,
  ];
  /** Deals pieces of `unit` CPUs as long as they're wanted and there; gives back what is wanted then. */
  const deal = (
    wanted: number,
    unit: number,
    pieces: (stock: Stock) => number,
    dealt?: (hand: Hand) => void,
  ) => {
    const left = new Map(hands.map((hand) => [hand, pieces(hand.stock)]));
    let rest = wanted;
    while (rest >= unit) {
      const hand = cheapest(hands, (each) => (left.get(each) ?? 0) > 0 ? order(each) : undefined);
      if (hand === undefined) break;
      left.set(hand, (left.get(hand) ?? 0) - 1);
      hand.share += unit;
      dealt?.(hand);
      rest -= unit;
    }
    return rest;
  };
  const widest = hands.reduce((most, { stock }) => Math.max(most, stock.whole.length - 1), 0);
  let rest = count;
  for (let width = widest; width > 0; width--) {
    rest = deal(rest, width, (stock) => stock.whole[width] ?? 0, (hand) => hand.whole--);
  }
  rest = deal(rest, 1, (stock) => stock.orphans);
  rest = deal(rest, 1, (stock) => stock.strays);
  const broken = rest > 0 ? cheapest(hands, (each) => each.whole > 0 ? order(each) : undefined) : undefined;
  if (broken !== undefined) broken.share += rest;
  return new Map(hands.map((hand) => [hand.node, hand.share]));
}
