/**
 * Counts of what the cells of the machine have to give to one claim: enough to compare them without trying what the
 * claim would get from each.
 */
import { CpuSet } from "./cpu_set.ts";
import { type Availability, coreState, countFree, type TakeUnit } from "./free_cores.ts";
import { type FreeCounts, penaltyOf } from "./score.ts";
import type { CacheCell, Core } from "./topology.ts";

/** The counts of one cell; `cores` are those of its cores that may be used. */
export interface CellCounts extends FreeCounts {
  readonly cell: CacheCell;
  readonly cores: readonly Core[];
}

/** Candidates are the cells that a claim may choose from, under one penalty. */
export interface Candidates {
  readonly availability: Availability;
  readonly unit: TakeUnit;
  /** Cells that have something to give, ascending by id. */
  readonly cells: readonly CellCounts[];
  readonly penalty: number;
}

/**
 * What a claim may choose from, ascending by penalty: without the core of CPU 0 and without penalized CPUs, then with
 * the first, with the second, with both. What is no different isn't repeated.
 */
export function* candidates(availability: Availability, unit: TakeUnit): Generator<Candidates> {
  const { free, penalized = CpuSet.empty } = availability;
  if (!penalized.intersects(free)) {
    yield* withoutAndWithZero({ ...availability, penalized: CpuSet.empty }, unit, 0);
  } else {
    yield* withoutAndWithZero({ ...availability, free: free.difference(penalized) }, unit, 0);
    yield* withoutAndWithZero(availability, unit, 1);
  }
}

function* withoutAndWithZero(given: Availability, unit: TakeUnit, penalized: number): Generator<Candidates> {
  const { topology, free } = given;
  const cells = topology.cells.filter(({ cpus }) => cpus.intersects(free))
    .map((cell) => countsOf(cell, cell.cores, given, unit));
  const [first, ...others] = cells;
  if (first?.cores[0]?.id === 0) {
    const spared = countsOf(first.cell, first.cores.slice(1), given, unit);
    const penalty = penaltyOf(penalized, false);
    if (spared.free < first.free) yield { availability: given, unit, cells: [spared, ...others], penalty };
  }
  yield { availability: given, unit, cells, penalty: penaltyOf(penalized, true) };
}

function countsOf(cell: CacheCell, cores: readonly Core[], given: Availability, unit: TakeUnit): CellCounts {
  const { free, claimed } = given;
  const allFree = cell.cpus.isSubsetOf(free);
  const whole: number[] = [0];
  let orphans = 0;
  let strays = 0;
  let inWhole = 0;
  for (const core of cores) {
    const count = allFree ? core.threads.length : countFree(core, free);
    const state = coreState(core, count, claimed, unit);
    if (state === "orphan") orphans += count;
    else if (state === "stray") strays += count;
    else if (state === "whole") {
      const width = unit === "thread of a core" ? 1 : count;
      while (whole.length <= width) whole.push(0);
      whole[width] = (whole[width] ?? 0) + 1;
      inWhole += width;
    }
  }
  return { cell, cores, free: inWhole + orphans + strays, orphans, strays, whole };
}

/** What the parts have together. */
export function sumOf(parts: readonly FreeCounts[]): FreeCounts {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const whole: number[] = [];
  let [free, orphans, strays] = [0, 0, 0];
  for (const part of parts) {
    free += part.free;
    orphans += part.orphans;
    strays += part.strays;
    for (let width = 0; width < part.whole.length; width++) {
      whole[width] = (whole[width] ?? 0) + (part.whole[width] ?? 0);
    }
  }
  return { free, orphans, strays, whole };
}
