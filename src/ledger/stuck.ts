/** CPUs that the kernel couldn't be made to take from a container. */
import type { CpuSet } from "../cpu/cpu_set.ts";

export interface Stuck {
  readonly cpus: CpuSet;
  /** One sentence. */
  readonly reason: string;
  /** How often it was tried in vain. */
  readonly tries: number;
  /** When it may be tried again without being asked for, in the milliseconds of whoever tries. */
  readonly retryAt: number;
}

/** By container id. */
export type AllStuck = ReadonlyMap<string, Stuck>;

export const NOTHING_STUCK: AllStuck = new Map();

/** Milliseconds from the first failure to the next try, and the most that it comes to. */
const FIRST_RETRY = 1000;
const LAST_RETRY = 60_000;

/** What is known once it has failed again. */
export function stuckAgain(before: Stuck | undefined, cpus: CpuSet, reason: string, now: number): Stuck {
  const tries = (before?.tries ?? 0) + 1;
  const delay = Math.min(FIRST_RETRY * 2 ** Math.min(tries - 1, 10), LAST_RETRY);
  return { cpus: before === undefined ? cpus : before.cpus.union(cpus), reason, tries, retryAt: now + delay };
}

export function withStuck(all: AllStuck, id: string, stuck: Stuck | undefined): AllStuck {
  if (stuck !== undefined) return new Map(all).set(id, stuck);
  if (!all.has(id)) return all;
  const left = new Map(all);
  left.delete(id);
  return left;
}
