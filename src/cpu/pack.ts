/** Taking CPUs close together, by the steps of the ladder (`score.ts`). */
import { countIn, groupsBy, inFewest } from "./fewest.ts";
import { type FreeCore, freeCores } from "./free_cores.ts";
import { type Candidates, type CellCounts, sumOf } from "./free_counts.ts";
import { best, compare, LEVELS, looseOf, type Score, scoreOfPart } from "./score.ts";

/** The cells to take from, with their score by step 1 and penalty. */
interface Site {
  readonly candidates: Candidates;
  readonly score: Score;
  readonly cells: readonly CellCounts[];
}

/** `count` CPUs from the best site in any of `all`; undefined where none can serve the claim. */
export function pack(all: Iterable<Candidates>, count: number): number[] | undefined {
  let chosen: Site | undefined;
  for (const candidates of all) {
    const site = siteIn(candidates, count, chosen?.score.level ?? Infinity);
    if (site !== undefined && (chosen === undefined || compare(site.score, chosen.score) < 0)) chosen = site;
    if (chosen?.score.level === 0) break;
  }
  if (chosen === undefined) return undefined;
  const { availability, unit } = chosen.candidates;
  return fill(chosen.cells.flatMap((cell) => freeCores(cell.cores, availability, unit)), count);
}

/** Step 1. Sites that one group holds are looked for only at levels before `limit`. */
function siteIn(candidates: Candidates, count: number, limit: number): Site | undefined {
  const { cells, unit, penalty } = candidates;
  const onlyWhole = unit === "core";
  if (countIn(cells) < count || (onlyWhole && looseOf(sumOf(cells), count) > 0)) return undefined;
  // None where a claim that takes only whole cores can't have exactly `count` CPUs.
  const scoreOf = (part: readonly CellCounts[]) => {
    const score = scoreOfPart(sumOf(part), count);
    return onlyWhole && score.loose !== 0 ? undefined : score;
  };
  const fewest = (part: readonly CellCounts[], key: (cell: CellCounts) => number) =>
    inFewest(part, key, count, (last, before) => scoreOf([...before, ...last.members]));
  for (const [level, name] of LEVELS.slice(0, 2).entries()) {
    if (level >= limit) return undefined;
    const able = groupsBy(cells, ({ cell }) => cell[name]).filter(({ free }) => free >= count);
    const group = best(able, ({ members }) => scoreOf(members));
    // A node may span sockets, see Topology: then the fewest of these too.
    if (group !== undefined) {
      return { candidates, score: { level, penalty }, cells: fewest(group.members, socketOf) };
    }
  }
  if (limit < 2) return undefined;
  const inSockets = fewest(cells, socketOf);
  const inNodes = fewest(inSockets, nodeOf);
  const [sockets, nodes] = [new Set(inSockets.map(socketOf)).size, new Set(inNodes.map(nodeOf)).size];
  const level = sockets === 1 ? 2 : LEVELS.length;
  return { candidates, score: { level, sockets, nodes, penalty }, cells: inNodes };
}

const socketOf = ({ cell }: CellCounts) => cell.socket;
const nodeOf = ({ cell }: CellCounts) => cell.node;

/** Steps 2 to 6: `count` of the free CPUs of `cores`, tier by tier. */
function fill(cores: readonly FreeCore[], count: number): number[] {
  const taken: number[] = [];
  const used = new Set<number>();
  const drain = (tier: readonly FreeCore[], unit: number) => {
    for (const part of byPenalty(tier)) {
      const wanted = Math.min(count - taken.length, countIn(part));
      if (wanted < unit) continue;
      for (const { core, threads } of pick(part, wanted - wanted % unit, used)) {
        used.add(core.cacheGroup);
        for (const id of threads) if (taken.length < count) taken.push(id);
      }
    }
  };
  const whole = cores.filter((core) => core.state === "whole");
  const byWidth = Map.groupBy(whole, (core) => core.free);
  for (const [width, tier] of [...byWidth].sort(([a], [b]) => b - a)) drain(tier, width);
  if (taken.length === count) return taken;
  drain(cores.filter((core) => core.state === "orphan"), 1);
  drain(cores.filter((core) => core.state === "stray"), 1);
  const gone = new Set(taken);
  drain(whole.filter((core) => !core.threads.some((id) => gone.has(id))), 1);
  return taken;
}

/** The cores in parts that are taken one after the other. */
function byPenalty(tier: readonly FreeCore[]): (readonly FreeCore[])[] {
  if (tier.every((core) => core.penalty === 0)) return [tier];
  return [...Map.groupBy(tier, (core) => core.penalty)].sort(([a], [b]) => a - b).map(([, part]) => part);
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
  return inFewest(cores, ({ core }) => core[level], count, ({ free }) => ({ free }));
}
