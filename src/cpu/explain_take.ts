/**
 * Why these CPUs: which rung of the ladder in `score.ts` has decided, and what the next choice would have cost. Made from
 * what was asked and what was chosen, when that is asked for.
 */
import { CpuSet } from "./cpu_set.ts";
import { footprint } from "./footprint.ts";
import { type Candidates, candidates, sumOf } from "./free_counts.ts";
import { UNITS } from "./nearest.ts";
import { groupsByLevel, LEVELS, type Rung, RUNGS, type Score, scoreOfPart, scoreOfSet } from "./score.ts";
import { take, type TakeRequest } from "./take.ts";

/** How close CPUs lie to each other: all in one of these, or in several sockets. */
export type Closeness = (typeof LEVELS)[number] | "sockets";

export interface TakeExplained {
  readonly level: Closeness;
  /** Of each closer level, on which no group could hold the claim: the most CPUs that one of its groups had free. */
  readonly tooSmall: readonly { readonly level: Closeness; readonly most: number }[];
  /** The best choice elsewhere; absent: there was none, or the placement spreads them. */
  readonly next?: NextChoice;
}

/** What would have been taken if the group that was chosen hadn't been there. */
export interface NextChoice {
  readonly cpus: CpuSet;
  readonly level: Closeness;
  /** The first rung on which the two differ; `ids`: on none, and the lowest CPU numbers have decided. */
  readonly rung: Rung | "ids";
  /** The number of each on that rung. */
  readonly chosen: number;
  readonly other: number;
}

/** @param cpus what {@link take} has given for `request` */
export function explainTake(request: TakeRequest, cpus: CpuSet): TakeExplained {
  const { topology, free, placement = "packed" } = request;
  const groups = groupsByLevel(topology);
  const at = levelAt(groups, cpus);
  const tooSmall = groups.slice(0, at < 0 ? groups.length : at).map((each, index) => ({
    level: levelOf(index),
    most: Math.max(0, ...each.map((group) => group.intersection(free).size)),
  }));
  const explained = { level: levelOf(at), tooSmall };
  const group = groups[at]?.find((each) => cpus.isSubsetOf(each));
  if (placement === "spread" || group === undefined) return explained;
  const other = take({ ...request, free: free.difference(group) });
  return other === undefined ? explained : { ...explained, next: compared(request, cpus, other) };
}

function compared(request: TakeRequest, cpus: CpuSet, other: CpuSet): NextChoice {
  const [ours, theirs] = [scoreIn(request, cpus), scoreIn(request, other)];
  const rung = RUNGS.find((rung) => (ours[rung] ?? 0) !== (theirs[rung] ?? 0));
  return {
    cpus: other,
    level: levelOf(levelAt(groupsByLevel(request.topology), other)),
    rung: rung ?? "ids",
    chosen: rung === undefined ? 0 : ours[rung] ?? 0,
    other: rung === undefined ? 0 : theirs[rung] ?? 0,
  };
}

/** The score of these CPUs by themselves, and by what there was in their group when they were chosen. */
function scoreIn(request: TakeRequest, cpus: CpuSet): Score {
  const { topology, count, placement = "packed", preferred, penalized = CpuSet.empty } = request;
  const { avoid = CpuSet.empty } = request;
  const all = { preferred: preferred ?? topology.online, own: CpuSet.empty, nearby: topology.online };
  const { avoided, unpreferred, level, sockets, nodes } = scoreOfSet(
    { ...request, ...all, placement, penalized, avoid },
    cpus,
  );
  const group = groupsByLevel(topology)[level ?? LEVELS.length]?.find((each) => cpus.isSubsetOf(each));
  const from = group ?? topology.online;
  // The passes of free_counts.ts, the first one that has these CPUs.
  const passes = [...candidates({ ...request, free: openFor(request, cpus) }, UNITS[placement])];
  const kept = footprint(topology, cpus, placement);
  const pass = passes.find((each) => kept.isSubsetOf(usableIn(each))) ?? passes.at(-1);
  const cells = pass?.cells.filter(({ cell }) => cell.cpus.isSubsetOf(from)) ?? [];
  const byCloseness = {
    avoided: avoided ?? 0,
    unpreferred: unpreferred ?? 0,
    level: level ?? 0,
    sockets: sockets ?? 0,
  };
  return {
    ...byCloseness,
    nodes: nodes ?? 0,
    penalty: pass?.penalty ?? 0,
    ...scoreOfPart(sumOf(cells), count),
  };
}

/** What was let in besides isolated CPUs, unless these are among them. */
function openFor({ free, avoid, preferred }: TakeRequest, cpus: CpuSet): CpuSet {
  const open = avoid === undefined || cpus.intersects(avoid) ? free : free.difference(avoid);
  return preferred !== undefined && cpus.isSubsetOf(preferred) ? open.intersection(preferred) : open;
}

function usableIn({ cells, availability }: Candidates): CpuSet {
  const threads = cells.flatMap(({ cores }) => cores.flatMap((core) => core.threads));
  return CpuSet.from(threads).intersection(availability.free);
}

/** The index in {@link LEVELS} of the closest level of which one group has them all; -1 where none has. */
function levelAt(groups: readonly (readonly CpuSet[])[], cpus: CpuSet): number {
  return groups.findIndex((each) => each.some((group) => cpus.isSubsetOf(group)));
}

function levelOf(at: number): Closeness {
  return LEVELS[at] ?? "sockets";
}
