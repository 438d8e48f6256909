import { Random } from "../random.ts";

/** What many measurements of one thing come to. */
export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly median: number;
  /** As 99: the smallest measurement that at least 95 of 100 don't exceed; with few measurements the largest. */
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Throws when there is nothing to sum up. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (index: number): number => {
    const value = sorted[index];
    if (value === undefined) throw new Error("nothing was measured");
    return value;
  };
  const rank = (share: number) => at(Math.ceil(sorted.length * share) - 1);
  const { length: n } = sorted;
  return {
    n,
    min: at(0),
    median: (at(Math.floor((n - 1) / 2)) + at(Math.floor(n / 2))) / 2,
    p95: rank(0.95),
    p99: rank(0.99),
    max: at(n - 1),
  };
}

/** Of the measurements of two things that were taken in pairs: how many times as much the one is as the other. */
export function ratios(these: readonly number[], those: readonly number[]): number[] {
  if (these.length !== those.length) {
    throw new Error(`${these.length} measurements can't be paired with ${those.length}`);
  }
  return these.map((one, at) => one / (those[at] ?? NaN));
}

/** How many samples are drawn anew for an interval, and from which seed: the same figures give the same interval. */
const RESAMPLES = 1000;
const SEED = 20;

/** Between which values the median lies with 95 % confidence: of medians of the samples drawn anew (bootstrap). */
export function interval(samples: readonly number[]): readonly [low: number, high: number] {
  const random = new Random(SEED);
  const medians = Array.from(
    { length: RESAMPLES },
    () => summarize(samples.map(() => random.pick(samples) ?? NaN)).median,
  ).sort((a, b) => a - b);
  const at = (share: number) => medians[Math.round(share * (RESAMPLES - 1))] ?? NaN;
  return [at(0.025), at(0.975)];
}
