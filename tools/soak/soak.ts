/** Plays as much of a {@link Week} as is asked for, samples what the agent keeps, and finds growth. */
import { type Sizes, sizesOf } from "./sizes.ts";
import { Week, type WeekOptions } from "./week.ts";

export interface SoakOptions extends WeekOptions {
  /** In all, after those with which the node fills. */
  readonly pods: number;
  /** Samples of what is kept, at even distances. */
  readonly samples: number;
  readonly onSample?: (sample: Sample) => void;
}

/** What is kept at one moment. */
export interface Sample {
  readonly pods: number;
  readonly sizes: Sizes;
  /** Bytes of live objects; undefined where that can't be known (without --expose-gc). */
  readonly heap: number | undefined;
}

/** Entries of a list for each living container, at most; several are in one list that is counted together. */
const ENTRIES_PER_CONTAINER = 3;
/** Entries by which a list may be longer once than at any time before: containers differ, and come in bursts. */
const SLACK_ENTRIES = 100;
/** Bytes of heap for each pod that has come and gone. The shortest entry of any map takes more. */
const BYTES_PER_POD = 24;
/** Bytes that the heap of one and the same program differs by from time to time. */
const NOISE_BYTES = 300_000;

export function soak(options: SoakOptions): Sample[] {
  const week = new Week(options);
  const samples: Sample[] = [];
  // Full, and everything compiled and cached that will be.
  while (week.pods < 2 * options.live) week.pod();
  for (let at = 0; at <= options.samples; at++) {
    const until = 2 * options.live + Math.round(options.pods * at / options.samples);
    while (week.pods < until) week.pod();
    const sample = { pods: week.pods, sizes: sizesOf(week.agent), heap: heap() };
    samples.push(sample);
    options.onSample?.(sample);
    // A CPU goes and comes back, and the runtime restarts; after that the agent goes on for as long as it can.
    if (at === 1 || at === 2) week.plug();
    if (at === 2) week.reconnect();
  }
  return samples;
}

/** A line for everything that is too large, or has grown from the first half of the samples to the second. */
export function growth(samples: readonly Sample[], live: number): string[] {
  const half = Math.ceil(samples.length / 2);
  // The first sample isn't compared: much of the program was just compiled then.
  const [first, second] = [samples.slice(1, half), samples.slice(half)];
  const paths = new Set(samples.flatMap(({ sizes }) => [...sizes.keys()]));
  const most = (some: readonly Sample[], path: string) =>
    Math.max(...some.map(({ sizes }) => sizes.get(path) ?? 0));
  const grown = [...paths].filter((path) => most(second, path) > most(first, path) * 1.2 + SLACK_ENTRIES)
    .map((path) => `agent${path} has grown from ${most(first, path)} to ${most(second, path)} entries`);
  const bound = ENTRIES_PER_CONTAINER * live + 10 * SLACK_ENTRIES;
  const large = [...paths].filter((path) => most(samples, path) > bound)
    .map((path) => `agent${path} has had ${most(samples, path)} entries, for ${live} containers`);
  return [...grown, ...large, ...heapGrowth(first, second)];
}

function heapGrowth(first: readonly Sample[], second: readonly Sample[]): string[] {
  const [before, after] = [least(first), least(second)];
  if (before?.heap === undefined || after?.heap === undefined) return [];
  const grown = after.heap - before.heap;
  const pods = after.pods - before.pods;
  const text = `the heap has grown by ${grown} bytes in ${pods} pods, ${(grown / pods).toFixed(1)} each`;
  return grown > NOISE_BYTES + pods * BYTES_PER_POD ? [text] : [];
}

function least(samples: readonly Sample[]): Sample | undefined {
  return samples.toSorted((a, b) => (a.heap ?? 0) - (b.heap ?? 0))[0];
}

function heap(): number | undefined {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) return undefined;
  gc();
  gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
