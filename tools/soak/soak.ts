/** Plays as much of a {@link Week} as is asked for, looks now and then at what the agent keeps, and judges its growth. */
import { type Sizes, sizesOf } from "./sizes.ts";
import { Week, type WeekOptions } from "./week.ts";

export interface SoakOptions extends WeekOptions {
  /** In all, after those with which the node fills. */
  readonly pods: number;
  /** Looks at what is kept, at even distances. */
  readonly looks: number;
  readonly onLook?: (look: Look) => void;
}

/** What is kept at one moment. */
export interface Look {
  readonly pods: number;
  readonly sizes: Sizes;
  /** Bytes of live objects; undefined where that can't be known (without --expose-gc). */
  readonly heap: number | undefined;
}

/** Entries of a list for each living container, at most; several are in one list that is counted together. */
const ENTRIES_EACH = 3;
/** Entries by which a list may be longer once than at any time before: containers differ, and come in bursts. */
const SLACK = 100;
/** Bytes of heap for each pod that has come and gone. The shortest entry of any map takes more. */
const BYTES_A_POD = 24;
/** Bytes that the heap of one and the same program differs by from time to time. */
const NOISE = 300_000;

export function soak(options: SoakOptions): Look[] {
  const week = new Week(options);
  const looks: Look[] = [];
  // Full, and everything compiled and cached that will be.
  while (week.pods < 2 * options.live) week.pod();
  for (let at = 0; at <= options.looks; at++) {
    const until = 2 * options.live + Math.round(options.pods * at / options.looks);
    while (week.pods < until) week.pod();
    const look = { pods: week.pods, sizes: sizesOf(week.agent), heap: heap() };
    looks.push(look);
    options.onLook?.(look);
    // A CPU goes and comes back, and the runtime restarts; after that the agent goes on for as long as it can.
    if (at === 1 || at === 2) week.plug();
    if (at === 2) week.reconnect();
  }
  return looks;
}

/** One sentence for everything that is too large, or has grown from the first half of the looks to the second. */
export function growth(looks: readonly Look[], live: number): string[] {
  const half = Math.ceil(looks.length / 2);
  // The first look is only for the eye: much of the program was just compiled then.
  const [first, second] = [looks.slice(1, half), looks.slice(half)];
  const paths = new Set(looks.flatMap(({ sizes }) => [...sizes.keys()]));
  const most = (some: readonly Look[], path: string) =>
    Math.max(...some.map(({ sizes }) => sizes.get(path) ?? 0));
  const grown = [...paths].filter((path) => most(second, path) > most(first, path) * 1.2 + SLACK)
    .map((path) => `agent${path} has grown from ${most(first, path)} to ${most(second, path)} entries`);
  const bound = ENTRIES_EACH * live + 10 * SLACK;
  const large = [...paths].filter((path) => most(looks, path) > bound)
    .map((path) => `agent${path} has had ${most(looks, path)} entries, for ${live} containers`);
  return [...grown, ...large, ...heapGrowth(first, second)];
}

function heapGrowth(first: readonly Look[], second: readonly Look[]): string[] {
  const [before, after] = [least(first), least(second)];
  if (before?.heap === undefined || after?.heap === undefined) return [];
  const grown = after.heap - before.heap;
  const pods = after.pods - before.pods;
  const sentence = `the heap has grown by ${grown} bytes in ${pods} pods, ${(grown / pods).toFixed(1)} each`;
  return grown > NOISE + pods * BYTES_A_POD ? [sentence] : [];
}

function least(looks: readonly Look[]): Look | undefined {
  return looks.toSorted((a, b) => (a.heap ?? 0) - (b.heap ?? 0))[0];
}

function heap(): number | undefined {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) return undefined;
  gc();
  gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
