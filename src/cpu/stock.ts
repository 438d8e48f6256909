/**
 * What parts of the machine have to give to one claim, in numbers: enough to compare them without trying what the
 * claim would get from each.
 */
import { CpuSet } from "./cpu_set.ts";
import { countFree, kindOf, type Supply, type Unit } from "./free_cores.ts";
import type { Cell, Core } from "./topology.ts";

export interface Stock {
  readonly free: number;
  /** How many of them are in orphaned cores. */
  readonly orphans: number;
  /** How many of them are strays. */
  readonly strays: number;
  /** How many whole cores there are of each number of CPUs to give (the index). */
  readonly whole: readonly number[];
}

/** The stock of one cell; `cores` are those of its cores that may be used. */
export interface CellStock extends Stock {
  readonly cell: Cell;
  readonly cores: readonly Core[];
}

/** One state of the machine that a claim may choose from. */
export interface Offer {
  readonly supply: Supply;
  readonly unit: Unit;
  /** Cells that have something to give, ascending by id. */
  readonly cells: readonly CellStock[];
}

/**
 * What a claim may choose from, the best first: without what is better left alone (the core of CPU 0, and reluctant
 * CPUs), then with the first, with the second, with both. What is no different isn't repeated.
 */
export function* offers(supply: Supply, unit: Unit): Generator<Offer> {
  const { free, reluctant } = supply;
  if (reluctant === undefined || !reluctant.intersects(free)) {
    yield* withoutAndWithZero({ ...supply, reluctant: CpuSet.empty }, unit);
  } else {
    yield* withoutAndWithZero({ ...supply, free: free.difference(reluctant) }, unit);
    yield* withoutAndWithZero(supply, unit);
  }
}

function* withoutAndWithZero(supply: Supply, unit: Unit): Generator<Offer> {
  const cells: CellStock[] = [];
  for (const cell of supply.topology.cells) {
    if (cell.cpus.intersects(supply.free)) cells.push(stockOf(cell, cell.cores, supply, unit));
  }
  const [first] = cells;
  if (first?.cores[0]?.id === 0) {
    const spared = stockOf(first.cell, first.cores.slice(1), supply, unit);
    if (spared.free < first.free) yield { supply, unit, cells: [spared, ...cells.slice(1)] };
  }
  yield { supply, unit, cells };
}

function stockOf(cell: Cell, cores: readonly Core[], { free, claimed }: Supply, unit: Unit): CellStock {
  const allFree = cell.cpus.isSubsetOf(free);
  const whole: number[] = [0];
  let orphans = 0;
  let strays = 0;
  let inWhole = 0;
  for (const core of cores) {
    const count = allFree ? core.threads.length : countFree(core, free);
    const kind = kindOf(core, count, claimed, unit);
    if (kind === "orphan") orphans += count;
    else if (kind === "stray") strays += count;
    else if (kind === "whole") {
      const width = unit === "thread of a core" ? 1 : count;
      while (whole.length <= width) whole.push(0);
      whole[width] = (whole[width] ?? 0) + 1;
      inWhole += width;
    }
  }
  return { cell, cores, free: inWhole + orphans + strays, orphans, strays, whole };
}

/** What the parts have together. */
export function sumOf(parts: readonly Stock[]): Stock {
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

/** What is left of `count` when as much of it as can be is served by whole cores, the widest first. */
export function looseOf({ whole }: Stock, count: number): number {
  let loose = count;
  for (let width = whole.length - 1; width > 0; width--) {
    loose -= width * Math.min(whole[width] ?? 0, Math.floor(loose / width));
  }
  return loose;
}

/** What taking `count` CPUs from a stock costs; the first difference decides. */
export type Cost = readonly [
  /** CPUs taken outside of whole cores (step 2). */
  loose: number,
  /** Whole cores broken for them; then, those of them that aren't orphans (step 3). */
  broken: number,
  unorphaned: number,
  /** Best fit (step 4). */
  free: number,
];

export function costOf(stock: Stock, count: number): Cost {
  const loose = looseOf(stock, count);
  const unorphaned = Math.max(0, loose - stock.orphans);
  return [loose, unorphaned > stock.strays ? 1 : 0, unorphaned, stock.free];
}
