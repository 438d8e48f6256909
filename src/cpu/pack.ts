/** The steps of the ladder that `take.ts` describes, on what a machine offers. */
import { cheapest, compare, fewest, groupsBy } from "./fewest.ts";
import { type FreeCore, freeCores } from "./free_cores.ts";
import { type CellStock, type Cost, costOf, looseOf, type Offer, sumOf } from "./stock.ts";

/** The cells to take from, and how far down step 1 they are: lower is better, compared from left to right. */
interface Site {
  readonly offer: Offer;
  readonly rung: readonly number[];
  readonly cells: readonly CellStock[];
}

/**
 * `count` CPUs from the first of the `offers` that reaches the earliest rung of step 1; undefined where none can
 * serve the claim.
 */
export function pack(offers: Iterable<Offer>, count: number): number[] | undefined {
  let best: Site | undefined;
  for (const offer of offers) {
    const site = siteIn(offer, count, best?.rung[0] ?? Infinity);
    if (site !== undefined && (best === undefined || compare(site.rung, best.rung) < 0)) best = site;
    if (best?.rung[0] === 0) break;
  }
  if (best === undefined) return undefined;
  const { supply, unit } = best.offer;
  return fill(best.cells.flatMap((cell) => freeCores(cell.cores, supply, unit)), count);
}

/** Step 1. Sites on a rung that isn't before `limit` are not looked for. */
function siteIn(offer: Offer, count: number, limit: number): Site | undefined {
  const { cells, unit } = offer;
  const claim: Claim = { count, onlyWhole: unit === "core" };
  if (countIn(cells) < count || (claim.onlyWhole && looseOf(sumOf(cells), count) > 0)) return undefined;
  for (const [rung, level] of (["cacheGroup", "node"] as const).entries()) {
    if (rung >= limit) return undefined;
    const group = bestGroup(cells, level, claim);
    // A node may span sockets, see Topology: then the fewest of these too.
    if (group !== undefined) {
      return { offer, rung: [rung], cells: fewestGroups(group, "socket", claim).cells };
    }
  }
  if (limit < 2) return undefined;
  const sockets = fewestGroups(cells, "socket", claim);
  const nodes = fewestGroups(sockets.cells, "node", claim);
  return { offer, rung: [sockets.groups === 1 ? 2 : 3, sockets.groups, nodes.groups], cells: nodes.cells };
}

type Level = "cacheGroup" | "node" | "socket";

interface Claim {
  readonly count: number;
  readonly onlyWhole: boolean;
}

/** The cost of so many CPUs from `cells`; none where a claim that takes only whole cores can't have exactly these. */
function price(cells: readonly CellStock[], { count, onlyWhole }: Claim): Cost | undefined {
  const cost = costOf(sumOf(cells), count);
  return onlyWhole && cost[0] > 0 ? undefined : cost;
}

/** Of the groups at `level` that can serve the claim alone, the one of the least cost, then of the lowest ids. */
function bestGroup(
  cells: readonly CellStock[],
  level: Level,
  claim: Claim,
): readonly CellStock[] | undefined {
  const groups = groupsBy(cells, ({ cell }) => cell[level]).filter(({ free }) => free >= claim.count);
  return cheapest(groups, ({ members }) => price(members, claim))?.members;
}

interface Choice {
  readonly cells: readonly CellStock[];
  /** How many groups they are in. */
  readonly groups: number;
}

/**
 * The fewest groups at `level` that together can serve the claim; the last one is that of the least cost, then of the
 * lowest ids. All groups, where what the fewest have can't be put together to whole cores.
 */
function fewestGroups(cells: readonly CellStock[], level: Level, claim: Claim): Choice {
  const groups = groupsBy(cells, ({ cell }) => cell[level]);
  if (groups.length === 1) return { cells, groups: 1 };
  const chosen = fewest(groups, claim.count, (before) => {
    const used = before.flatMap((group) => group.members);
    return (last) => price([...used, ...last.members], claim);
  });
  return chosen === undefined
    ? { cells, groups: groups.length }
    : { cells: chosen.flatMap((group) => group.members), groups: chosen.length };
}

/** Steps 2 to 6: `count` of the free CPUs of `cores`, tier by tier. */
function fill(cores: readonly FreeCore[], count: number): number[] {
  const taken: number[] = [];
  const used = new Set<number>();
  const drain = (tier: readonly FreeCore[], unit: number) => {
    for (const part of byShyness(tier)) {
      const wanted = Math.min(count - taken.length, countIn(part));
      if (wanted < unit) continue;
      for (const { core, threads } of pick(part, wanted - wanted % unit, used)) {
        used.add(core.cacheGroup);
        for (const id of threads) if (taken.length < count) taken.push(id);
      }
    }
  };
  const whole = cores.filter((core) => core.kind === "whole");
  const byWidth = Map.groupBy(whole, (core) => core.free);
  for (const [width, tier] of [...byWidth].sort(([a], [b]) => b - a)) drain(tier, width);
  if (taken.length === count) return taken;
  drain(cores.filter((core) => core.kind === "orphan"), 1);
  drain(cores.filter((core) => core.kind === "stray"), 1);
  const gone = new Set(taken);
  drain(whole.filter((core) => !core.threads.some((id) => gone.has(id))), 1);
  return taken;
}

/** The cores in parts that are taken one after the other. */
function byShyness(tier: readonly FreeCore[]): (readonly FreeCore[])[] {
  if (tier.every((core) => core.shyness === 0)) return [tier];
  return [...Map.groupBy(tier, (core) => core.shyness)].sort(([a], [b]) => a - b).map(([, part]) => part);
}

/**
 * Cores that have `count` CPUs: in cache groups that are `used` already, where these have enough, else in the
 * fewest; there in the fewest clusters, and of these the fewest cores.
 */
function pick(cores: readonly FreeCore[], count: number, used: ReadonlySet<number>): readonly FreeCore[] {
  const touched = used.size === 0 ? [] : cores.filter(({ core }) => used.has(core.cacheGroup));
  const near = countIn(touched) >= count ? touched : fewestOf(cores, "cacheGroup", count);
  return fewestOf(fewestOf(near, "cluster", count), "core", count);
}

/** The cores of the fewest groups that have `count` CPUs; the last group is the best fit, then that of the lowest id. */
function fewestOf(
  cores: readonly FreeCore[],
  level: "cacheGroup" | "cluster" | "core",
  count: number,
): readonly FreeCore[] {
  const groups = groupsBy(cores, ({ core }) => core[level]);
  if (groups.length === 1) return cores;
  const chosen = fewest(groups, count, () => ({ free }) => [free]);
  return chosen?.flatMap((group) => group.members) ?? cores;
}

function countIn(parts: readonly { readonly free: number }[]): number {
  let count = 0;
  for (const { free } of parts) count += free;
  return count;
}
